"""How large gradients are, in all and layer by layer, and whether they vanish or explode."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.types import Callback, FitState

__all__ = ["GradientMonitor", "layer_norms"]

_LOG = logging.getLogger("raytrain")


def layer_norms(layers: Mapping[str, Sequence[nn.Parameter]], *, total: Tensor | None = None) -> Tensor:
    """Return the Euclidean norm of each layer's gradient, `[layers]`, without waiting for the device.

    Args:
        layers: The parameters of each layer; one without a gradient counts as zero.
        total: Norm of all gradients together before they were clipped, a scalar. Clipping scales all of them by one
            factor, so the norms of before are those of now times `total` over the norm of all now.

    >>> weight, bias = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    >>> weight.grad, bias.grad = torch.tensor([0.6, 0.0]), torch.tensor([0.8])
    >>> layer_norms({"linear": [weight, bias]}), layer_norms({"a": [weight], "b": [bias]}, total=torch.tensor(5.0))
    (tensor([1.]), tensor([3., 4.]))
    """
    found = [
        (index, parameter.grad)
        for index, parameters in enumerate(layers.values())
        for parameter in parameters
        if parameter.grad is not None
    ]
    if not found:
        return torch.zeros(len(layers))
    norms = torch.stack(torch._foreach_norm([gradient for _, gradient in found])).float()  # noqa: SLF001 - as torch's own clipping
    index = torch.tensor([index for index, _ in found], device=norms.device)
    squares = norms.new_zeros(len(layers)).index_add_(0, index, norms.square())
    if total is None:
        return squares.sqrt()
    now = squares.sum().sqrt()
    return squares.sqrt() * torch.where(now > 0, total / now, torch.ones_like(now))


class GradientMonitor(Callback):
    """Watch the norms of gradients, as they are before clipping; tell once per epoch when they vanish or explode.

    Bengio, Simard & Frasconi 1994 and Pascanu, Mikolov & Bengio 2013 describe the two. It looks at the first step of
    each epoch and every `log_interval` steps from there. Of what it sees it adds `gradient/norm` (the mean) and
    `gradient/norm_max` to the epoch's metrics, keeps the mean of each layer, and rank 0 warns through the logger
    `raytrain`. A layer is a module with the parameters that are its own and are trained when the run starts. Under a
    float16 loss scaler single infinite norms are part of ordinary training.

    Args:
        log_interval: Steps between looks; only a look waits for the device.
        alert_threshold: A larger norm, or one that is NaN, is exploding.
        vanishing_threshold: A layer whose norms in an epoch are all smaller is vanishing.

    Attributes:
        history: For each epoch the mean norm of each layer's gradient, by the module's name.

    Raises:
        ConfigError: A setting is impossible.

    >>> from types import SimpleNamespace
    >>> model = nn.Linear(2, 1)
    >>> run = SimpleNamespace(model=model, gradient_norm=None, metrics={}, is_writer=False)
    >>> monitor = GradientMonitor()
    >>> monitor.on_fit_start(run)
    >>> monitor.on_epoch_start(run)
    >>> model(torch.tensor([[3.0, 0.0]])).backward(torch.tensor([[0.5]]))
    >>> monitor.on_step_end(run)
    >>> monitor.on_epoch_end(run)
    >>> print({key: round(norm, 3) for key, norm in run.metrics.items()})
    {'gradient/norm': 1.581, 'gradient/norm_max': 1.581}
    """

    def __init__(
        self, *, log_interval: int = 100, alert_threshold: float = 10.0, vanishing_threshold: float = 1e-7
    ) -> None:
        if log_interval < 1:
            raise ConfigError(f"callbacks.gradient_monitor.log_interval must be at least 1, got {log_interval}")
        if not 0 <= vanishing_threshold < alert_threshold:
            raise ConfigError(
                "callbacks.gradient_monitor.vanishing_threshold must be at least 0 and below alert_threshold "
                f"({alert_threshold:g}), got {vanishing_threshold:g}"
            )
        self.log_interval = log_interval
        self.alert_threshold = alert_threshold
        self.vanishing_threshold = vanishing_threshold
        self.history: list[dict[str, float]] = []
        self._layers: dict[str, list[nn.Parameter]] = {}
        self._looks: list[list[float]] = []
        self._step = 0

    def on_fit_start(self, state: FitState) -> None:
        """List the layers once."""
        self._layers = {}
        for name, parameter in state.model.named_parameters():  # a shared one is the first layer's
            if parameter.requires_grad:
                layer = name.rpartition(".")[0] or type(state.model).__name__
                self._layers.setdefault(layer, []).append(parameter)

    def on_epoch_start(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Begin the epoch's looks."""
        self._looks, self._step = [], 0

    def on_step_end(self, state: FitState) -> None:
        """Look, when it is time."""
        if self._step % self.log_interval == 0:
            self._looks.append(layer_norms(self._layers, total=state.gradient_norm).tolist())
        self._step += 1

    def on_epoch_end(self, state: FitState) -> None:
        """Add the norms to the metrics, keep those of the layers, and warn."""
        if not self._looks:
            return
        totals = [math.hypot(*look) for look in self._looks]
        # `max` would pass over a NaN, or not, by its place.
        largest = math.nan if any(map(math.isnan, totals)) else max(totals)
        state.metrics |= {"gradient/norm": sum(totals) / len(totals), "gradient/norm_max": largest}
        by_layer = dict(zip(self._layers, zip(*self._looks, strict=True), strict=True))
        self.history.append({name: sum(norms) / len(norms) for name, norms in by_layer.items()})
        if state.is_writer:
            vanishing = [name for name, norms in by_layer.items() if max(norms) < self.vanishing_threshold]
            self._warn(state.progress.epoch + 1, largest, vanishing)

    def state_dict(self) -> dict[str, Any]:
        """Return the history, and the looks of the running epoch."""
        return {
            "history": [dict(row) for row in self.history],
            "looks": [list(look) for look in self._looks],
            "step": self._step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self.history = [dict(row) for row in state["history"]]
        self._looks, self._step = [list(look) for look in state["looks"]], state["step"]

    def _warn(self, epoch: int, largest: float, vanishing: list[str]) -> None:
        if not largest <= self.alert_threshold:
            _LOG.warning(
                "epoch %d: gradients explode, their norm before clipping reached %.4g (alert_threshold %g); "
                "lower optimizer.lr or max_grad_norm",
                epoch,
                largest,
                self.alert_threshold,
            )
        if vanishing:
            _LOG.warning(
                "epoch %d: gradients vanish, their norm stayed below %g in %s; add normalisation or raise optimizer.lr",
                epoch,
                self.vanishing_threshold,
                ", ".join(vanishing),
            )
