"""`raytrain data`: what the recordings are and how a rule would divide them, before anything is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from raytrain.cli.options import parse_where
from raytrain.cli.shared_options import (
    AllowLeakageOption,
    BlockClassOption,
    ChannelOption,
    DatasetOption,
    SplitTestOption,
    SplitTrainOption,
    SplitValidationOption,
    TargetOption,
    WhereOption,
    data_overrides,
)

__all__ = ["data_app"]

data_app = typer.Typer(help="Look at recordings, and at how a rule splits them.", no_args_is_help=True)

SourceArgument = Annotated[
    str,
    typer.Argument(
        help="A folder with a manifest.csv, CWRU .mat files or the MFPT tree; or embedded: rolling, journal.",
        show_default=False,
    ),
]


@data_app.command()
def describe(source: SourceArgument, *, dataset: DatasetOption = None, where: WhereOption = None) -> None:
    """Show the recordings of SOURCE by data set, fault, severity and load, and the balance of classes."""
    from raytrain.cli.data_tables import make_console, print_description
    from raytrain.data.read import read_source
    from raytrain.data.select import select

    recordings = read_source(source, dataset=dataset)
    chosen = select(recordings, dataset=dataset, where=parse_where(where or []))
    print_description(make_console(), chosen, source=source)


@data_app.command()
def split(
    source: SourceArgument,
    *,
    rule: Annotated[
        str, typer.Option(help="by-recording, by-block, by-load, by-severity, by-bearing, by-dataset or random.")
    ] = "by-recording",
    train: SplitTrainOption = None,
    validation: SplitValidationOption = None,
    test: SplitTestOption = None,
    dataset: DatasetOption = None,
    where: WhereOption = None,
    target: TargetOption = None,
    channel: ChannelOption = None,
    block_class: BlockClassOption = None,
    validation_fraction: Annotated[float, typer.Option(help="Share that validates where not named.")] = 0.2,
    test_fraction: Annotated[float, typer.Option(help="Share that tests where not named.")] = 0.2,
    gap: Annotated[float, typer.Option(help="Seconds unused between two blocks of a recording.")] = 0.25,
    seed: Annotated[int, typer.Option(help="Chooses groups that are drawn.")] = 0,
    allow_leakage: AllowLeakageOption = False,
    window_length: Annotated[int, typer.Option(help="Samples per window.")] = 2048,
    hop: Annotated[int | None, typer.Option(help="Samples between windows; half a window when absent.")] = None,
    sample_rate: Annotated[
        float | None, typer.Option(help="Common rate in Hz; the lowest of the recordings when absent.")
    ] = None,
) -> None:
    """Show who trains, validates and tests under a rule, and prove that no sample is in two parts."""
    from raytrain.cli.data_tables import make_console, print_split
    from raytrain.config.load import apply_overrides, validate
    from raytrain.config.schema import TrainConfig
    from raytrain.data.preprocess import prepare
    from raytrain.data.read import read_recordings
    from raytrain.data.splits import make_split

    chosen = data_overrides(
        source=source,
        dataset=dataset,
        where=where,
        channel=channel,
        target=target,
        rule=rule,
        train=train,
        validation=validation,
        test=test,
        block_class=block_class,
        allow_leakage=allow_leakage,
    )
    chosen |= {
        "data.split.validation_fraction": validation_fraction,
        "data.split.test_fraction": test_fraction,
        "data.split.gap_s": gap,
        "data.split.seed": seed,
        "windows.length": window_length,
        "windows.hop": hop,
        "windows.sample_rate_hz": sample_rate,
    }
    config = validate(TrainConfig, apply_overrides({}, chosen), where="options")
    recordings = read_recordings(config.data)
    division = make_split(recordings, config.data.split, target=config.data.target)
    store = prepare(recordings, division, config.windows, target=config.data.target)
    print_split(make_console(), recordings, division, store=store, config=config.windows)
