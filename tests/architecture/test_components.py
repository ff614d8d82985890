"""Every public name of the training library: importable where it is listed, documented, with a doctest and a test."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).resolve().parents[1]

LISTED = {
    "raytrain.trainers": """
        Trainer CNNTrainer PINNTrainer SpectrogramTrainer MultiTFRTrainer MixedPrecisionTrainer DistillationTrainer
        ProgressiveResizingTrainer compare_teacher_student""",
    "raytrain.losses": """
        FocalLoss LabelSmoothingCrossEntropy SupConLoss DistillationLoss FrequencyConsistencyLoss
        SommerfeldConsistencyLoss TemporalSmoothnessLoss PhysicalConstraintLoss PhysicsInformedLoss create_criterion
        compute_class_weights""",
    "raytrain.callbacks": """
        EarlyStopping ModelCheckpoint LearningRateScheduler TensorBoardLogger MLflowLogger LearningRateMonitor
        GradientMonitor TimingCallback MetricLogger CallbackList NaNGuard ExponentialMovingAverage ProgressBar""",
    "raytrain.distributed": "RayReport",
    "raytrain.optim": """
        create_optimizer create_adamw_optimizer create_sgd_optimizer create_rmsprop_optimizer OptimizerConfig
        get_parameter_groups create_scheduler create_cosine_scheduler create_cosine_warmrestarts_scheduler
        create_onecycle_scheduler create_step_scheduler create_exponential_scheduler create_plateau_scheduler
        WarmupScheduler PolynomialLRScheduler create_warmup_cosine_schedule create_warmup_linear_schedule
        create_noam_schedule WarmupCosineScheduler get_scheduler""",
    "raytrain.augment": """
        cutmix cutmix_batch MixupAugmentation adversarial_augmentation time_masking gaussian_noise_augmentation
        amplitude_scaling time_shift AutoAugment patch_dropout patch_mixup patch_temporal_shift patch_cutout
        patch_permutation patch_jitter PatchAugmentation SpecAugment""",
    "raytrain.metrics": """
        MetricsTracker compute_accuracy compute_f1_score compute_confusion_matrix compute_top_k_accuracy
        compute_per_class_metrics compute_balanced_accuracy compute_auroc compute_expected_calibration_error
        recording_vote""",
    "raytrain.tuning": "GridSearchOptimizer RandomSearchOptimizer BayesianOptimizer",
    "raytrain.tfr": "Stft Cwt Wvd SmoothedPseudoWvd",
    "raytrain.physics": """
        BearingGeometry BEARINGS find_bearing FaultSignatureDatabase kinematic_viscosity_mm2_s dynamic_viscosity_pa_s
        sommerfeld_number""",
}
"""Folder -> the names that the description of the components lists for it, in its order."""

NAMES = [(folder, name) for folder, names in LISTED.items() for name in names.split()]
CONSTANTS = {"BEARINGS"}
"""Names that are data: documented by a string below them, tested, but without a docstring of their own."""
WITHOUT_DOCTEST = {"RayReport": "needs a Ray worker"}
SOURCE = re.compile(r"\b(1[89]|20)\d\d\b|\b(torch|scikit-learn|MLflow|TensorBoard|rich|Ray|JSON)\b")
"""A year of publication, or the library whose definition it shares."""


def documented(name: str, text: str | None) -> list[str]:
    """Return what the documentation `text` of the public `name` lacks."""
    if not text:
        return [f"{name} has no docstring"]
    wanted = {
        "a first line that ends with a full stop": re.match(r"[^\n]+[.:](\n|$)", text) is not None,
        "a doctest": ">>> " in text or name in WITHOUT_DOCTEST,
        "a source": SOURCE.search(text) is not None,
    }
    return [f"{name} lacks {what}" for what, there in wanted.items() if not there]


def names_in_tests() -> set[str]:
    """Return every name that a test module outside this folder uses."""
    used = set()
    for path in TESTS.rglob("test_*.py"):
        if path.parent != Path(__file__).parent:
            tree = ast.parse(path.read_text("utf-8"))
            used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return used


@pytest.fixture(scope="module")
def used() -> set[str]:
    return names_in_tests()


@pytest.mark.parametrize(("folder", "name"), NAMES, ids=lambda one: one)
def test_a_listed_name_is_there_documented_and_tested(folder: str, name: str, used: set[str]) -> None:
    module = importlib.import_module(folder)
    assert name in module.__all__, f"{folder} does not list {name} in __all__"
    thing = getattr(module, name)
    if name not in CONSTANTS:
        assert documented(name, inspect.getdoc(thing)) == []
    assert name in used, f"no test uses {name}"


@pytest.mark.parametrize(("folder", "name"), NAMES, ids=lambda one: one)
def test_what_can_be_refused_is_documented(folder: str, name: str) -> None:
    """A public name whose own code raises says so."""
    thing = getattr(importlib.import_module(folder), name)
    if name in CONSTANTS or not hasattr(thing, "__module__") or not thing.__module__.startswith("raytrain"):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(tree))
    assert not raises or "Raises:" in (inspect.getdoc(thing) or ""), f"{name} raises and does not say so"


@pytest.mark.parametrize("folder", LISTED)
def test_a_folder_exports_what_it_names(folder: str) -> None:
    module = importlib.import_module(folder)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []


def presets(trainers: ModuleType) -> dict[str, type]:
    """Return the trainers that stand on the base."""
    public = {name: getattr(trainers, name) for name in trainers.__all__}
    return {name: one for name, one in public.items() if inspect.isclass(one) and one is not trainers.Trainer}


def held(source: str) -> list[str]:
    """Return what the one class in `source` holds, beside its docstring."""
    [definition] = ast.parse(textwrap.dedent(source)).body
    assert isinstance(definition, ast.ClassDef)
    rest = definition.body[1:] if ast.get_docstring(definition) else definition.body
    return [one.name if isinstance(one, ast.FunctionDef) else ast.unparse(one) for one in rest]


def test_a_trainer_assembles_parts_and_overrides_nothing() -> None:
    trainers = importlib.import_module("raytrain.trainers")
    found = presets(trainers)
    assert len(found) == 7
    for name, one in found.items():
        assert issubclass(one, trainers.Trainer)
        assert held(inspect.getsource(one)) == ["__init__"], f"{name} holds more than __init__"


def test_the_trainers_are_handed_out_by_the_package() -> None:
    package = importlib.import_module("raytrain")
    for name in LISTED["raytrain.trainers"].split():
        assert name in package.__all__
        assert getattr(package, name) is getattr(importlib.import_module("raytrain.trainers"), name)


def test_a_trainer_that_holds_more_is_found() -> None:
    assert held('class A:\n    """Doc."""\n    x = 1\n    def __init__(self): ...\n    def fit(self): ...\n') == [
        "x = 1",
        "__init__",
        "fit",
    ]


def test_missing_documentation_is_found() -> None:
    assert documented("f", None) == ["f has no docstring"]
    assert documented("f", "No stop") == [
        "f lacks a first line that ends with a full stop",
        "f lacks a doctest",
        "f lacks a source",
    ]
    assert documented("f", "Return it (Lin et al. 2017).\n\n>>> f()\n1") == []
