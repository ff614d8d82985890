from __future__ import annotations

import errno
import importlib.metadata
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from raytrain.cli.main import app, main
from raytrain.errors import ConfigError, DataError, RunError
from raytrain.tuning import results

Command = Callable[..., int]
FULL_DISK = "free some space, or choose another --runs-dir; what was written before is kept\n"


@pytest.fixture
def raytrain(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process: arguments to exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["raytrain", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let `raytrain results` fail with an error."""

    def fail_with(error: BaseException) -> None:
        def load_result(_: object) -> None:
            raise error

        monkeypatch.setattr(results, "load_result", load_result)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("epochs: must be positive"), 2, "error: epochs: must be positive\n"),
        (DataError("row 3: no such file"), 2, "error: row 3: no such file\n"),
        (RunError("all 4 trials failed"), 1, "error: all 4 trials failed\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/quick/events.jsonl"),
            1,
            f"error: disk full (runs/quick/events.jsonl): {FULL_DISK}",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            f"error: disk full: {FULL_DISK}",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/quick"),
            1,
            "error: Permission denied (runs/quick); `raytrain --debug ...` shows where this happened\n",
        ),
        (TimeoutError("no answer"), 1, "error: no answer; `raytrain --debug ...` shows where this happened\n"),
        (KeyboardInterrupt(), 1, "error: interrupted; nothing more is written\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_is_one_line_and_an_exit_code(
    *,
    error: BaseException,
    code: int,
    message: str,
    raytrain: Command,
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing(error)
    assert raytrain("results", "anywhere") == code
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize(
    "error", [ConfigError("wrong"), RunError("failed"), OSError(errno.ENOSPC, "full"), PermissionError("no")]
)
def test_debug_lets_the_traceback_through(
    error: Exception, failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(error)
    monkeypatch.setattr(sys, "argv", ["raytrain", "--debug", "results", "anywhere"])
    with pytest.raises(type(error)) as caught:
        main()
    assert caught.value is error


def test_debug_does_not_outlive_its_call(
    raytrain: Command, failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(ConfigError("wrong"))
    monkeypatch.setattr(sys, "argv", ["raytrain", "--debug", "results", "anywhere"])
    with pytest.raises(ConfigError):
        main()
    assert raytrain("results", "anywhere") == 2


def test_an_error_of_raytrain_itself_is_not_hidden(
    failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(ZeroDivisionError("a defect"))
    monkeypatch.setattr(sys, "argv", ["raytrain", "results", "anywhere"])
    with pytest.raises(ZeroDivisionError, match="a defect"):
        main()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tuen"], "No such command 'tuen'. Did you mean 'tune'?"),
        (["tune"], "give the search space of a new sweep, or --resume"),
        (["tune", "quick", "--trails", "3"], "No such option: --trails (Possible options: --train, --trials)"),
        (["tune", "quick", "--trials", "many"], "Invalid value for '--trials'"),
        (["tune", "quick", "--trials", "0"], "--trials"),
        (["tune", "quick", "--algorithm", "annealing"], "'annealing' is not one of"),
        (["data", "splitt"], "Did you mean 'split'?"),
    ],
)
def test_a_usage_error_exits_with_2_and_says_what_would_work(
    arguments: Sequence[str],
    message: str,
    raytrain: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert raytrain(*arguments) == 2
    assert message in capsys.readouterr().err


def test_version(raytrain: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert raytrain("--version") == 0
    assert capsys.readouterr().out == f"raytrain {importlib.metadata.version('raytrain')}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_commands(flag: str, raytrain: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert raytrain(flag) == 0
    shown = capsys.readouterr().out
    for command in ("tune", "train", "results", "data", "--debug", "--version"):
        assert command in shown


def leaves(command: TyperGroup, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, one in command.commands.items():
        nested = leaves(one, (*path, name)) if isinstance(one, TyperGroup) else [(*path, name)]
        found += nested
    return found


ROOT = get_command(app)
assert isinstance(ROOT, TyperGroup)
COMMANDS = leaves(ROOT)


def test_all_commands_are_found() -> None:
    assert {("tune",), ("train",), ("results",), ("data", "describe"), ("data", "split")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_explains_every_option(
    path: tuple[str, ...],
    raytrain: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert raytrain(*path, "--help") == 0
    shown = capsys.readouterr().out
    command = ROOT
    for name in path:
        assert isinstance(command, TyperGroup)
        command = command.commands[name]
    assert command.help
    for parameter in command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            assert option.lower() in shown.lower()
        text = getattr(parameter, "help", None)
        assert text, f"{parameter.name} has no help"
        assert text.replace("`", "")[:40] in shown.replace("`", "")


def test_traceback_only_with_debug() -> None:
    """In a process of its own, as a user sees it."""
    command = [sys.executable, "-m", "raytrain"]
    wrong = ["tune", "quick", "--time-budget", "soon"]
    plain = subprocess.run([*command, *wrong], capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr == ("error: --time-budget soon: expected a number with s, m or h, for example 90s, 20m, 2h\n")
    traced = subprocess.run([*command, "--debug", *wrong], capture_output=True, text=True, check=False)
    assert traced.returncode == 1
    assert traced.stderr.startswith("Traceback (most recent call last):")
    assert "ConfigError: --time-budget soon" in traced.stderr
