"""Multi-view networks: several time-frequency images of one window, whose opinions are pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.checks import check_at_least, check_dropout, check_image, check_odd
from raytrain.models.classifier import Classifier, InputDomain, Inputs, Outputs
from raytrain.models.cnn2d import block_channels, image_blocks, standardised
from raytrain.models.opinion_pool import OpinionPool, linear_opinion_pool, normalised_weights

__all__ = ["MultiViewNet", "SharedViews"]


class MultiViewNet(Classifier):
    """A convolutional branch and a head for each time-frequency view of a window; the heads' opinions are pooled.

    Each branch is the network of `CNN2D`, of its own weights; images may be of different sizes. The embedding is that
    of all branches side by side. The weights of the views are normalised here, once.

    With one channel, ten classes and the defaults there are 75 462 parameters.

    Source: of the pool, M. Stone, "The opinion pool", Annals of Mathematical Statistics 32(4), 1961; of one branch per
    view, H. Su, S. Maji, E. Kalogerakis, E. Learned-Miller, "Multi-view convolutional neural networks for 3D shape
    recognition", ICCV 2015 (which shares weights and pools features).

    >>> model = MultiViewNet(in_channels=1, num_classes=10, views=("stft", "cwt"), weights={"stft": 3, "cwt": 1})
    >>> said = model({"stft": torch.randn(4, 1, 65, 33), "cwt": torch.randn(4, 1, 32, 64)}, detailed=True)
    >>> said.scores.shape, said.embedding.shape, list(said.views), model.view_weights
    (torch.Size([4, 10]), torch.Size([4, 128]), ['stft', 'cwt'], {'stft': 0.75, 'cwt': 0.25})

    Args:
        in_channels: Channels C of every image.
        num_classes: Classes K.
        views: Names of the views.
        weights: Weight of each view's opinion, positive, of any sum; equal if null.
        depth: Number of blocks of each branch; each halves rows and columns.
        width: Channels of the first block.
        growth: Factor from one block's channels to the next's.
        kernel_size: Rows and columns of every kernel, odd.
        dropout: Probability with which a pooled feature is dropped in training.

    Attributes:
        view_weights: Weight of each view, with sum one.
        minimum_frequencies: The fewest rows F an image may have.
        minimum_times: The fewest columns T' an image may have.

    Raises:
        ConfigError: A value is impossible.
    """

    input_domain: ClassVar[InputDomain] = "views"

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        views: tuple[str, ...] = ("stft", "cwt", "wvd"),
        weights: dict[str, float] | None = None,
        depth: int = 4,
        width: int = 8,
        growth: float = 2.0,
        kernel_size: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "depth": depth, "width": width, "growth": growth})
        check_at_least(1, {"kernel_size": kernel_size})
        check_odd("kernel_size", kernel_size)
        check_dropout(dropout)
        self.view_weights = normalised_weights(views, weights)
        self.in_channels = in_channels
        self.minimum_frequencies: int = 2**depth
        self.minimum_times: int = 2**depth
        channels = block_channels(depth=depth, width=width, growth=growth)
        self.features = nn.ModuleDict(
            {view: image_blocks(in_channels, channels, kernel_size=kernel_size) for view in self.view_weights}
        )
        heads = {
            view: nn.Sequential(nn.Dropout(dropout), nn.Linear(channels[-1], num_classes)) for view in self.view_weights
        }
        self.classifier: OpinionPool = OpinionPool(heads, weights=self.view_weights)

    def embed(self, inputs: Inputs) -> Tensor:
        """Return the pooled features of all views side by side, `[B, V D]`, of an image `[B, C, F, T']` of each.

        Raises:
            ConfigError: A view is missing, unknown, too small or of another shape.
        """
        parts = []
        for view, image in _named_views(inputs, tuple(self.view_weights)).items():
            self._check(view, image)
            parts.append(self.features[view](standardised(image)).mean(dim=(-2, -1)))
        return torch.cat(parts, dim=1)

    def outputs(self, inputs: Inputs) -> Outputs:
        """Return all that the model says, the scores of each view among it."""
        embedding = self.embed(inputs)
        views = self.classifier.scores(embedding)
        return Outputs(linear_opinion_pool(views, weights=self.view_weights), embedding, views=views)

    def _check(self, view: str, image: Tensor) -> None:
        try:
            check_image(
                image,
                in_channels=self.in_channels,
                minimum_frequencies=self.minimum_frequencies,
                minimum_times=self.minimum_times,
            )
        except ConfigError as error:
            raise ConfigError(f"view {view}: {error}") from None


class SharedViews(Classifier):
    """One image model that looks at every view of a window in turn; its opinions are pooled as in `MultiViewNet`.

    The model must take images of every view's size. Where it normalises by batch statistics, those are of one view at a
    time in training, and a mean over the views in evaluation; `MultiViewNet` keeps them apart.

    Source: M. Stone, "The opinion pool", Annals of Mathematical Statistics 32(4), 1961; of the shared weights, H. Su,
    S. Maji, E. Kalogerakis, E. Learned-Miller, "Multi-view convolutional neural networks for 3D shape recognition",
    ICCV 2015.

    >>> from raytrain.models.cnn2d import CNN2D
    >>> model = SharedViews(CNN2D(in_channels=1, num_classes=3), weights={"stft": 1, "cwt": 1})
    >>> said = model({"stft": torch.randn(4, 1, 65, 33), "cwt": torch.randn(4, 1, 32, 64)}, detailed=True)
    >>> said.scores.shape, said.embedding.shape, list(said.views)
    (torch.Size([4, 3]), torch.Size([4, 128]), ['stft', 'cwt'])

    Args:
        model: A `Classifier` of images, or any module from images `[B, C, F, T']` to scores `[B, K]`, whose scores then
            also stand for the embedding.
        weights: Weight of each view's opinion, positive, of any sum.

    Attributes:
        view_weights: Weight of each view, with sum one.

    Raises:
        ConfigError: The model does not take images, or a weight is impossible.
    """

    input_domain: ClassVar[InputDomain] = "views"

    def __init__(self, model: nn.Module, *, weights: Mapping[str, float]) -> None:
        super().__init__()
        domain = model.input_domain if isinstance(model, Classifier) else "image"
        if domain != "image":
            raise ConfigError(f"each view is an image, and {type(model).__name__} takes {domain}; use an image model")
        self.view_weights = normalised_weights(tuple(weights), weights)
        self.model = model

    def embed(self, inputs: Inputs) -> Tensor:
        """Return the embeddings of all views side by side, `[B, V D]`; ConfigError if a view is missing or unknown."""
        return self.outputs(inputs).embedding

    def outputs(self, inputs: Inputs) -> Outputs:
        """Return all that the model says of an image `[B, C, F, T']` of each view, the scores of each among it."""
        said = {view: self._look(image) for view, image in _named_views(inputs, tuple(self.view_weights)).items()}
        views = {view: one.scores for view, one in said.items()}
        embedding = torch.cat([one.embedding for one in said.values()], dim=1)
        return Outputs(linear_opinion_pool(views, weights=self.view_weights), embedding, views=views)

    def _look(self, image: Tensor) -> Outputs:
        if isinstance(self.model, Classifier):
            said: Outputs = self.model(image, detailed=True)
            return said
        scores = self.model(image)
        return Outputs(scores=scores, embedding=scores)


def _named_views(inputs: Inputs, views: Sequence[str]) -> dict[str, Tensor]:
    """Return the images of `views`, in this order; ConfigError if `inputs` are not exactly these."""
    if isinstance(inputs, Tensor):
        raise ConfigError(
            f"this model takes views {', '.join(views)}, got one tensor {list(inputs.shape)}; tfr: {{name: views}} "
            "makes them of signals"
        )
    if set(inputs) != set(views):
        raise ConfigError(f"this model takes views {', '.join(views)}, got {', '.join(inputs) or 'none'}")
    return {view: inputs[view] for view in views}
