from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from raytrain.classical.build import CLASSICAL, create_classical, find_classical
from raytrain.errors import ConfigError


def _clusters() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two rare classes beside a common one, in features of very different scale."""
    generator = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [300, 20, 20])
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    values = (centres[targets] + generator.standard_normal((len(targets), 2))) * [1e-3, 1e4]
    return values, targets


@pytest.mark.parametrize("name", CLASSICAL)
def test_learns_and_gives_probabilities(name: str) -> None:
    values, targets = _clusters()
    classifier = create_classical(name, seed=0)
    classifier.fit(values, targets)
    probabilities = classifier.predict_proba(values)
    assert probabilities.shape == (len(targets), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    recall = [np.mean(probabilities.argmax(axis=1)[targets == k] == k) for k in range(3)]
    assert min(recall) > 0.75


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_seed_decides(name: str) -> None:
    values, targets = _clusters()

    def probabilities(seed: int, threads: int) -> NDArray[np.float64]:
        classifier = create_classical(name, seed=seed, threads=threads)
        classifier.fit(values, targets)
        return classifier.predict_proba(values)

    first = probabilities(0, 1)
    np.testing.assert_allclose(first, probabilities(0, 2), atol=1e-12)
    assert np.array_equal(first, probabilities(1, 1)) == (name != "random_forest")


def test_rare_classes_weigh_as_much_as_common_ones() -> None:
    # identical distributions, 9:1: a balanced logistic regression is undecided, an unbalanced one says 0.9
    generator = np.random.default_rng(0)
    values = np.tile(generator.standard_normal((50, 2)), (10, 1))
    targets = np.repeat([0, 1], [450, 50])
    classifier = create_classical("logistic_regression", seed=0)
    classifier.fit(values, targets)
    np.testing.assert_allclose(classifier.predict_proba(values), 0.5, atol=1e-3)


def test_only_envelope_lines_are_used_where_the_name_says_so() -> None:
    model = find_classical("envelope_lines")
    assert model.uses("DE.envelope.mid.shaft.h1")
    assert not model.uses("DE.time.kurtosis")
    assert find_classical("random_forest").uses("DE.time.kurtosis")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="model 'randomforest'; did you mean 'random_forest'"):
        create_classical("randomforest", seed=0)


def test_importing_does_not_import_sklearn() -> None:
    code = "import sys, raytrain.classical.build; sys.exit(not {'sklearn', 'pandas'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
