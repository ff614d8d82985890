from __future__ import annotations

import copy
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raytrain.augment.patch import patch_cutout, patch_jitter, patch_permutation
from raytrain.errors import ConfigError
from raytrain.models.patch_transformer import PatchTransformer, cut_patches, sinusoidal_positions


def draw(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def torch_encoder(model: PatchTransformer) -> nn.TransformerEncoder:
    """torch's own encoder with the weights of the model's blocks."""
    block: Any = model.blocks[0]
    width, hidden = model.norm.normalized_shape[0], block.feedforward[1].out_features
    layer = nn.TransformerEncoderLayer(
        width,
        block.attention[1].heads,
        dim_feedforward=hidden,
        dropout=0.0,
        activation="gelu",
        norm_first=True,
        batch_first=True,
    )
    encoder = nn.TransformerEncoder(layer, len(model.blocks), norm=nn.LayerNorm(width), enable_nested_tensor=False)
    state = {f"norm.{name}": value for name, value in model.norm.state_dict().items()}
    names = {
        "attention.0.": "norm1.",
        "attention.1.incoming.weight": "self_attn.in_proj_weight",
        "attention.1.outgoing.": "self_attn.out_proj.",
        "feedforward.0.": "norm2.",
        "feedforward.1.": "linear1.",
        "feedforward.4.": "linear2.",
    }
    for number in range(len(model.blocks)):
        state[f"layers.{number}.self_attn.in_proj_bias"] = torch.zeros(3 * width)
        for name, value in model.blocks[number].state_dict().items():
            (renamed,) = (name.replace(ours, theirs) for ours, theirs in names.items() if name.startswith(ours))
            state[f"layers.{number}.{renamed}"] = value
    encoder.load_state_dict(state)
    return encoder.double()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_embedding_is_that_of_torchs_encoder_with_the_same_weights(pooling: Literal["mean", "cls"]) -> None:
    model = PatchTransformer(2, 3, patch_stride=32, width=24, heads=3, depth=2, expansion=1.5, pooling=pooling).double()
    signal = draw(4, 2, 500).double()
    tokens = model.embedding(cut_patches(signal, length=64, stride=32))
    tokens = tokens + sinusoidal_positions(tokens.shape[1], width=24, like=tokens)
    if model.summary is not None:
        tokens = torch.cat([model.summary.expand(4, 1, 24), tokens], dim=1)
    expected = torch_encoder(model)(tokens)
    expected = expected.mean(dim=1) if pooling == "mean" else expected[:, 0]
    torch.testing.assert_close(model.embed(signal), expected, rtol=1e-10, atol=1e-12)


def test_has_the_parameters_that_its_documentation_states() -> None:
    width, hidden, patch, classes = 64, 128, 64, 10
    block = 3 * width**2 + width * (width + 1) + hidden * (width + 1) + width * (hidden + 1) + 4 * width
    expected = width * (patch + 1) + 3 * block + 2 * width + classes * (width + 1)
    assert sum(parameter.numel() for parameter in PatchTransformer(1, 10).parameters()) == expected == 104_778


@pytest.mark.parametrize(("samples", "length", "stride"), [(100, 16, 16), (101, 16, 7), (16, 16, 3), (97, 8, 1)])
def test_patches_are_the_stretches_of_the_signal_and_miss_none_of_it(samples: int, length: int, stride: int) -> None:
    signal = draw(2, 3, samples)
    patches = cut_patches(signal, length=length, stride=stride)
    count = int(np.ceil((samples - length) / stride)) + 1
    assert patches.shape == (2, count, 3 * length)
    padded = np.concatenate([signal.numpy(), np.zeros((2, 3, length), dtype=np.float32)], axis=-1)
    for n in range(count):
        stretch = padded[:, :, n * stride : n * stride + length]
        np.testing.assert_array_equal(patches[:, n].numpy(), stretch.reshape(2, -1))
    assert (count - 2) * stride + length < samples <= (count - 1) * stride + length or count == 1


def test_positions_are_the_papers_formula_at_any_count() -> None:
    width, count = 10, 33
    expected = np.zeros((count, width))
    for n in range(count):
        for i in range(width // 2):
            angle = n / 10_000 ** (2 * i / width)
            expected[n, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    got = sinusoidal_positions(count, width=width, like=torch.zeros((), dtype=torch.float64))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)
    assert torch.equal(sinusoidal_positions(7, width=width, like=got), got[:7])


def test_independent_channels_share_their_layers() -> None:
    model = PatchTransformer(2, 3, channels="independent").eval()
    signal = draw(3, 2, 256)
    embedding = model.embed(signal)
    assert embedding.shape == (3, 128)
    swapped = model.embed(signal.flip(1))
    torch.testing.assert_close(swapped, torch.cat([embedding[:, 64:], embedding[:, :64]], dim=1))
    alone = model.embed(torch.stack([signal[:, 0], signal[:, 0]], dim=1))
    torch.testing.assert_close(alone[:, :64], embedding[:, :64])


def test_mixed_channels_see_each_other() -> None:
    model = PatchTransformer(2, 3).eval()
    signal = draw(3, 2, 256)
    changed = model.embed(torch.stack([signal[:, 0], torch.zeros(3, 256)], dim=1))
    assert not torch.allclose(changed, model.embed(signal), atol=1e-2)


def test_the_order_of_the_patches_matters() -> None:
    model = PatchTransformer(1, 3, patch_length=32, patch_stride=32).eval()
    signal = draw(2, 1, 256)
    reordered = signal.view(2, 1, 8, 32).flip(-2).flatten(-2)
    assert not torch.allclose(model(signal), model(reordered), atol=1e-3)


def test_hooks_change_the_patches_in_order_in_training_only() -> None:
    model = PatchTransformer(2, 3)
    seen: list[Tensor] = []

    def doubled(patches: Tensor) -> Tensor:
        seen.append(patches)
        return 2 * patches

    model.register_patch_hook(doubled)
    second = model.register_patch_hook(lambda patches: patches + 1)
    signal = draw(3, 2, 300)
    hooked = model(signal)
    patches = cut_patches(signal, length=64, stride=64)
    assert torch.equal(seen[0], patches)

    plain = PatchTransformer(2, 3)
    plain.load_state_dict(model.state_dict())
    plain.register_patch_hook(lambda patches: 2 * patches + 1)
    torch.testing.assert_close(hooked, plain(signal))

    second.remove()
    torch.testing.assert_close(model(signal), plain.eval()(2 * signal))
    model.eval()
    assert torch.equal(model(signal), plain(signal))
    assert len(seen) == 2


@pytest.mark.parametrize("channels", ["mixed", "independent"])
def test_patch_augmentations_are_hooks(channels: Literal["mixed", "independent"]) -> None:
    model = PatchTransformer(2, 3, channels=channels)
    signal = draw(4, 2, 512)
    plain = model(signal)
    generator = torch.Generator().manual_seed(0)
    for augmentation in (patch_cutout, patch_permutation, patch_jitter):
        handle = model.register_patch_hook(partial(augmentation, generator=generator))
        assert not torch.allclose(model(signal), plain)
        handle.remove()
    assert torch.equal(model(signal), plain)


def test_a_hook_that_drops_everything_leaves_nothing_of_the_window() -> None:
    model = PatchTransformer(1, 3)
    model.register_patch_hook(torch.zeros_like)
    scores = model(draw(5, 1, 512))
    torch.testing.assert_close(scores, scores[:1].expand(5, 3))


def test_a_hook_that_changes_the_shape_is_refused() -> None:
    model = PatchTransformer(1, 3)
    model.register_patch_hook(lambda patches: patches[:, 1:])
    with pytest.raises(ConfigError, match=r"must keep the shape \[2, 4, 64\], got \[2, 3, 64\]"):
        model(draw(2, 1, 256))


def test_a_copy_has_hooks_of_its_own() -> None:
    model = PatchTransformer(1, 3)
    twin = copy.deepcopy(model)
    twin.register_patch_hook(torch.zeros_like)
    assert len(model.patch_hooks) == 0


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("channels", ["mixed", "independent"])
def test_every_parameter_has_a_gradient(
    pooling: Literal["mean", "cls"], channels: Literal["mixed", "independent"]
) -> None:
    model = PatchTransformer(2, 3, pooling=pooling, channels=channels)
    torch.autograd.backward(nn.functional.cross_entropy(model(draw(6, 2, 256)), torch.arange(6) % 3))
    assert [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()] == []


def test_every_dropout_is_a_module_over_the_batch_first() -> None:
    model = PatchTransformer(2, 3, dropout=0.5, channels="independent")
    shapes: list[int] = []
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.register_forward_hook(lambda _layer, inputs, _output: shapes.append(len(inputs[0])))
            assert layer.p == 0.5
    model(draw(5, 2, 256))
    assert shapes == [5] * 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "model.depth must be a finite number of at least 1, got 0"),
        ({"patch_length": 1}, "model.patch_length must be a finite number of at least 2, got 1"),
        ({"patch_stride": 0}, "model.patch_stride"),
        ({"patch_stride": 65}, "model.patch_length must be at least the stride of 65 samples, .* got 64"),
        ({"expansion": 0.5}, "model.expansion"),
        ({"width": 64, "heads": 3}, "model.width must be even and a multiple of heads=3, got 64"),
        ({"width": 5, "heads": 5}, "model.width must be even and a multiple of heads=5, got 5"),
        ({"pooling": "max"}, "model.pooling must be mean or cls, got 'max'"),
        ({"channels": "both"}, "model.channels must be mixed or independent, got 'both'"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PatchTransformer(1, 3, **settings)
