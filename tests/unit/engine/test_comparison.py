from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from raytrain.augment import SpecAugment
from raytrain.engine.comparison import compare_teacher_student
from raytrain.errors import ConfigError
from raytrain.tfr import Stft
from raytrain.types import BatchTransform


class Stating(nn.Module):
    """States the classes it is told, at `seconds` per call."""

    def __init__(self, classes: list[int], *, seconds: float = 0.0, size: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))
        self.register_buffer("statistics", torch.zeros(3, dtype=torch.float64))
        self._classes, self._seconds = classes, seconds

    def forward(self, inputs: Tensor) -> Tensor:
        time.sleep(self._seconds)
        at = inputs[:, 0, 0].long()
        return nn.functional.one_hot(torch.tensor(self._classes)[at], 3).float() + self.weight.sum()


def batches() -> list[tuple[Tensor, Tensor]]:
    numbers = torch.arange(6.0)[:, None, None]
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    return [(numbers[:4], targets[:4]), (numbers[4:], targets[4:])]


def test_figures_are_those_counted_by_hand() -> None:
    teacher, student = Stating([0, 1, 2, 0, 1, 0], size=40), Stating([0, 1, 1, 0, 1, 0], size=10)
    compared = compare_teacher_student(teacher, student, batches(), rounds=3)
    assert compared.windows == 6
    assert (compared.teacher.accuracy, compared.student.accuracy) == (5 / 6, 4 / 6)
    assert compared.agreement == 5 / 6
    # F1 of the three classes: teacher 4/5, 1, 2/3; student 4/5, 4/5, 0.
    assert compared.teacher.macro_f1 == pytest.approx((4 / 5 + 1 + 2 / 3) / 3)
    assert compared.student.macro_f1 == pytest.approx((4 / 5 + 4 / 5 + 0) / 3)
    assert (compared.teacher.parameters, compared.student.parameters, compared.parameter_ratio) == (40, 10, 4.0)
    assert (compared.teacher.state_bytes, compared.student.state_bytes) == (40 * 4 + 24, 10 * 4 + 24)
    assert compared.size_ratio == 184 / 64
    assert compared.threads == torch.get_num_threads()


def test_latency_is_per_window_with_its_spread() -> None:
    slow, fast = Stating([0] * 6, seconds=0.012), Stating([0] * 6, seconds=0.003)
    compared = compare_teacher_student(slow, fast, batches(), rounds=5)
    assert compared.batch_size == 4
    assert 0.012 <= compared.teacher.single_s.median < 0.1
    assert compared.teacher.batched_s.median >= 0.012 / 4
    for spread in (compared.student.single_s, compared.single_ratio, compared.batched_ratio):
        assert 0 < spread.low <= spread.median <= spread.high
    assert compared.single_ratio.median > 1
    assert compared.batched_ratio.median > 1


def test_the_models_are_left_as_they_are() -> None:
    student = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1), nn.Dropout(0.5), nn.Linear(1, 3)).train()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    state = torch.get_rng_state()
    compare_teacher_student(student, student, batches(), rounds=3)
    assert all(module.training for module in student.modules())
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_agrees_with_itself_on_what_transforms_make_in_evaluation() -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 2))
    signals = torch.randn(4, 1, 256, generator=torch.Generator().manual_seed(0))
    transforms: list[BatchTransform] = [Stft(12_000.0, window_length=32, hop=16), SpecAugment()]
    compared = compare_teacher_student(
        model, model, [(signals, torch.tensor([0, 1, 0, 1]))], transforms=transforms, rounds=3
    )
    assert compared.agreement == 1.0
    assert compared.teacher.accuracy == compared.student.accuracy


@pytest.mark.parametrize(
    ("student", "loader", "rounds", "message"),
    [
        (Stating([0] * 6), batches(), 2, "rounds must be at least 3, got 2"),
        (Stating([0] * 6), [], 3, "the loader has no batches"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(1, 2)),
            batches(),
            3,
            "the teacher tells 3 classes apart and the student 2",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(
    student: nn.Module, loader: list[tuple[Tensor, Tensor]], rounds: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        compare_teacher_student(Stating([0] * 6), student, loader, rounds=rounds)
