"""Several callbacks as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from raytrain.engine.fit import refuse_before_others
from raytrain.errors import RunError
from raytrain.types import Callback, FitState

__all__ = ["CallbackList"]


class CallbackList(Callback):
    """Call callbacks in order, as the engine does; of the end of the run all are told, even when one raises.

    A container in the manner of Keras's `CallbackList` (Chollet et al. 2015), itself a callback.

    Args:
        callbacks: In the order they are called in.

    Raises:
        RunError: On resuming, when the state is of another number of callbacks.

    >>> from types import SimpleNamespace
    >>> from raytrain.callbacks import EarlyStopping, LearningRateMonitor
    >>> callbacks = CallbackList([EarlyStopping()])
    >>> callbacks.append(LearningRateMonitor())
    >>> [type(callback).__name__ for callback in callbacks]
    ['EarlyStopping', 'LearningRateMonitor']
    """

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self._callbacks = list(callbacks)
        self._untold: list[Callback] = []

    def append(self, callback: Callback) -> None:
        """Add a callback, called after those before it."""
        self._callbacks.append(callback)

    def __len__(self) -> int:
        return len(self._callbacks)

    def __iter__(self) -> Iterator[Callback]:
        return iter(self._callbacks)

    def on_fit_start(self, state: FitState) -> None:
        """Tell each callback in order."""
        for callback in self._callbacks:
            callback.on_fit_start(state)

    def on_epoch_start(self, state: FitState) -> None:
        """Tell each callback in order."""
        for callback in self._callbacks:
            callback.on_epoch_start(state)

    def on_step_end(self, state: FitState) -> None:
        """Tell each callback in order."""
        try:
            for number, callback in enumerate(self._callbacks, start=1):
                self._untold = self._callbacks[number:]
                callback.on_step_end(state)
        finally:
            self._untold = []

    def on_epoch_end(self, state: FitState) -> None:
        """Tell each callback in order."""
        for callback in self._callbacks:
            callback.on_epoch_end(state)

    def on_checkpoint(self, state: FitState) -> None:
        """Tell each callback in order."""
        for callback in self._callbacks:
            callback.on_checkpoint(state)

    def on_fit_end(self, state: FitState) -> None:
        """Tell each callback in order, also when one before it raises."""
        with ExitStack() as stack:  # calls in reverse of what it is given
            for callback in reversed(self._callbacks):
                stack.callback(callback.on_fit_end, state)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each callback, in order.

        Raises:
            RunError: One of them asks in `on_step_end`, before another with a state is told of the step.
        """
        refuse_before_others(self._untold)
        return {"callbacks": [callback.state_dict() for callback in self._callbacks]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of each callback."""
        saved = state["callbacks"]
        if len(saved) != len(self._callbacks):
            raise RunError(
                f"snapshot has the state of {len(saved)} callbacks in a list, the run has {len(self._callbacks)}; "
                "resume with the callbacks it was made with"
            )
        for callback, own in zip(self._callbacks, saved, strict=True):
            callback.load_state_dict(own)
