from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from raytrain.engine.flops import count_flops, count_flops_by_layer, fft_flops
from raytrain.models.build import create_model


def test_convolutions_by_their_closed_form() -> None:
    # Each of the outputs is a product and a sum over the kernel and the input channels of its group.
    one = nn.Conv1d(6, 9, 7, stride=2, padding=3, groups=3)
    assert count_flops(one, torch.zeros(4, 6, 101)) == 2 * (4 * 9 * 51) * (2 * 7)
    two = nn.Conv2d(2, 5, (3, 4))
    assert count_flops(two, torch.zeros(1, 2, 10, 20)) == 2 * (5 * 8 * 17) * (2 * 12)


def test_matrix_products_by_their_closed_form() -> None:
    assert count_flops(nn.Linear(30, 7), torch.zeros(5, 30)) == 2 * 5 * 30 * 7
    assert count_flops(nn.Linear(30, 7), torch.zeros(5, 11, 30)) == 2 * 5 * 11 * 30 * 7


@pytest.mark.parametrize(("bidirectional", "directions"), [(False, 1), (True, 2)])
def test_recurrent_layers_by_their_closed_form(bidirectional: bool, directions: int) -> None:
    layer = nn.LSTM(8, 16, batch_first=True, bidirectional=bidirectional)
    # Four gates, each of the input and of the state before, in every step.
    assert count_flops(layer, torch.zeros(3, 10, 8)) == directions * 3 * 10 * 4 * 2 * 16 * (8 + 16)


def test_attention_by_its_closed_form() -> None:
    batch, steps, size, wide = 2, 12, 8, 32
    layer = nn.TransformerEncoderLayer(size, 2, dim_feedforward=wide, batch_first=True)
    products = 4 * size * size * steps + 2 * size * wide * steps + 2 * steps * steps * size
    assert count_flops(layer, torch.zeros(batch, steps, size)) == 2 * batch * products


class Fourier(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, signal: Tensor) -> Tensor:
        transforms: dict[str, Callable[[], Tensor]] = {
            "real": lambda: torch.fft.rfft(signal),
            "there and back": lambda: torch.fft.irfft(torch.fft.rfft(signal), n=signal.shape[-1]),
            "planes": lambda: torch.fft.fft2(signal.to(torch.complex64)),
        }
        return transforms[self.kind]()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("real", 6 * 2.5 * 64 * math.log2(64)),
        ("there and back", 2 * 6 * 2.5 * 64 * math.log2(64)),
        ("planes", 3 * 5 * 128 * math.log2(128)),
    ],
)
def test_fourier_transforms_by_the_usual_count(kind: str, expected: float) -> None:
    assert count_flops(Fourier(kind), torch.zeros(3, 2, 64)) == expected


@pytest.mark.parametrize("samples", [1, 100, 2048])
def test_a_real_transform_needs_half_of_a_complex_one(samples: int) -> None:
    assert fft_flops(samples, transforms=6) == pytest.approx(2 * fft_flops(samples, transforms=6, real=True), abs=1)


def test_wdcnn_as_counted_by_hand() -> None:
    blocks = [(1, 16, 64, 128), (16, 32, 3, 64), (32, 64, 3, 32), (64, 64, 3, 16), (64, 64, 3, 6)]
    convolutions = sum(2 * before * after * kernel * positions for before, after, kernel, positions in blocks)
    model = create_model("wdcnn", in_channels=1, num_classes=10, settings={})
    assert count_flops(model, torch.zeros(1, 1, 2048)) == convolutions + 2 * 192 * 100 + 2 * 100 * 10


def test_layers_add_up_and_a_repeated_one_counts_as_often() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.last = nn.Sequential(nn.Linear(4, 2))

        def forward(self, values: Tensor) -> Tensor:
            scores: Tensor = self.last(self.layer(self.layer(values)))
            return scores

    layers = count_flops_by_layer(Twice(), torch.zeros(1, 4))
    assert layers == {"": 80, "layer": 64, "last": 16, "last.0": 16}


def test_batch_multiplies_the_count() -> None:
    model = create_model("cnn_lstm", in_channels=2, num_classes=3, settings={})
    assert count_flops(model, torch.zeros(6, 2, 500)) == 6 * count_flops(model, torch.zeros(1, 2, 500))


def test_model_and_inputs_stay_as_they_are() -> None:
    model = create_model("ticnn", in_channels=1, num_classes=3, settings={}).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    count_flops(model, torch.randn(1, 1, 2048, generator=torch.Generator().manual_seed(0)))
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_views_are_counted_together() -> None:
    model = create_model("multi_view", in_channels=1, num_classes=3, settings={"views": ("stft", "cwt")})
    alone = create_model("cnn2d", in_channels=1, num_classes=3, settings={})
    image = torch.zeros(1, 1, 64, 32)
    assert count_flops(model, {"stft": image, "cwt": image}) == 2 * count_flops(alone, image)
