"""What every model is: features of a window, and a classifier that scores them."""

from __future__ import annotations

from typing import ClassVar, Literal, overload

from torch import Tensor, nn

__all__ = ["Classifier"]


class Classifier(nn.Module):
    """Base of all models: `embed` gives the features of each window, `classifier` turns them into class scores.

    A model sets `input_domain` and `classifier`, defines `embed`, and says what the smallest inputs are.

    >>> import torch
    >>> class Energy(Classifier):
    ...     input_domain = "signal"
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.classifier = nn.Linear(1, 2)
    ...     def embed(self, inputs):
    ...         return inputs.square().mean(dim=(1, 2))[:, None]
    >>> scores, embedding = Energy()(torch.ones(3, 1, 8), with_embedding=True)
    >>> scores.shape, embedding.tolist()
    (torch.Size([3, 2]), [[1.0], [1.0], [1.0]])

    Attributes:
        input_domain: What it takes: the `signal` `[B, C, T]`, or the time-frequency `image` `[B, C, F, T']`.
        classifier: From the embedding `[B, D]` to scores `[B, K]`.
    """

    input_domain: ClassVar[Literal["signal", "image"]]
    classifier: nn.Module

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the features `[B, D]` that the classifier sees.

        Raises:
            ConfigError: The inputs are of another shape than the model takes.
        """
        raise NotImplementedError

    @overload
    def forward(self, inputs: Tensor, *, with_embedding: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, inputs: Tensor, *, with_embedding: Literal[True]) -> tuple[Tensor, Tensor]: ...
    def forward(self, inputs: Tensor, *, with_embedding: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Return class scores `[B, K]`, or these and the embedding `[B, D]` they were computed from.

        Raises:
            ConfigError: The inputs are of another shape than the model takes.
        """
        embedding = self.embed(inputs)
        scores: Tensor = self.classifier(embedding)
        return (scores, embedding) if with_embedding else scores
