from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError, RunError
from raytrain.tuning.reading import read_study
from raytrain.tuning.searcher import create_study


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a study of one pruned trial."""
    space = {"name": "s", "parameters": {"optimizer.lr": {"type": "uniform", "low": 0.1, "high": 0.2}}}
    path = tmp_path / "study.journal"
    study = create_study(validate(SpaceConfig, space, where="test"), path)
    trial = study.ask()
    trial.report(0.5, step=1)
    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return path


def test_reads_the_study_as_it_is(journal: Path) -> None:
    study = read_study(journal)
    assert study.study_name == "s"
    assert [trial.state.name for trial in study.trials] == ["PRUNED"]
    assert study.trials[0].intermediate_values == {1: 0.5}


def test_refuses_to_write(journal: Path) -> None:
    study, before = read_study(journal), journal.read_bytes()
    with pytest.raises(RunError, match="opened to read only"):
        study.ask()
    with pytest.raises(RunError, match="opened to read only"):
        study.set_user_attr("a", 1)
    assert journal.read_bytes() == before
    assert [one.name for one in journal.parent.iterdir()] == ["study.journal"]


def test_makes_no_journal_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such journal"):
        read_study(tmp_path / "study.journal")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_journal_holds_no_study(tmp_path: Path) -> None:
    (tmp_path / "study.journal").touch()
    with pytest.raises(ConfigError, match="holds no study"):
        read_study(tmp_path / "study.journal")
