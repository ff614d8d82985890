"""PatchTransformer: a transformer encoder whose tokens are patches of the signal."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from raytrain.errors import ConfigError
from raytrain.models.checks import check_at_least, check_dropout, check_no_gaps, check_signal
from raytrain.models.classifier import Classifier, InputDomain

__all__ = ["PatchHook", "PatchTransformer", "cut_patches", "sinusoidal_positions"]

PatchHook: TypeAlias = Callable[[Tensor], Tensor]
"""From patches `[B, N, P]` to patches of the same shape."""


def cut_patches(signal: Tensor, *, length: int, stride: int) -> Tensor:
    """Return the patches of a signal `[B, C, T]` in the order of time, `[B, N, C length]`.

    Patch n has the samples from `n stride` to `n stride + length` of the first channel, then those of the second, and
    so on. Zeros follow the signal where the last patch is longer than what is left, so every sample is in a patch:
    `N = ceil((T - length) / stride) + 1`.

    Source: Y. Nie, N. Nguyen, P. Sinthong, J. Kalagnanam, "A time series is worth 64 words: long-term forecasting with
    transformers", ICLR 2023 (which repeats the last value instead).

    >>> cut_patches(torch.arange(1.0, 8.0).view(1, 1, 7), length=4, stride=2)
    tensor([[[1., 2., 3., 4.],
             [3., 4., 5., 6.],
             [5., 6., 7., 0.]]])

    Args:
        signal: `[B, C, T]`, T at least `length`.
        length: Samples of a patch.
        stride: Samples from one patch to the next, at most `length`.
    """
    missing = -(signal.shape[-1] - length) % stride
    return functional.pad(signal, (0, missing)).unfold(-1, length, stride).transpose(1, 2).flatten(2)


def sinusoidal_positions(count: int, *, width: int, like: Tensor) -> Tensor:
    """Return a code of each position 0 .. count - 1, `[count, width]`, in the dtype and on the device of `like`.

    Column 2 i is `sin(n / 10000^(2 i / width))` at position n, column 2 i + 1 the cosine: the same at any `count`.

    Source: A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.

    >>> sinusoidal_positions(2, width=4, like=torch.zeros(())).round(decimals=4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 1.0000]])
    """
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10_000) / width))
    phase = torch.arange(count, device=like.device)[:, None] * rates
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1).to(like.dtype)


class PatchTransformer(Classifier):
    """Transformer encoder over patches of the signal, for windows of any length.

    Patches are embedded linearly and marked with sinusoidal positions; the blocks of attention and two linear layers
    normalise before each of these, which trains without warm-up. Attention has no dropout of its own, and no bias
    before it: that of the keys would change nothing. With channels `mixed` a patch has the samples of all channels;
    `independent` channels go through the same layers one by one, and their features stand side by side.

    What a hook does to the patches (`register_patch_hook`) happens in training only: patch augmentation.

    With one channel, ten classes and the defaults there are 104 778 parameters.

    Source: Y. Nie, N. Nguyen, P. Sinthong, J. Kalagnanam, "A time series is worth 64 words: long-term forecasting with
    transformers", ICLR 2023 (PatchTST); normalising first, R. Xiong et al., "On layer normalization in the transformer
    architecture", ICML 2020; positions, A. Vaswani et al., "Attention is all you need", NeurIPS 2017.

    >>> model = PatchTransformer(in_channels=1, num_classes=10)
    >>> said = model(torch.randn(4, 1, 2048), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([4, 10]), torch.Size([4, 64]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        patch_length: Samples of a patch.
        patch_stride: Samples from one patch to the next, at most `patch_length`.
        depth: Number of blocks.
        width: Features of a token, even and a multiple of `heads`.
        heads: Attention heads of each block.
        expansion: Hidden units of a block's linear layers, as a multiple of `width`.
        dropout: Probability with which a feature is dropped in training: of what attention and the linear layers add,
            of their hidden units, and before the classifier.
        pooling: What the features of a window are: the mean over its tokens, or a learned token (`cls`) that looks at
            all of them.
        channels: Whether channels share patches (`mixed`) or have their own (`independent`).

    Attributes:
        minimum_length: The fewest samples a window may have.

    Raises:
        ConfigError: A value is impossible.
    """

    input_domain: ClassVar[InputDomain] = "signal"

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        patch_length: int = 64,
        patch_stride: int = 64,
        depth: int = 3,
        width: int = 64,
        heads: int = 4,
        expansion: float = 2.0,
        dropout: float = 0.0,
        pooling: Literal["mean", "cls"] = "mean",
        channels: Literal["mixed", "independent"] = "mixed",
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes, "patch_length": patch_length})
        check_at_least(1, {"in_channels": in_channels, "patch_stride": patch_stride, "depth": depth})
        check_at_least(1, {"width": width, "heads": heads, "expansion": expansion})
        check_dropout(dropout)
        check_no_gaps("patch_length", patch_length, stride=patch_stride)
        if width % 2 or width % heads:
            raise ConfigError(f"model.width must be even and a multiple of heads={heads}, got {width}")
        if pooling not in ("mean", "cls"):
            raise ConfigError(f"model.pooling must be mean or cls, got {pooling!r}")
        if channels not in ("mixed", "independent"):
            raise ConfigError(f"model.channels must be mixed or independent, got {channels!r}")
        self.in_channels = in_channels
        self.patch_length, self.patch_stride = patch_length, patch_stride
        self.minimum_length: int = patch_length
        self.patch_hooks: OrderedDict[int, PatchHook] = OrderedDict()
        self._mixed = channels == "mixed"
        self.embedding = nn.Linear(patch_length * (in_channels if self._mixed else 1), width)
        self.summary = nn.Parameter(0.02 * torch.randn(width)) if pooling == "cls" else None
        self.blocks = nn.Sequential(
            *(_Block(width, heads=heads, hidden=round(width * expansion), dropout=dropout) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        pooled = width if self._mixed else width * in_channels
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(pooled, num_classes))

    def register_patch_hook(self, hook: PatchHook) -> RemovableHandle:
        """Let `hook` change the patches `[B, N, P]` of every training batch, after the hooks registered before.

        P is `C * patch_length`, one channel after the other. Call `remove` of the returned handle to end it.

        >>> model = PatchTransformer(in_channels=1, num_classes=3)
        >>> handle = model.register_patch_hook(lambda patches: patches.flip(1))
        >>> handle.remove()
        """
        handle = RemovableHandle(self.patch_hooks)
        self.patch_hooks[handle.id] = hook
        return handle

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the pooled features `[B, D]` of signals `[B, C, T]`.

        Raises:
            ConfigError: T is below `minimum_length`, or a hook returns patches of another shape.
        """
        check_signal(inputs, in_channels=self.in_channels, minimum_length=self.minimum_length)
        patches = self._hooked(cut_patches(inputs, length=self.patch_length, stride=self.patch_stride))
        if not self._mixed:
            patches = patches.reshape(*patches.shape[:2], self.in_channels, self.patch_length).transpose(1, 2)
        tokens = self.embedding(patches)
        tokens = tokens + sinusoidal_positions(tokens.shape[-2], width=tokens.shape[-1], like=tokens)
        if self.summary is not None:
            first = self.summary.to(tokens.dtype).expand(*tokens.shape[:-2], 1, -1)
            tokens = torch.cat([first, tokens], dim=-2)
        features: Tensor = self.norm(self.blocks(tokens))
        pooled = features.mean(dim=-2) if self.summary is None else features[..., 0, :]
        return pooled.flatten(1)

    def _hooked(self, patches: Tensor) -> Tensor:
        if not self.training:
            return patches
        shape = patches.shape
        for hook in self.patch_hooks.values():
            patches = hook(patches)
            if patches.shape != shape:
                raise ConfigError(f"a patch hook must keep the shape {list(shape)}, got {list(patches.shape)}")
        return patches


class _Block(nn.Module):
    """Attention, then two linear layers; each is normalised before and added to what came in, `[..., N, D]`."""

    def __init__(self, width: int, *, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), _Attention(width, heads=heads), nn.Dropout(dropout))
        self.feedforward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        attended = tokens + self.attention(tokens)
        done: Tensor = attended + self.feedforward(attended)
        return done


class _Attention(nn.Module):
    """Multi-head self-attention among the N tokens `[..., N, D]` (Vaswani et al. 2017)."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.incoming = nn.Linear(width, 3 * width, bias=False)
        self.outgoing = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        # One leading dimension, because the fast kernels know no more: [rows, N, 3, heads, D / heads].
        looks = self.incoming(tokens.flatten(0, -3)).unflatten(-1, (3, self.heads, -1))
        query, key, value = looks.transpose(1, 3).unbind(dim=2)
        heard = functional.scaled_dot_product_attention(query, key, value)
        joined: Tensor = self.outgoing(heard.transpose(1, 2).flatten(2))
        return joined.view(tokens.shape)
