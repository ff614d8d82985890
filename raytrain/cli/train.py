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
    config: Annotated[Path, typer.Argument(help="A YAML file of a run, such as a sweep's best/config.yaml.")],
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
    """Train one model and judge its best epoch on the untouched test part."""
    from raytrain.config.load import apply_overrides, load_yaml, parse_overrides, validate
    from raytrain.config.schema import TrainConfig

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
    checked = validate(TrainConfig, apply_overrides(load_yaml(config), overrides), where=str(config))

    from rich.console import Console

    from raytrain.distributed.train import run_training
    from raytrain.tuning.report import print_training

    console = Console()
    result = run_training(
        checked,
        workers=workers,
        runs_dir=runs_dir,
        name=name,
        address=address,
        command=["raytrain", *sys.argv[1:]],
        console=console,
    )
    print_training(result, console)
