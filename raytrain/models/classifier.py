"""What every model is: features of a window, and a classifier that scores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, overload

from torch import Tensor, nn

__all__ = ["Classifier", "InputDomain", "Inputs", "Outputs"]

InputDomain: TypeAlias = Literal["signal", "image", "views", "signal_and_conditions"]
"""What a model takes: the signal `[B, C, T]`; a time-frequency image `[B, C, F, T']`; several of these by name; or the
signal under `signal` and its operating conditions `[B, D]` under `conditions`."""

Inputs: TypeAlias = Tensor | Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Outputs:
    """All that a model says of a batch.

    Attributes:
        scores: Class scores `[B, K]`.
        embedding: The features `[B, D]` they were computed from.
        views: Class scores `[B, K]` of each view by itself, where the model has several.
        severity: Severity of the fault in [0, 1], `[B]`, where the model states one.
    """

    scores: Tensor
    embedding: Tensor
    views: Mapping[str, Tensor] = field(default_factory=dict)
    severity: Tensor | None = None


class Classifier(nn.Module):
    """Base of all models: `embed` gives the features of each window, `classifier` turns them into class scores.

    A model sets `input_domain` and `classifier`, defines `embed`, and says what the smallest inputs are. One that says
    more than scores overrides `outputs`.

    >>> import torch
    >>> class Energy(Classifier):
    ...     input_domain = "signal"
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.classifier = nn.Linear(1, 2)
    ...     def embed(self, inputs):
    ...         return inputs.square().mean(dim=(1, 2))[:, None]
    >>> said = Energy()(torch.ones(3, 1, 8), detailed=True)
    >>> said.scores.shape, said.embedding.tolist()
    (torch.Size([3, 2]), [[1.0], [1.0], [1.0]])

    Attributes:
        input_domain: What it takes.
        any_length: Whether it takes inputs of other lengths than it was trained on, as progressive resizing needs.
        length_rule: What it asks of the inputs' length beside the minimum, for users; empty for nothing.
        classifier: From the embedding `[B, D]` to scores `[B, K]`.
    """

    input_domain: ClassVar[InputDomain]
    any_length: ClassVar[bool] = True
    length_rule: ClassVar[str] = ""
    classifier: nn.Module

    def embed(self, inputs: Any) -> Tensor:  # noqa: ANN401 - each model takes its own domain
        """Return the features `[B, D]` that the classifier sees.

        Raises:
            ConfigError: The inputs are of another shape than the model takes.
        """
        raise NotImplementedError

    def outputs(self, inputs: Inputs) -> Outputs:
        """Return all that the model says of `inputs`."""
        embedding = self.embed(inputs)
        return Outputs(scores=self.classifier(embedding), embedding=embedding)

    @overload
    def forward(self, inputs: Inputs, *, detailed: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, inputs: Inputs, *, detailed: Literal[True]) -> Outputs: ...
    def forward(self, inputs: Inputs, *, detailed: bool = False) -> Tensor | Outputs:
        """Return class scores `[B, K]`, or, where `detailed`, all that the model says.

        Raises:
            ConfigError: The inputs are of another shape than the model takes.
        """
        said = self.outputs(inputs)
        return said if detailed else said.scores
