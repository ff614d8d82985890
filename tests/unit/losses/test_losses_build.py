"""What every loss of the table keeps."""

from __future__ import annotations

import inspect

import pytest
import torch

from raytrain.errors import ConfigError
from raytrain.losses.build import LOSSES, create_criterion

TARGETS = torch.tensor([0, 0, 1, 2, 2, 2])


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_is_a_scalar_that_falls_as_the_right_scores_rise(name: str) -> None:
    criterion = create_criterion(name, settings={}, targets=TARGETS, num_classes=3)
    right = torch.nn.functional.one_hot(TARGETS, 3).float()
    losses = [criterion(scale * right, TARGETS) for scale in (-1.0, 0.0, 1.0, 3.0)]
    assert [loss.shape for loss in losses] == [torch.Size([])] * 4
    values = [loss.item() for loss in losses]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_is_a_mean_over_samples(name: str) -> None:
    criterion = create_criterion(name, settings={}, targets=TARGETS, num_classes=3)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    once, twice = criterion(logits, TARGETS), criterion(logits.repeat(2, 1), TARGETS.repeat(2))
    torch.testing.assert_close(once, twice)
    single = torch.stack([criterion(logits[i : i + 1], TARGETS[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(single.mean(), once)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    parameters = list(inspect.signature(LOSSES[name]).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["targets", "num_classes"]
    for parameter in parameters[2:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty


def test_settings_reach_the_loss() -> None:
    criterion = create_criterion(
        "cross_entropy",
        settings={"smoothing": 0.5, "class_weights": "none"},
        targets=TARGETS,
        num_classes=3,
    )
    logits = torch.tensor([[2.0, 0.0, 0.0]])
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0]), label_smoothing=0.5)
    torch.testing.assert_close(criterion(logits, torch.tensor([0])), expected)


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"loss.name: there is no loss 'crossentropy'; did you mean 'cross_entropy'\?"
    ):
        create_criterion("crossentropy", settings={}, targets=TARGETS, num_classes=3)
