# ruff: noqa: ANN401 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, cross_validate
from sklearn.svm import SVC

from raytrain.tuning.cross_validation import CrossValidation, configured
from raytrain.tuning.fold_division import make_folds

X, Y = make_classification(60, 5, random_state=0)


def validation(scorers: dict[str, Any], *, estimator: Any = None, train: bool = False) -> CrossValidation:
    folds = make_folds(SVC(), X, Y, cv=KFold(3), groups=None)
    return CrossValidation(SVC() if estimator is None else estimator, X, Y, folds, scorers, train)


def test_scores_are_those_of_scikit_learn() -> None:
    names = ("accuracy", "roc_auc")
    judged = validation({name: get_scorer(name) for name in names}, train=True).judge({"C": 2.0})
    expected = cross_validate(SVC(C=2.0), X, Y, cv=KFold(3), scoring=names, return_train_score=True)
    for name in names:
        assert [fold.test[name] for fold in judged] == expected[f"test_{name}"].tolist()
        assert [fold.train[name] for fold in judged] == expected[f"train_{name}"].tolist()
    assert all(fold.fit_time_s > 0 and fold.score_time_s > 0 and not fold.reason for fold in judged)


def test_a_fit_that_fails_is_nan_with_its_reason() -> None:
    judged = validation({"accuracy": get_scorer("accuracy")}, train=True).judge({"C": -1.0})
    assert all(math.isnan(fold.test["accuracy"]) and math.isnan(fold.train["accuracy"]) for fold in judged)
    assert all(fold.reason.startswith("InvalidParameterError: The 'C' parameter of SVC") for fold in judged)


def test_a_scorer_that_fails_leaves_the_others_their_scores() -> None:
    scorers = {"accuracy": get_scorer("accuracy"), "log_loss": get_scorer("neg_log_loss")}
    for fold in validation(scorers).judge({}):
        assert fold.test["accuracy"] > 0.5
        assert math.isnan(fold.test["log_loss"])
        assert fold.reason.startswith("log_loss: AttributeError: ")


def test_neither_the_estimator_nor_the_parameters_are_trained() -> None:
    inner, outer = SVC(), {"C": 3.0}
    judge = validation({"accuracy": get_scorer("accuracy")}, estimator=inner)
    refitted = judge.refit(outer)
    assert judge.estimator is inner
    assert not hasattr(inner, "support_")
    assert inner.C == 1.0
    assert (refitted.C, len(refitted.predict(X))) == (3.0, 60)
    assert configured(inner, {"class_weight": {0: 1, 1: 2}}).class_weight == {0: 1, 1: 2}


def test_a_candidate_that_was_not_judged_has_a_score_for_every_fold() -> None:
    [first, *others] = validation({"accuracy": get_scorer("accuracy")}).unjudged("stopped")
    assert (math.isnan(first.test["accuracy"]), first.train, first.reason, len(others)) == (True, {}, "stopped", 2)


def test_a_score_that_is_no_number_is_a_failure() -> None:
    [fold, *_] = validation({"odd": lambda *_: "high"}).judge({})
    assert np.isnan(fold.test["odd"])
    assert "could not convert string to float" in fold.reason


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_no_score(interrupt: type[BaseException]) -> None:
    def interrupted(*_: object) -> float:
        raise interrupt

    with pytest.raises(interrupt):
        validation({"accuracy": interrupted}).judge({})
