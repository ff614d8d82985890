"""raytrain from Python: the same sweeps and runs as on the command line, returned as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raytrain.config.load import apply_overrides, load_yaml, validate
from raytrain.config.paradigms import plain
from raytrain.config.schema import TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.distributed.resume import run_config
from raytrain.distributed.train import TrainResult, run_training
from raytrain.errors import ConfigError, nearest
from raytrain.tuning.continuation import Continuation, begun_settings
from raytrain.tuning.results import SweepResult, load_result
from raytrain.tuning.sweep import load_space, run_sweep

__all__ = ["Continuation", "find_space", "load_result", "read_run", "run_settings", "sweep_space", "train", "tune"]


def tune(
    space: str | Path | Mapping[str, Any] | SpaceConfig | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    resume: str | Path | Continuation | None = None,
    warm_start: Sequence[str | Path] = (),
    storage: str | None = None,
    runs_dir: str | Path = "runs",
    address: str | None = None,
) -> SweepResult:
    """Run a hyperparameter sweep on Ray and judge its winner; see `raytrain tune --help`.

    Args:
        space: A YAML file, the name of a shipped space (`"quick"`), a mapping as in YAML, or a `SpaceConfig`; may be
            left out of a sweep that is resumed.
        overrides: Dotted fields to replace, e.g. `{"search.trials": 8, "fixed.data.source": "recordings"}`.
        name: Of the run; the space's name and the time when absent.
        resume: The folder of a sweep to go on with, or a `Continuation` of it (`extend`, `force`).
        warm_start: Folders of earlier sweeps to learn from.
        storage: Where the study is kept: `journal` or `sqlite` in the run's folder, or a URL such as
            `postgresql://host/studies`.
        runs_dir: Where the run's folder is made.
        address: An existing Ray cluster; a local one for the length of the call when absent.

    Returns:
        The result; `result.leaderboard()` and `result.dataframe()` are pandas tables.

    Raises:
        ConfigError: The space breaks a rule.
        DataError: The recordings or the split are not usable.
        RunError: No trial could complete an epoch.
    """
    how = resume if isinstance(resume, Continuation) or resume is None else Continuation(Path(resume))
    return run_sweep(
        sweep_space(space, overrides or {}, how, name=name),
        runs_dir=Path(runs_dir),
        name=name,
        resume=how,
        warm_start=[Path(run) for run in warm_start],
        storage=storage,
        address=address,
    )


def sweep_space(
    space: str | Path | Mapping[str, Any] | SpaceConfig | None,
    overrides: Mapping[str, Any],
    resume: Continuation | None,
    *,
    name: str | None = None,
) -> SpaceConfig:
    """Return the checked space of a new sweep, or of one that is resumed: by default as it began.

    Raises:
        ConfigError: Neither is given, or a resumed one is given another name or number of trials.
    """
    if resume is None and space is None:
        raise ConfigError("give the search space of a new sweep, or --resume with the folder of an earlier one")
    if resume is not None:
        if name is not None:
            raise ConfigError(f"--name {name}: a resumed sweep keeps its name and folder; leave --name out")
        if "search.trials" in overrides:
            raise ConfigError("--trials: a resumed sweep keeps its trials; add to them with --extend")
        if space is None:
            return load_space(begun_settings(resume.directory), overrides)
    source = plain(space) if isinstance(space, SpaceConfig) else space
    return load_space(find_space(source) if isinstance(source, str | Path) else source or {}, overrides)


def train(
    config: str | Path | Mapping[str, Any] | TrainConfig | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    workers: int | None = None,
    name: str | None = None,
    resume: str | Path | None = None,
    runs_dir: str | Path = "runs",
    address: str | None = None,
) -> TrainResult:
    """Train one configuration and judge its best epoch; see `raytrain train --help`.

    Args:
        config: A YAML file, the name of a shipped space (`"pinn"`) whose fixed part is trained, a mapping as in YAML,
            or a `TrainConfig`.
        overrides: Dotted fields to replace.
        workers: Ranks of DistributedDataParallel on Ray; None trains in this process.
        name: Of the run; the model's name and the time when absent.
        resume: The folder of an interrupted run, instead of `config`: it goes on from its newest checkpoint.
        runs_dir: Where the run's folder is made.
        address: An existing Ray cluster, with `workers`.

    Raises:
        ConfigError: The configuration breaks a rule.
        DataError: The recordings or the split are not usable.
        RunError: Training failed.
    """
    where, settings = run_settings(config, None if resume is None else Path(resume))
    checked = validate(TrainConfig, apply_overrides(settings, overrides or {}), where=where)
    return run_training(
        checked,
        workers=workers,
        runs_dir=Path(runs_dir),
        name=name,
        resume=None if resume is None else Path(resume),
        address=address,
    )


def run_settings(
    config: str | Path | Mapping[str, Any] | TrainConfig | None, resume: Path | None
) -> tuple[str, Mapping[str, Any]]:
    """Return where the settings of a run are from, for messages, and what they are.

    Args:
        config: Of a new run, as `train` takes it.
        resume: The folder of an interrupted run, instead.

    Raises:
        ConfigError: Both or none are given, or what is given cannot be read.
    """
    if (config is None) == (resume is None):
        given = "neither" if config is None else "both"
        raise ConfigError(
            f"give the YAML file of a new run, or --resume with the folder of an interrupted one; got {given}"
        )
    if resume is not None:
        return str(resume), run_config(resume).model_dump(mode="json")
    if isinstance(config, str | Path):
        file, settings = read_run(config)
        return str(file), settings
    return "configuration", config.given if isinstance(config, TrainConfig) else config or {}


def read_run(name: str | Path) -> tuple[Path, dict[str, Any]]:
    """Return the file that describes a run, and its settings: of a search space those that are fixed.

    Args:
        name: A YAML file of a run or of a search space, or the name of a shipped space.

    Raises:
        ConfigError: It is neither, or is not YAML.
    """
    file = Path(name)
    if file.suffix not in (".yaml", ".yml") and len(file.parts) == 1:
        file = find_space(name)
    settings = load_yaml(file)
    if "parameters" in settings:
        settings = settings.get("fixed", {})
    return file, settings


def find_space(name: str | Path) -> Path:
    """Return the file of a search space: a path as it is, a bare name from those shipped with raytrain.

    Raises:
        ConfigError: There is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for folder in _shipped_folders() for file in sorted(folder.glob("*.yaml"))}
    if (path.suffix in (".yaml", ".yml") and path.stem not in shipped) or len(path.parts) > 1:
        raise ConfigError(f"search space {name}: no such file; shipped ones: {', '.join(sorted(shipped))}")
    if path.stem not in shipped:
        raise ConfigError(f"search space '{name}': neither a file nor a shipped one; {nearest(path.stem, shipped)}")
    return shipped[path.stem]


def _shipped_folders() -> list[Path]:
    """Return where spaces are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    return [folder for folder in (package.parent / "search_spaces", package / "search_spaces") if folder.is_dir()]
