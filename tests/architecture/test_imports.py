"""The layers: who imports whom, read from the syntax tree so that imports inside functions count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "raytrain"

# Each unit may import itself and the units of the rows above its own, never its neighbours in the row.
LAYERS = (
    ("errors",),
    ("types", "collective", "config", "physics"),
    ("data", "tfr", "augment", "models", "losses", "optim", "metrics"),
    ("objectives",),
    ("engine",),
    ("callbacks",),
    ("config.combinations",),
    ("config.parts", "config.teacher", "config.transforms"),
    ("trainers", "config.build", "classical"),
    ("distributed",),
    ("tuning",),
    ("cli",),
)
RANK = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}
# `fit` takes any objective: the engine names none, although they lie below it.
FORBIDDEN = {("engine", "objectives")}
RESTRICTED = {
    "ray": {"distributed", "tuning", "cli"},
    "hyperopt": {"tuning", "cli"},
    "optuna": {"tuning", "cli"},
    "pandas": {"classical", "distributed", "tuning", "cli"},
    "sklearn": {"classical", "tuning"},
}
# The package resolves its public names lazily, so it has no layer; it may import, and hands out, anything.
EXEMPT = {"", "__main__"}


def unit_of(dotted: str) -> str:
    """Return the unit a dotted name below `raytrain` belongs to, itself when it belongs to none."""
    parts = dotted.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in RANK), dotted)


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything a module imports, at its top or inside its functions."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def objection(importer: str, name: str) -> str | None:
    """Return why unit `importer` may not import the dotted `name`, or None when it may."""
    top, _, below = name.partition(".")
    if top in RESTRICTED and importer not in RESTRICTED[top]:
        return f"only {', '.join(sorted(RESTRICTED[top]))} may import {top}"
    unit = unit_of(below)
    if top != "raytrain" or below == "__version__" or unit == importer:
        return None
    if unit not in RANK:
        return f"{unit} is in no layer" if below else "the package itself stands above all layers"
    if (importer, unit) in FORBIDDEN:
        return f"{importer} may not name {unit}"
    return f"{unit} is not below {importer}" if RANK[unit] >= RANK[importer] else None


def violations(module: str, source: str) -> list[str]:
    """Return one line for each import by which `module` (dotted, below `raytrain`) breaks the layers."""
    importer = unit_of(module)
    if importer in EXEMPT:
        return []
    if importer not in RANK:
        return [f"raytrain.{module}: in no layer; give it one in LAYERS"]
    found = ((line, name, objection(importer, name)) for line, name in imports(source))
    return [f"raytrain.{module}:{line} imports {name}: {why}" for line, name, why in found if why]


def modules() -> Iterator[tuple[str, str]]:
    """Yield dotted name below `raytrain` and source of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path.read_text("utf-8")


def test_every_import_points_down() -> None:
    broken = [line for module, source in modules() for line in violations(module, source)]
    assert not broken, "\n".join(broken)


def test_every_folder_has_a_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders
    assert folders <= set(RANK)


@pytest.mark.parametrize(
    ("module", "source", "objected"),
    [
        ("data.windows", "from raytrain.engine.fit import fit", "engine is not below data"),
        ("data.windows", "import raytrain.engine.fit", "engine is not below data"),
        ("data.windows", "from raytrain import engine", "engine is not below data"),
        ("models.wdcnn", "from raytrain.losses.build import LOSSES", "losses is not below models"),
        ("losses.focal", "def f():\n    from raytrain.models import build", "models is not below losses"),
        ("engine.fit", "from raytrain.objectives.supervised import Supervised", "may not name objectives"),
        (
            "engine.fit",
            "from raytrain.callbacks.early_stopping import EarlyStopping",
            "callbacks is not below",
        ),
        ("engine.fit", "def f():\n    import ray.train", "only cli, distributed, tuning may import ray"),
        ("callbacks.report", "if TYPE_CHECKING:\n    from ray import tune", "may import ray"),
        ("data.manifest", "import pandas as pd", "may import pandas"),
        ("metrics.tracker", "from sklearn.metrics import f1_score", "only classical, tuning may import sklearn"),
        ("config.schema", "from raytrain.config.build import build", "config.build is not below config"),
        ("config.schema", "from raytrain.config import build", "config.build is not below config"),
        ("config.schema", "from raytrain.models.build import MODELS", "models is not below config"),
        ("errors", "from raytrain.types import Batch", "types is not below errors"),
        ("tuning.trial", "from raytrain.cli.main import main", "cli is not below tuning"),
        ("distributed.worker", "from raytrain.tuning import trial", "tuning is not below distributed"),
        ("tuning.trial", "import raytrain", "stands above all layers"),
        ("tuning.trial", "importlib.import_module('raytrain.cli.main')", "cli is not below tuning"),
        ("tuning.trial", "from raytrain.toolbox import thing", "toolbox.thing is in no layer"),
        ("toolbox.thing", "", "in no layer; give it one"),
    ],
)
def test_a_violation_is_found(module: str, source: str, objected: str) -> None:
    [found] = violations(module, source)
    assert found.startswith(f"raytrain.{module}")
    assert objected in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("", "from raytrain.cli.main import main"),
        (
            "data.windows",
            "from raytrain.physics.catalogue import x\nfrom raytrain.data import recording",
        ),
        ("config.load", "import yaml\nfrom raytrain.config.schema import TrainConfig"),
        ("config.build", "from raytrain.config import schema\nfrom raytrain.engine.fit import fit"),
        ("distributed.launch", "import ray.train\nfrom raytrain import __version__"),
        ("data.text", "import raypath"),
    ],
)
def test_what_is_allowed_is_not_objected_to(module: str, source: str) -> None:
    assert violations(module, source) == []
