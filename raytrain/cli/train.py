"""`raytrain train`: one configuration, in this process or on the workers of a Ray cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

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
)

__all__ = ["train"]


def train(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="A YAML file of a run, such as a sweep's best/config.yaml; or a search space, a file or the name of a "
            "shipped one such as pinn, whose fixed part is trained."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="The folder of an interrupted run, instead of a YAML file: go on there from its newest checkpoint."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Ranks of DistributedDataParallel on Ray; without it the run stays in this process."),
    ] = None,
    data: DataOption = None,
    dataset: DatasetOption = None,
    where: WhereOption = None,
    channel: ChannelOption = None,
    target: TargetOption = None,
    split: SplitOption = None,
    train_groups: SplitTrainOption = None,
    validation: SplitValidationOption = None,
    test: SplitTestOption = None,
    block_class: BlockClassOption = None,
    allow_leakage: AllowLeakageOption = False,
    address: AddressOption = None,
    set_: SetOption = None,
    name: NameOption = None,
    runs_dir: RunsDirOption = Path("runs"),
) -> None:
    """Train one model and judge its best epoch on the untouched test part, or go on with a run that was interrupted."""
    from raytrain.config.load import apply_overrides, parse_overrides, validate
    from raytrain.config.schema import TrainConfig
    from raytrain.tuning.api import run_settings

    where_from, settings = run_settings(config, resume)
    overrides = data_overrides(
        source=data,
        dataset=dataset,
        where=where,
        channel=channel,
        target=target,
        rule=split,
        train=train_groups,
        validation=validation,
        test=test,
        block_class=block_class,
        allow_leakage=allow_leakage,
    )
    overrides |= parse_overrides(set_ or [])
    checked = validate(TrainConfig, apply_overrides(settings, overrides), where=where_from)

    from rich.console import Console

    from raytrain.distributed.train import run_training
    from raytrain.tuning.report import print_training

    console = Console()
    result = run_training(
        checked,
        workers=workers,
        runs_dir=runs_dir,
        name=name,
        resume=resume,
        address=address,
        command=["raytrain", *sys.argv[1:]],
        console=console,
    )
    print_training(result, console)
