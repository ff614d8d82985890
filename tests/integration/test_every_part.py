"""Every part that a configuration can name trains a small run, on generated recordings of the bearing it is for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from raytrain.augment.build import RESIZES
from raytrain.config.build import build_training, further_callbacks
from raytrain.config.load import dump_yaml
from raytrain.config.parts import TABLES, check_parts
from raytrain.config.schema import TrainConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.store import SegmentStore
from raytrain.distributed.judge import judge, refit
from raytrain.engine.checkpoint import write_checkpoint
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.errors import ConfigError
from raytrain.types import FitState

NEEDED: dict[tuple[str, str], dict[str, Any]] = {
    ("augmentation", "gaussian_noise"): {"augmentation": {"snr_db": 10.0}},
    ("augmentation", "spec_augment"): {"tfr": {"name": "stft"}, "model": {"name": "cnn2d", "depth": 2, "width": 4}},
    ("augmentation", "compose"): {"augmentation": {"steps": [{"name": "time_shift"}, {"name": "mixup", "alpha": 0.3}]}},
    ("model", "cnn2d"): {"tfr": {"name": "stft"}, "model": {"depth": 2, "width": 4}},
    ("model", "multi_view"): {"tfr": {"name": "views", "cwt": None}, "model": {"depth": 2, "width": 4}},
    ("model", "resnet1d"): {"model": {"width": 4}},
    ("model", "resnet2d"): {"tfr": {"name": "stft"}, "model": {"width": 4}},
    ("paradigm", "multi_tfr"): {"tfr": {"cwt": None}, "model": {"name": "multi_view", "depth": 2, "width": 4}},
    ("paradigm", "progressive_resizing"): {"paradigm": {"schedule": [[1024, 1], [2048, 1]]}},
    ("paradigm", "spectrogram"): {"model": {"name": "cnn2d", "depth": 2, "width": 4}},
    **{("resize", name): {"resize": {"schedule": [[512, 1], [2048, 1]]}} for name in RESIZES},
    ("resize", "pad"): {"resize": {"schedule": [[2048, 1], [4096, 1]]}},
    ("model", "wdcnn"): {"model": {"width": 4, "hidden": 8}},
    ("model", "cnn1d"): {"model": {"depth": 2, "width": 4, "stride": 16}},
    **{("tfr", name): {"model": {"name": "cnn2d", "depth": 2, "width": 4}} for name in TABLES["tfr"] if name != "none"},
    ("tfr", "views"): {"tfr": {"cwt": None}, "model": {"name": "multi_view", "depth": 2, "width": 4}},
}
"""What a part needs beside its name, where that is not nothing."""

PARTS = [
    (kind, name)
    for kind, table in TABLES.items()
    for name in table
    # The teacher of distillation has a test below; MLflow's import alone takes longer than all of these.
    if (kind, name) not in {("distillation", "soft_targets"), ("paradigm", "distillation"), ("callbacks", "mlflow")}
]


def config(*layers: dict[str, Any], source: str = "rolling") -> TrainConfig:
    """Return a run of one epoch, each layer of settings on top of those before."""
    options = {"recordings_per_class": 3, "duration_s": 0.7}
    settings: dict[str, Any] = {
        "data": {"source": source, "options": options, "split": {"rule": "by-recording"}},
        "windows": {"length": 2048},
        "model": {"name": "cnn1d", "depth": 2, "width": 4, "stride": 16},
        "epochs": 1,
        "batch_size": 8,
        "device": "cpu",
    }
    for layer in layers:
        for key, value in layer.items():
            other = isinstance(value, dict) and value.get("name", settings.get(key, {}).get("name"))
            same = other and other == settings.get(key, {}).get("name")
            settings[key] = {**settings[key], **value} if same else value
    return TrainConfig.model_validate(settings)


def make_store(source: str) -> SegmentStore:
    checked = config(source=source)
    recordings, split = read_and_split(checked.data)
    return prepare(recordings, split, checked.windows, target="fault_type")


@pytest.fixture(scope="module")
def store() -> SegmentStore:
    return make_store("rolling")


@pytest.fixture(scope="module")
def journal() -> SegmentStore:
    return make_store("journal")


def trained(run: TrainConfig, store: SegmentStore, folder: Path) -> FitState:
    check_parts(run)
    seed_everything(run.seed)
    return fit(build_training(run, store, callbacks=further_callbacks(run, folder)))


@pytest.mark.parametrize(("kind", "name"), PARTS, ids=lambda one: one)
def test_a_part_named_in_a_configuration_trains(kind: str, name: str, store: SegmentStore, tmp_path: Path) -> None:
    named: dict[str, Any] = {"callbacks": {name: {}}} if kind == "callbacks" else {kind: {"name": name}}
    state = trained(config(named, NEEDED.get((kind, name), {})), store, tmp_path)
    assert len(state.history) == 1
    assert all(math.isfinite(value) for value in state.metrics.values())
    assert all(torch.isfinite(value).all() for value in state.model.state_dict().values())


def test_the_physics_of_journal_bearings_is_learned_too(journal: SegmentStore, tmp_path: Path) -> None:
    state = trained(config({"paradigm": {"name": "pinn"}}, source="journal"), journal, tmp_path)
    assert {"train/data", "train/sommerfeld", "train/temporal"} <= set(state.metrics)


def test_parts_combine(store: SegmentStore, tmp_path: Path) -> None:
    steps = [{"name": "gaussian_noise", "snr_db": 12.0}, {"name": "cutmix"}, {"name": "spec_augment"}]
    run = config(
        {
            "tfr": {"name": "cwt", "frequency_bins": 32},
            "model": {"name": "cnn2d", "depth": 2, "width": 4},
            "augmentation": {"name": "compose", "steps": steps},
            "loss": {"name": "focal", "gamma": 1.5},
            "schedule": {"name": "plateau", "monitor": "val/macro_f1", "mode": "max"},
            "callbacks": {
                "ema": {"decay": 0.9},
                "nan_guard": {},
                "timing": {},
                "gradient_monitor": {"log_interval": 1},
            },
            "accumulation_steps": 2,
            "epochs": 2,
        }
    )
    assert {"time/epoch_s", "gradient/norm"} <= set(trained(run, store, tmp_path).metrics)


def test_five_paradigms_combine(store: SegmentStore, tmp_path: Path) -> None:
    image = {"tfr": {"name": "stft", "hop": 32}, "model": {"name": "cnn2d", "depth": 2, "width": 4}}
    resize = {"name": "truncate", "schedule": [[1024, 1], [2048, 1]]}
    teacher = config(image)
    write_checkpoint(tmp_path / "best.pt", trained(teacher, store, tmp_path).snapshot())
    (tmp_path / "config.yaml").write_text(dump_yaml(teacher), encoding="utf-8")
    run = config(
        image,
        {
            "distillation": {"name": "soft_targets", "teacher": str(tmp_path)},
            "physics": {"name": "consistency", "lambda_freq": 0.3},
            "augmentation": {"name": "spec_augment", "max_time_share": 0.2},
            "resize": resize,
            "precision": "bf16",
            "epochs": 2,
        },
    )
    state = trained(run, store, tmp_path)
    terms = {"soft", "hard", "data", "frequency", "temporal", "lambda_frequency", "grad_norm_frequency"}
    assert {f"train/{term}" for term in terms} <= set(state.metrics)
    assert all(math.isfinite(value) for value in state.metrics.values())
    again = trained(run, store, tmp_path)
    assert again.history == state.history


def test_adversarial_examples_are_of_the_signal_below_the_image(store: SegmentStore, tmp_path: Path) -> None:
    image = {"tfr": {"name": "stft"}, "model": {"name": "cnn2d", "depth": 2, "width": 4}}
    plain = trained(config(image), store, tmp_path)
    attacked = trained(config(image, {"augmentation": {"name": "adversarial", "epsilon": 0.5}}), store, tmp_path)
    assert attacked.metrics["train/loss"] > plain.metrics["train/loss"]


def test_a_student_learns_from_the_run_it_names(store: SegmentStore, tmp_path: Path) -> None:
    teacher = config({"epochs": 2})
    write_checkpoint(tmp_path / "teacher" / "best.pt", trained(teacher, store, tmp_path).snapshot())
    (tmp_path / "teacher" / "config.yaml").write_text(dump_yaml(teacher), encoding="utf-8")
    student = {"name": "cnn1d", "depth": 1, "width": 2, "stride": 16}
    paradigm = {"name": "distillation", "teacher": str(tmp_path / "teacher"), "temperature": 2.0}
    state = trained(config({"model": student, "paradigm": paradigm}), store, tmp_path)
    assert state.metrics["train/soft"] > 0
    assert state.metrics["train/loss"] == pytest.approx(
        0.7 * state.metrics["train/soft"] + 0.3 * state.metrics["train/hard"], rel=1e-5
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"windows": {"input": "envelope"}}, "it saw windows.input envelope, and this run has raw"),
        ({"tfr": {"name": "stft"}, "model": {"name": "cnn2d"}}, "it saw tfr 'stft', and this run has 'none'"),
        (None, "has no best.pt or best/checkpoint.pt; name the folder of a finished run"),
    ],
)
def test_a_teacher_that_cannot_teach_is_refused(
    changed: dict[str, Any] | None, message: str, store: SegmentStore, tmp_path: Path
) -> None:
    if changed is not None:
        write_checkpoint(tmp_path / "best.pt", {"model": {}, "averaged_model": None})
        (tmp_path / "config.yaml").write_text(dump_yaml(config(changed)), encoding="utf-8")
    run = config({"distillation": {"name": "soft_targets", "teacher": str(tmp_path)}})
    with pytest.raises(ConfigError, match=f"distillation.teacher: .*{message}"):
        build_training(run, store)


def test_a_teacher_of_other_classes_is_refused(store: SegmentStore, journal: SegmentStore, tmp_path: Path) -> None:
    teacher = config(source="journal")
    write_checkpoint(tmp_path / "best.pt", trained(teacher, journal, tmp_path).snapshot())
    (tmp_path / "config.yaml").write_text(dump_yaml(teacher), encoding="utf-8")
    with pytest.raises(ConfigError, match="does not fit 1 channels and 4 classes"):
        build_training(config({"distillation": {"name": "soft_targets", "teacher": str(tmp_path)}}), store)


def test_a_checkpoint_of_averaged_weights_is_worth_what_its_run_reported(store: SegmentStore, tmp_path: Path) -> None:
    run = config({"callbacks": {"ema": {"decay": 0.8}}, "epochs": 2})
    state = trained(run, store, tmp_path)
    snapshot = state.snapshot()
    assert snapshot["averaged_model"] is not None
    judged = judge(run, store=store, snapshot=snapshot, parts=["validation"])["validation"]
    assert judged.metrics == {key: state.metrics[key] for key in judged.metrics}
    refitted, test = refit(run, store=store, history=state.history, directory=tmp_path)
    assert judge(run, store=store, snapshot=refitted, parts=["test"])["test"].metrics == test.metrics
