from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from raytrain import Trainer
from raytrain.augment.adversarial import AdversarialAugmentation
from raytrain.callbacks import EarlyStopping, ExponentialMovingAverage, LearningRateScheduler
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.errors import ConfigError, RunError
from raytrain.objectives import Supervised
from raytrain.optim.step_schedules import warmup_cosine
from raytrain.tfr import Stft
from raytrain.types import Batch, Callback, FitState, Progress, StepLoss

Batches = list[tuple[Tensor, Tensor]]


def make_batches(*sizes: int, seed: int = 0) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, 1, 6, generator=generator), torch.randint(3, (n,), generator=generator)) for n in sizes]


def make_model(*, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3))


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_history_has_every_epoch_and_the_last_evaluation_is_repeated_exactly() -> None:
    validation = make_batches(8, 3, seed=1)
    trainer = Trainer(make_model(), make_batches(4, 4, 4), validation, device="cpu")
    history = trainer.fit(3)
    assert history == trainer.get_history()
    assert {len(values) for values in history.values()} == {3}
    assert {"train/loss", "train/accuracy", "train/lr", "val/loss", "val/accuracy", "val/macro_f1"} <= set(history)
    assert not any("recording" in key for key in history)
    again = trainer.evaluate(validation)
    assert again["loss"] == history["val/loss"][-1]
    assert again["accuracy"] == history["val/accuracy"][-1]


def test_a_second_fit_goes_on_where_the_first_ended() -> None:
    def make() -> Trainer:
        return Trainer(make_model(dropout=0.5), make_batches(4, 4), device="cpu", seed=3)

    whole, halves = make(), make()
    whole.fit(4)
    expected = weights(whole)
    halves = make()
    halves.fit(2)
    halves.fit(2)
    assert equal(weights(halves), expected)
    assert halves.get_history() == whole.get_history()


class Interrupting(Callback):
    """Interrupts training once, as a user does, after some steps."""

    def __init__(self, *, after: int) -> None:
        self._steps_left = after

    def on_step_end(self, state: FitState) -> None:
        self._steps_left -= 1
        if self._steps_left == 0:
            raise KeyboardInterrupt


def test_a_fit_goes_on_after_an_interruption_within_an_epoch(tmp_path: Path) -> None:
    def make(after: int) -> Trainer:
        return Trainer(
            make_model(dropout=0.5),
            make_batches(4, 4, 4),
            make_batches(5, seed=1),
            callbacks=[Interrupting(after=after)],
            lr_scheduler=warmup_cosine,
            device="cpu",
            seed=3,
        )

    whole = make(-1)
    whole.fit(4)
    expected = weights(whole)
    interrupted = make(5)
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(4)
    interrupted.save_checkpoint(tmp_path / "within.pt")
    interrupted.fit(3)
    assert interrupted.get_history() == whole.get_history()
    assert equal(weights(interrupted), expected)
    other = make(-1)
    other.load_checkpoint(tmp_path / "within.pt")
    assert other.fit(3) == whole.get_history()
    assert equal(weights(other), expected)


def test_a_criterion_and_an_objective_are_one_too_many() -> None:
    criterion = nn.CrossEntropyLoss()
    with pytest.raises(ConfigError, match="criterion is part of an objective"):
        Trainer(make_model(), make_batches(4), criterion=criterion, objective=Supervised(criterion), device="cpu")


def test_any_objective_is_minimised() -> None:
    def squares(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        scores = model(batch.inputs)
        return StepLoss(total=scores.square().mean(), logits=scores, terms={"squares": scores.detach().mean()})

    history = Trainer(make_model(), make_batches(4), objective=squares, device="cpu").fit(5)
    assert history["train/loss"][-1] < history["train/loss"][0]
    assert "train/squares" in history


class Doubling:
    """Doubles the inputs, in evaluation too if asked."""

    def __init__(self, *, in_evaluation: bool) -> None:
        self.in_evaluation = in_evaluation

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        assert batch.waveform is not None
        return replace(batch, inputs=2 * batch.signal)


@pytest.mark.parametrize("in_evaluation", [True, False])
def test_transforms_run_in_training_and_in_evaluation_where_they_say_so(*, in_evaluation: bool) -> None:
    validation = make_batches(8, seed=1)
    doubled = [(2 * inputs, targets) for inputs, targets in make_batches(4, 4)]
    shown = [(2 * inputs, targets) for inputs, targets in validation] if in_evaluation else validation
    transforming = Trainer(
        make_model(), make_batches(4, 4), validation, transforms=[Doubling(in_evaluation=in_evaluation)], device="cpu"
    )
    plain = Trainer(make_model(), doubled, shown, device="cpu")
    assert transforming.fit(2) == plain.fit(2)
    assert transforming.evaluate(validation) == plain.evaluate(shown)


def test_an_augmentation_that_asks_the_model_is_told_it_also_before_images_are_made() -> None:
    """FGSM moves signals up the loss of the model of their images, so a step sees a larger loss than without."""
    images = nn.Sequential(nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(4, 3))
    batches = [(torch.randn(6, 1, 128, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3)]
    stft = Stft(12_000.0, window_length=32, hop=16)
    losses = []
    for attack in ([], [AdversarialAugmentation(epsilon=0.3)]):
        model = copy.deepcopy(images)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        trainer = Trainer(model, batches, optimizer=optimizer, transforms=[*attack, stft], device="cpu")
        losses.append(trainer.fit(1)["train/loss"][0])
    assert losses[1] > losses[0]


def test_loss_scaling_has_no_unknown_settings() -> None:
    with pytest.raises(ConfigError, match="initial_scale"):
        Trainer(make_model(), make_batches(4), loss_scaling={"initial_scale": 2.0}, device="cpu")


def test_a_checkpoint_goes_on_in_another_trainer_bit_for_bit(tmp_path: Path) -> None:
    def make() -> Trainer:
        model = make_model(dropout=0.5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        return Trainer(
            model, make_batches(4, 4), optimizer=optimizer, lr_scheduler=StepLR(optimizer, 1, 0.5), device="cpu", seed=3
        )

    whole = make()
    whole.fit(4)
    expected = weights(whole)
    first = make()
    first.fit(2)
    first.save_checkpoint(tmp_path / "half.pt")
    second = make()
    second.load_checkpoint(tmp_path / "half.pt")
    assert equal(weights(second), weights(first))
    second.fit(2)
    assert equal(weights(second), expected)
    assert second.get_history()["train/lr"] == [0.1, 0.05, 0.025, 0.0125]


def test_accumulated_micro_batches_make_the_step_of_the_large_batch() -> None:
    inputs, targets = make_batches(10)[0]
    parts = [(inputs[:4], targets[:4]), (inputs[4:8], targets[4:8]), (inputs[8:], targets[8:])]
    trained = []
    for batches, steps in ((parts, 3), ([(inputs, targets)], 1)):
        model = make_model().double()
        trainer = Trainer(
            model,
            [(one.double(), classes) for one, classes in batches],
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            gradient_accumulation_steps=steps,
            device="cpu",
        )
        trainer.fit(2)
        trained.append(weights(trainer))
    for name, value in trained[0].items():
        torch.testing.assert_close(value, trained[1][name], rtol=1e-12, atol=1e-12)


def test_a_stop_asked_for_ends_one_fit_and_not_the_next() -> None:
    trainer = Trainer(
        make_model(),
        make_batches(4),
        device="cpu",
        callbacks=[EarlyStopping(monitor="train_loss", patience=1, min_delta=1e9)],
    )
    assert len(trainer.fit(10)["train/loss"]) == 2
    assert len(trainer.fit(10)["train/loss"]) == 3


def one_cycle(optimizer: torch.optim.Optimizer) -> LRScheduler:
    return OneCycleLR(optimizer, 0.1, total_steps=6, pct_start=0.5, anneal_strategy="linear", cycle_momentum=False)


@pytest.mark.parametrize(
    ("make", "rates"),
    [
        (lambda optimizer: StepLR(optimizer, 1, gamma=0.5), [0.1, 0.05, 0.025]),
        (lambda optimizer: ReduceLROnPlateau(optimizer, mode="max", patience=0, factor=0.5), [0.1, 0.1, 0.05]),
        (one_cycle, [0.052, 0.2 / 3, 0.1 / 25 / 1e4]),  # the second, fourth and sixth step
        (None, [0.1, 0.1, 0.1]),
    ],
    ids=["per epoch", "plateau", "per step", "none"],
)
def test_each_of_torchs_schedulers_is_stepped_in_its_unit(
    make: Callable[[torch.optim.Optimizer], LRScheduler] | None, rates: list[float]
) -> None:
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = None if make is None else make(optimizer)
    trainer = Trainer(model, make_batches(4, 4), optimizer=optimizer, lr_scheduler=scheduler, device="cpu")
    assert trainer.fit(3)["train/lr"] == pytest.approx(rates, rel=1e-4)


def test_without_a_scheduler_the_rates_are_a_callbacks_to_set() -> None:
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    halving = LearningRateScheduler(StepLR(optimizer, 1, gamma=0.5))
    trainer = Trainer(model, make_batches(4, 4), optimizer=optimizer, callbacks=[halving], device="cpu")
    assert trainer.fit(3)["train/lr"] == pytest.approx([0.1, 0.05, 0.025])


def test_an_average_is_what_is_evaluated_also_from_a_checkpoint(tmp_path: Path) -> None:
    validation = make_batches(8, seed=1)

    def make() -> Trainer:
        average = ExponentialMovingAverage(decay=0.9)
        return Trainer(make_model(), make_batches(4, 4), validation, callbacks=[average], device="cpu")

    trainer = make()
    reported = trainer.fit(2)["val/loss"][-1]
    assert trainer.evaluate(validation)["loss"] == reported
    trainer.save_checkpoint(tmp_path / "run.pt")
    other = make()
    other.load_checkpoint(tmp_path / "run.pt")
    assert other.evaluate(validation)["loss"] == reported


def test_folders_get_the_best_and_the_last(tmp_path: Path) -> None:
    trainer = Trainer(make_model(), make_batches(4, 4), make_batches(6, seed=1), device="cpu", checkpoint_dir=tmp_path)
    history = trainer.fit(3)
    assert read_checkpoint(tmp_path / "last.pt")["epoch"] == 3
    best = read_checkpoint(tmp_path / "best.pt")["epoch"]
    assert history["val/loss"][best - 1] == min(history["val/loss"])


def test_mappings_with_conditions_are_loaders_too() -> None:
    batches = [{"inputs": inputs, "targets": targets} for inputs, targets in make_batches(4, 2)]
    assert len(Trainer(make_model(), batches, device="cpu").fit(1)["train/loss"]) == 1


def test_mixed_precision_is_the_best_the_device_has() -> None:
    seen: set[torch.dtype] = set()
    model = make_model()
    trainer = Trainer(model, make_batches(4), device="cpu", mixed_precision=True)
    model.register_forward_hook(lambda _model, _inputs, scores: seen.add(scores.dtype))
    trainer.fit(1)
    assert seen == {torch.bfloat16}


def test_making_a_trainer_moves_no_random_state_and_no_mode() -> None:
    model = make_model(dropout=0.5)
    model[3].eval()  # type: ignore[index]
    state = torch.get_rng_state()
    Trainer(model, make_batches(4), device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert not model[3].training  # type: ignore[index]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"mixed_precision": "fp16"}, ConfigError, "precision: fp16 needs a CUDA device"),
        ({"gradient_accumulation_steps": 0}, ConfigError, "gradient_accumulation_steps must be at least 1, got 0"),
        ({"train_loader": []}, ConfigError, "the loader has no batches"),
    ],
)
def test_what_cannot_be_had_is_refused(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    wanted: dict[str, Any] = {"model": make_model(), "train_loader": make_batches(4), "device": "cpu"} | settings
    with pytest.raises(error, match=message):
        Trainer(**wanted)


def test_nothing_trained_is_nothing_to_save(tmp_path: Path) -> None:
    trainer = Trainer(make_model(), make_batches(4), device="cpu")
    assert trainer.get_history() == {}
    with pytest.raises(RunError, match="there is no epoch to save yet"):
        trainer.save_checkpoint(tmp_path / "x.pt")
    with pytest.raises(ConfigError, match="num_epochs must be at least 1, got 0"):
        trainer.fit(0)
