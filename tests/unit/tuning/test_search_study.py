# ruff: noqa: ANN401, N806 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from sklearn.svm import SVC

from raytrain.errors import ConfigError
from raytrain.tuning.cross_validation import CrossValidation, FoldScore
from raytrain.tuning.labelled_space import LabelledSpace
from raytrain.tuning.parameter_space import labelled_space
from raytrain.tuning.scorers import create_scorers
from raytrain.tuning.search_study import StudyCandidates, open_study, search_signature

SPACE: dict[str, Any] = {"x": {"type": "uniform", "low": -4.0, "high": 4.0}, "kind": ["a", None]}
SIGNATURE = {"model": "SVC()", "folds": "3"}


def judged(score: float, reason: str = "") -> list[FoldScore]:
    return [FoldScore({"score": score + shift}, {}, 1.0, 0.5, reason) for shift in (-0.1, 0.1)]


def search(study: optuna.Study, *, trials: int, seed: int = 0, space: Any = SPACE) -> StudyCandidates:
    candidates = StudyCandidates(labelled_space(space), study, objective="score", trials=trials, seed=seed)
    while (candidate := candidates.propose()) is not None:
        x = candidate.parameters.get("x", 0.0)
        candidates.observe(candidate, judged(float("nan"), "too large") if x > 3 else judged(-((x - 1) ** 2)))
    return candidates


def memory() -> optuna.Study:
    return open_study(None, name="search", signature=SIGNATURE)


def test_the_study_is_the_record() -> None:
    study = memory()
    results = search(study, trials=25).gathered([])
    assert len(results) == len(study.trials) == 25
    for trial, (point, folds) in zip(study.trials, results, strict=True):
        assert trial.params["x"] == point["x"]
        assert len(json.loads(trial.user_attrs["folds"])) == 2
        failed = point["x"] > 3
        assert trial.state is (TrialState.FAIL if failed else TrialState.COMPLETE)
        assert trial.user_attrs.get("failure") == ("too large" if failed else None)
        if not failed:
            assert trial.value == pytest.approx(np.mean([fold.test["score"] for fold in folds]))
    assert {trial.state for trial in study.trials} == {TrialState.FAIL, TrialState.COMPLETE}
    assert {point["kind"] for point, _ in results} == {"a", None}


def test_tpe_comes_nearer_than_chance() -> None:
    points = [point["x"] for point, _ in search(memory(), trials=40).gathered([])]
    late = np.abs(np.array(points[-15:]) - 1)
    assert np.median(late) < 1.2  # of chance it would be 2


def test_a_seed_repeats_the_search() -> None:
    runs = [search(memory(), trials=12, seed=seed).gathered([]) for seed in (1, 1, 2)]
    first, again, other = ([point for point, _ in run] for run in runs)
    assert first == again
    assert first != other


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_guarantee_05_a_stored_study_goes_on(tmp_path: Path, kind: str) -> None:
    storage = tmp_path / "study.journal" if kind == "journal" else f"sqlite:///{tmp_path}/study.db"
    before = search(open_study(storage, name="mine", signature=SIGNATURE), trials=6).gathered([])
    study = open_study(storage, name="mine", signature=SIGNATURE)
    after = search(study, trials=4, seed=6).gathered([])
    assert str(after[:6]) == str(before)
    assert len({point["x"] for point, _ in after}) == len(after) == len(study.trials) == 10


def test_guarantee_09_a_point_is_judged_once_and_a_finite_space_ends() -> None:
    space = {"x": [0.0, 1.0, 2.0], "kind": ["a", "b"]}
    study = memory()
    assert len(search(study, trials=4, space=space).gathered([])) == 4
    rest = search(study, trials=10, space=space)
    assert rest.limit == 2
    points = [(point["x"], point["kind"]) for point, _ in rest.gathered([])]
    assert len(set(points)) == len(points) == 6
    assert search(study, trials=10, space=space).limit == 0


def test_guarantee_12_what_a_crash_left_running_is_failed(tmp_path: Path) -> None:
    storage = tmp_path / "study.journal"
    study = open_study(storage, name="mine", signature=SIGNATURE)
    StudyCandidates(labelled_space(SPACE), study, objective="score", trials=1, seed=0).propose()
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]
    again = open_study(storage, name="mine", signature=SIGNATURE)
    assert [trial.state for trial in again.trials] == [TrialState.FAIL]
    assert len(search(again, trials=3).gathered([])) == 3


def test_guarantee_06_what_was_not_judged_has_a_reason() -> None:
    study = memory()
    candidates = StudyCandidates(labelled_space(SPACE), study, objective="score", trials=2, seed=0)
    one, two = candidates.propose(), candidates.propose()
    assert one is not None
    assert two is not None
    candidates.observe(one, judged(float("inf")))
    candidates.observe(two, judged(float("nan"), "stopped by Ctrl-C"))
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2
    assert [trial.user_attrs["failure"] for trial in study.trials] == ["its mean score is inf", "stopped by Ctrl-C"]


def test_a_study_of_another_search_is_refused(tmp_path: Path) -> None:
    storage = tmp_path / "study.journal"
    search(open_study(storage, name="mine", signature=SIGNATURE), trials=1)
    with pytest.raises(ConfigError, match=r"the study 'mine' .* differs in folds; give another study_name"):
        open_study(storage, name="mine", signature={**SIGNATURE, "folds": "4"})
    open_study(storage, name="another", signature={**SIGNATURE, "folds": "4"})


def test_a_study_of_someone_else_is_refused(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(storage=address, study_name="theirs").ask()
    with pytest.raises(ConfigError, match="theirs"):
        open_study(address, name="theirs", signature=SIGNATURE)


def test_a_storage_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for storage in (tmp_path / "absent" / "study.journal", f"sqlite:///{tmp_path}/absent/study.db", "no://where"):
        with pytest.raises(ConfigError, match=r"storage: .* cannot be opened"):
            open_study(storage, name="mine", signature=SIGNATURE)


def test_the_signature_tells_searches_apart() -> None:
    X, y = np.arange(8.0)[:, None], np.arange(8) % 2
    folds = ((np.arange(4), np.arange(4, 8)),)
    space = LabelledSpace({"C": [1, 2]}).config()

    def signed(estimator: Any = None, data: Any = X, divided: Any = folds, over: Any = space) -> dict[str, str]:
        scorers = create_scorers(SVC(), None)
        judge = CrossValidation(SVC() if estimator is None else estimator, data, y, divided, scorers)
        return search_signature(judge, over, objective="score")

    def differing(other: dict[str, str]) -> list[str]:
        return [name for name, text in signed().items() if other[name] != text]

    assert differing(signed()) == []
    assert differing(signed(estimator=SVC(degree=4))) == ["model"]
    assert differing(signed(data=X + 1)) == ["X and y"]
    assert differing(signed(divided=folds * 2)) == ["folds"]
    assert differing(signed(over=LabelledSpace({"C": [1, 3]}).config())) == ["param_grid"]
