from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raytrain.config.load import apply_overrides
from raytrain.config.paradigms import plain
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.continuation import (
    SPACE_FILE,
    Continuation,
    begun_settings,
    begun_space,
    changed_data,
    continued,
    save_space,
)
from raytrain.tuning.sweep import load_space

SPACES = sorted((Path(__file__).resolve().parents[3] / "search_spaces").glob("*.yaml"))
SETTINGS: dict[str, Any] = {
    "name": "trying",
    "fixed": {"model": {"name": "cnn1d", "depth": 2}, "epochs": 7},
    "parameters": {"optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 0.1}},
    "search": {"trials": 5},
}


def changed(**overrides: Any) -> SpaceConfig:  # noqa: ANN401 - any setting
    dotted = {field.replace("__", "."): value for field, value in overrides.items()}
    return SpaceConfig.model_validate(apply_overrides(SETTINGS, dotted))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a sweep that began."""
    save_space(tmp_path, changed())
    (tmp_path / "manifest.json").write_text(json.dumps({"data": {"sha256": "a" * 64}}), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_space_comes_back_as_it_was_written(path: Path, run: Path) -> None:
    space = load_space(path)
    save_space(run, space)
    assert begun_space(run) == space
    assert begun_settings(run)["name"] == space.name
    again, changes = continued(load_space(begun_settings(run)), Continuation(run))
    assert (again, changes) == (space, [])


def test_a_sweep_goes_on_as_it_began(run: Path) -> None:
    assert continued(changed(), Continuation(run)) == (changed(), [])


def test_guarantee_05_extended_twice_it_has_all_trials(run: Path) -> None:
    once, changes = continued(changed(), Continuation(run, extend=3))
    assert (once.search.trials, changes) == (8, [])
    save_space(run, once)
    twice, _ = continued(once, Continuation(run, extend=2))
    assert twice.search.trials == 10
    assert continued(twice, Continuation(run))[0].search.trials == 8, "what was not begun is not planned"


@pytest.mark.parametrize(
    "change",
    [
        {"search__time_budget_s": 60.0},
        {"search__retries": 5},
        {"search__checkpoint_s": 0.0},
        {"resources__cpus_per_worker": 2.0},
        {"baselines__names": []},
        {"confirm": {"top": 1}},
        {"refit": False},
    ],
)
def test_what_is_no_part_of_a_trial_may_change(change: dict[str, Any], run: Path) -> None:
    wanted = changed(**change)
    assert continued(wanted, Continuation(run)) == (wanted, [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fixed__epochs": 9}, "fixed.epochs 7, not 9"),
        ({"fixed__model__depth": 3}, "fixed.model.depth 2, not 3"),
        ({"search__seed": 1}, "search.seed 0, not 1"),
        ({"search__algorithm": "random"}, 'search.algorithm "tpe", not "random"'),
        ({"scheduler__name": "none"}, 'scheduler.name "asha", not "none"'),
        (
            {"parameters": SETTINGS["parameters"] | {"batch_size": {"type": "choice", "values": [8, 16]}}},
            'parameters.batch_size.type unset, not "choice"',
        ),
    ],
)
def test_what_changes_its_trials_is_refused_by_name_or_forced(change: dict[str, Any], told: str, run: Path) -> None:
    wanted = changed(**change)
    with pytest.raises(ConfigError) as refused:
        continued(wanted, Continuation(run))
    message = str(refused.value)
    assert told in message
    assert "--force" in message
    assert "--warm-start-from" in message
    assert str(run) in message
    forced, changes = continued(wanted, Continuation(run, force=True))
    assert forced == wanted
    assert told in changes


def test_changes_are_told_together(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"began with fixed\.epochs 7, not 9; search\.seed 0, not 4; leave"):
        continued(changed(fixed__epochs=9, search__seed=4), Continuation(run))


@pytest.mark.parametrize("missing", [SPACE_FILE, "manifest.json"])
def test_a_folder_that_is_no_sweeps_is_refused_by_what_it_lacks(missing: str, run: Path) -> None:
    (run / missing).unlink()
    with pytest.raises(
        ConfigError, match=rf"--resume .*no sweep began there, for it has no {missing}; name the folder"
    ):
        begun_space(run)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no space\.yaml and no manifest\.json"):
        begun_space(tmp_path / "absent")


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", r"space\.yaml: .*not YAML|space\.yaml"), ("nome: a\n", r"nome: unknown field"), ("- 1\n", r"space\.yaml")],
)
def test_a_damaged_space_is_named(content: str, message: str, run: Path) -> None:
    (run / SPACE_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        begun_space(run)


def test_a_space_of_another_version_is_named_by_its_field(run: Path) -> None:
    text = (run / SPACE_FILE).read_text("utf-8") + "patience_of_later_versions: 3\n"
    (run / SPACE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"space\.yaml: 1 problem\n  patience_of_later_versions: unknown field"):
        continued(changed(), Continuation(run))


def test_other_recordings_are_told_by_their_sums(run: Path) -> None:
    assert changed_data(run, "a" * 64) is None
    assert changed_data(run, "b" * 64) == "recordings of SHA-256 aaaaaaaaaaaa..., not bbbbbbbbbbbb..."


def test_the_space_is_whole_or_as_before(run: Path) -> None:
    save_space(run, changed(search__trials=9))
    assert plain(begun_space(run))["search"]["trials"] == 9
    assert sorted(path.name for path in run.iterdir()) == ["manifest.json", SPACE_FILE]
