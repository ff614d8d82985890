from __future__ import annotations

from typing import ClassVar, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR

from raytrain.errors import ConfigError
from raytrain.models.classifier import Classifier
from raytrain.tfr import Stft
from raytrain.trainers import ProgressiveResizingTrainer

SCHEDULE = ((16, 2), (32, 1), (64, 2))


def batches(samples: int = 64) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(4, 1, samples, generator=generator), torch.tensor([0, 1, 1, 0])) for _ in range(2)]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 3, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(3, 2))


def test_epochs_and_rates_count_on_while_windows_grow() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trainer = ProgressiveResizingTrainer(
        model,
        batches(),
        batches(),
        schedule=SCHEDULE,
        optimizer=optimizer,
        lr_scheduler=StepLR(optimizer, 1, gamma=0.5),
        device="cpu",
    )
    lengths: dict[bool, list[int]] = {True: [], False: []}
    model.register_forward_hook(lambda model, inputs, _scores: lengths[model.training].append(inputs[0].shape[-1]))
    history = trainer.fit(6)
    trained = [16, 16, 32, 64, 64, 64]  # the last length stays
    assert lengths[True] == [length for length in trained for _ in range(2)]
    assert lengths[False] == [64] * 12
    assert history["train/lr"] == pytest.approx([0.1 * 0.5**epoch for epoch in range(6)])
    assert len(history["val/loss"]) == 6


@pytest.mark.parametrize(("method", "samples"), [("truncate", 64), ("pad", 16), ("interpolate", 40)])
def test_windows_are_resized_as_asked(method: Literal["interpolate", "truncate", "pad"], samples: int) -> None:
    model = network()
    trainer = ProgressiveResizingTrainer(model, batches(samples), schedule=SCHEDULE, resize_method=method, device="cpu")
    seen: list[Tensor] = []
    model.register_forward_hook(lambda _model, inputs, _scores: seen.append(inputs[0]))
    trainer.evaluate(batches(samples)[:1])
    [window], [(signal, _)] = seen, batches(samples)[:1]
    assert window.shape[-1] == 64
    if method == "truncate":
        assert torch.equal(window, signal[..., :64])
    elif method == "pad":
        assert torch.equal(window[..., :16], signal)
        assert not window[..., 16:].any()
    else:
        torch.testing.assert_close(window.mean(dim=-1), signal.mean(dim=-1))


def test_the_default_schedule_is_the_one_users_know() -> None:
    trainer = ProgressiveResizingTrainer(network(), batches(), device="cpu")
    seen: list[int] = []
    trainer.model.register_forward_hook(lambda _model, inputs, _scores: seen.append(inputs[0].shape[-1]))
    trainer.evaluate(batches())
    assert set(seen) == {102_400}


def test_a_model_without_global_pooling_is_refused_with_the_reason() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(ConfigError, match=r"Sequential does not take the 16 samples .* no global pooling: mat1 and"):
        ProgressiveResizingTrainer(flat, batches(), schedule=SCHEDULE, device="cpu")


class Fixed(Classifier):
    input_domain = "signal"
    any_length: ClassVar[bool] = False
    length_rule: ClassVar[str] = "a multiple of 8"


def test_a_model_that_says_so_is_refused_without_a_look() -> None:
    with pytest.raises(ConfigError, match=r"Fixed takes windows of the one length it was made for: a multiple of 8"):
        ProgressiveResizingTrainer(Fixed(), batches(), schedule=SCHEDULE, device="cpu")


def test_windows_shorter_than_a_stage_cannot_be_cut_to_it() -> None:
    with pytest.raises(ConfigError, match=r"schedule: of the stage of 64 samples: .*40"):
        ProgressiveResizingTrainer(network(), batches(40), schedule=SCHEDULE, resize_method="truncate", device="cpu")


def test_images_are_made_of_resized_windows() -> None:
    images = nn.Sequential(nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(4, 2))
    stft = Stft(12_000.0, window_length=16, hop=8)
    widths: list[int] = []
    trainer = ProgressiveResizingTrainer(images, batches(), schedule=SCHEDULE, transforms=[stft], device="cpu")
    images.register_forward_hook(lambda _model, inputs, _scores: widths.append(inputs[0].shape[-1]))
    trainer.fit(5)
    assert widths[::2] == [stft.output_shape(length)[1] for length in (16, 16, 32, 64, 64)]
