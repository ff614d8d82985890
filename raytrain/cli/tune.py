"""`raytrain tune`: a sweep, from a search space to a defended winner."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from raytrain.cli.shared_options import (
    AddressOption,
    AllowLeakageOption,
    BlockClassOption,
    ChannelOption,
    DataOption,
    DatasetOption,
    NameOption,
    RunsDirOption,
    SetOption,
    SplitOption,
    SplitTestOption,
    SplitTrainOption,
    SplitValidationOption,
    TargetOption,
    WhereOption,
    data_overrides,
    seconds,
)

__all__ = ["tune"]

_SEARCH, _RESOURCES, _EARLIER = "Search", "Resources", "Earlier sweeps"


def tune(
    space: Annotated[
        str | None,
        typer.Argument(
            help="A YAML file, or the name of a shipped space such as `quick`; not needed with --resume.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    dataset: DatasetOption = None,
    where: WhereOption = None,
    channel: ChannelOption = None,
    target: TargetOption = None,
    split: SplitOption = None,
    train: SplitTrainOption = None,
    validation: SplitValidationOption = None,
    test: SplitTestOption = None,
    block_class: BlockClassOption = None,
    allow_leakage: AllowLeakageOption = False,
    algorithm: Annotated[
        Literal["grid", "random", "quasi_random", "tpe", "gp", "cmaes", "nsga2", "hyperopt"] | None,
        typer.Option(help="How configurations are proposed.", rich_help_panel=_SEARCH),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Configurations to try.", rich_help_panel=_SEARCH)] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Stop the search after this long: 90s, 20m, 2h.", rich_help_panel=_SEARCH),
    ] = None,
    scheduler: Annotated[
        Literal["asha", "hyperband", "median", "pbt", "none"] | None,
        typer.Option(help="Which trials are stopped early.", rich_help_panel=_SEARCH),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of a full trial.", rich_help_panel=_SEARCH)] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the search and of every trial.", rich_help_panel=_SEARCH),
    ] = None,
    baselines: Annotated[
        bool, typer.Option(help="Measure the winner against classical models.", rich_help_panel=_SEARCH)
    ] = True,
    refit: Annotated[
        bool | None,
        typer.Option(help="Train the winner once more on training and validation parts.", rich_help_panel=_SEARCH),
    ] = None,
    folds: Annotated[
        Literal["by-recording", "by-load", "by-severity", "by-bearing", "by-dataset"] | None,
        typer.Option(help="Validate on each group of what is not tested in turn.", rich_help_panel=_SEARCH),
    ] = None,
    confirm_top: Annotated[
        int | None,
        typer.Option(min=1, help="Train this many of the best again with other seeds.", rich_help_panel=_SEARCH),
    ] = None,
    confirm_seeds: Annotated[
        int | None, typer.Option(min=2, help="Seeds of each that is trained again.", rich_help_panel=_SEARCH)
    ] = None,
    workers_per_trial: Annotated[
        int | None,
        typer.Option(min=1, help="Ranks of DistributedDataParallel per trial.", rich_help_panel=_RESOURCES),
    ] = None,
    cpus_per_worker: Annotated[float | None, typer.Option(help="CPUs per rank.", rich_help_panel=_RESOURCES)] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(help="GPUs per rank; fractions share a GPU.", rich_help_panel=_RESOURCES)
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the sweep in this folder: its missing trials, and those that a crash cut off.",
            rich_help_panel=_EARLIER,
            show_default=False,
        ),
    ] = None,
    extend: Annotated[
        int, typer.Option(min=0, help="With --resume: this many trials more.", rich_help_panel=_EARLIER)
    ] = 0,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="With --resume: although settings or recordings changed.", rich_help_panel=_EARLIER
        ),
    ] = False,
    warm_start_from: Annotated[
        list[Path] | None,
        typer.Option(help="Learn from the trials of this earlier sweep; repeatable.", rich_help_panel=_EARLIER),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Where the study is kept: journal or sqlite in the run's folder, or a URL such as "
            "postgresql://user@host/studies.",
            envvar="RAYTRAIN_STORAGE",
            show_envvar=True,
            rich_help_panel=_EARLIER,
        ),
    ] = None,
    address: AddressOption = None,
    set_: SetOption = None,
    name: NameOption = None,
    runs_dir: RunsDirOption = Path("runs"),
) -> None:
    """Search for the best model and settings, then judge the winner on data it has never seen.

    Ends with a leaderboard of all trials and the classical baselines, the best configuration, its scores on the
    untouched test part, the confusion matrix, and where the files are.
    """
    from raytrain.config.load import parse_overrides

    overrides = {
        f"fixed.{field}": value
        for field, value in data_overrides(
            source=data,
            dataset=dataset,
            where=where,
            channel=channel,
            target=target,
            rule=split,
            train=train,
            validation=validation,
            test=test,
            block_class=block_class,
            allow_leakage=allow_leakage,
        ).items()
    }
    overrides |= _given(
        {
            "search.algorithm": algorithm,
            "search.trials": trials,
            "search.time_budget_s": None if time_budget is None else seconds(time_budget),
            "search.seed": seed,
            "fixed.seed": seed,
            "fixed.epochs": epochs,
            "scheduler.name": scheduler,
            "refit": refit,
            "folds.by": folds,
            "confirm.top": confirm_top,
            "confirm.seeds": confirm_seeds,
            "resources.workers_per_trial": workers_per_trial,
            "resources.cpus_per_worker": cpus_per_worker,
            "resources.gpus_per_worker": gpus_per_worker,
            "baselines.names": None if baselines else [],
        }
    )
    overrides |= parse_overrides(set_ or [])

    from rich.console import Console

    from raytrain.errors import ConfigError
    from raytrain.tuning.api import Continuation, sweep_space
    from raytrain.tuning.report import print_report
    from raytrain.tuning.sweep import run_sweep

    if resume is None and (extend or force):
        raise ConfigError("--extend and --force go with --resume, which names the sweep to go on with")
    how = None if resume is None else Continuation(resume, extend=extend, force=force)
    console = Console()
    result = run_sweep(
        sweep_space(space, overrides, how, name=name),
        runs_dir=runs_dir,
        name=name,
        resume=how,
        warm_start=warm_start_from or [],
        storage=storage,
        address=address,
        command=["raytrain", *sys.argv[1:]],
        console=console,
    )
    print_report(result, console)
    if result.interrupted:
        raise typer.Exit(1)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in settings.items() if value is not None}
