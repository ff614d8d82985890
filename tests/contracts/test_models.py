"""What every model of the table keeps, at its default settings and with all of its regularisation."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.build import MODELS, create_model
from raytrain.models.classifier import Classifier, Inputs
from raytrain.models.ticnn import DisturbedConv1d

CLASSES = 5
CHANNELS = 2
CONDITIONS = 8

SIZES: dict[str, list[tuple[int, ...]]] = {
    "signal": [(2048,), (1024,), (2049,), (5000,)],
    "image": [(64, 48), (65, 33), (16, 200), (128, 129)],
}
"""Of a signal or image, after batch and channels; the first is the usual one."""
SHAPE_OF = {"signal": "signal", "image": "image", "views": "image", "signal_and_conditions": "signal"}
"""Input domain -> what its measured values are."""
DRAWING = (nn.Dropout, DisturbedConv1d)
"""The only layers that may draw random numbers: those that workers know how to share the draws of."""


def create(name: str, *, seed: int = 0, settings: dict[str, Any] | None = None) -> Classifier:
    torch.manual_seed(seed)
    return create_model(name, in_channels=CHANNELS, num_classes=CLASSES, settings=settings or {})


def usual_size(model: Classifier) -> tuple[int, ...]:
    return SIZES[SHAPE_OF[model.input_domain]][0]


def inputs(model: Classifier, *, batch: int = 3, size: tuple[int, ...] | None = None, seed: int = 1) -> Inputs:
    """Return what the model takes: signals or images of `size`, views of them, or signals with conditions."""
    generator = torch.Generator().manual_seed(seed)
    measured = torch.randn(batch, CHANNELS, *(size or usual_size(model)), generator=generator)
    if model.input_domain == "views":
        names: Mapping[str, float] = model.view_weights  # type: ignore[assignment]
        return {name: measured * (1 + number) for number, name in enumerate(names)}
    if model.input_domain == "signal_and_conditions":
        conditions = torch.randn(batch, CONDITIONS, generator=generator)
        conditions[:, 0] = 0.0025 * (1 + torch.rand(batch, generator=generator))  # shaft revolutions per sample
        conditions[:, CONDITIONS // 2 :] = 1.0  # all four are known
        return {"signal": measured, "conditions": conditions}
    return measured


def parts(given: Inputs) -> dict[str, Tensor]:
    return {"": given} if isinstance(given, Tensor) else dict(given)


def joined(tensors: Mapping[str, Tensor]) -> Inputs:
    return tensors[""] if set(tensors) == {""} else tensors


def smallest(model: Classifier) -> tuple[int, ...]:
    names = {"signal": ["minimum_length"], "image": ["minimum_frequencies", "minimum_times"]}
    size = tuple(getattr(model, name) for name in names[SHAPE_OF[model.input_domain]])
    assert all(isinstance(length, int) for length in size)
    return size


pytestmark = pytest.mark.parametrize("name", sorted(MODELS))


def test_name_is_the_class_name_in_lower_case(name: str) -> None:
    assert MODELS[name].__name__.lower() in (name.replace("_", ""), name.replace("_", "") + "net")


def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    parameters = list(inspect.signature(MODELS[name]).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["in_channels", "num_classes"]
    for parameter in parameters[2:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty


def test_scores_have_one_row_per_window_and_one_column_per_class(name: str) -> None:
    model = create(name)
    sizes = SIZES[SHAPE_OF[model.input_domain]] if model.any_length else [usual_size(model)]
    for size in sizes:
        for training in (True, False):
            scores = model.train(training)(inputs(model, size=size))
            assert scores.shape == (3, CLASSES)
            assert scores.dtype == torch.float32
            assert torch.isfinite(scores).all()


def test_a_length_rule_is_told_where_the_length_is_not_free(name: str) -> None:
    assert MODELS[name].any_length or MODELS[name].length_rule


def test_the_embedding_is_what_the_classifier_scores(name: str) -> None:
    model = create(name, settings={"dropout": 0.5}).eval()
    batch = inputs(model)
    said = model(batch, detailed=True)
    assert said.embedding.shape[0] == 3
    assert said.embedding.ndim == 2
    assert torch.equal(model.classifier(said.embedding), said.scores)
    assert torch.equal(model(batch), said.scores)
    assert torch.equal(model.embed(batch), said.embedding)


def test_gradients_of_the_embedding_reach_all_that_lies_before_the_classifier(name: str) -> None:
    model = create(name).eval()
    embedding = model(inputs(model), detailed=True).embedding
    embedding.square().sum().backward()
    reached = {key for key, value in model.named_parameters() if value.grad is not None}
    assert reached == {key for key, _ in model.named_parameters() if not key.startswith("classifier.")}


def test_takes_inputs_of_the_minimum_size_and_refuses_smaller_ones(name: str) -> None:
    model = create(name)
    size = smallest(model)
    assert model(inputs(model, size=size)).shape == (3, CLASSES)
    for axis, shortest in enumerate(size):
        smaller = (*size[:axis], shortest - 1, *size[axis + 1 :])
        message = rf"{shortest - 1} (samples|frequencies|times).* too (short|small).*at least .*{shortest}"
        with pytest.raises(ConfigError, match=message):
            model(inputs(model, size=smaller))


def test_refuses_other_channels_and_dimensions_of_each_part(name: str) -> None:
    model = create(name)
    given = parts(inputs(model))
    for part, tensor in given.items():
        for wrong in (torch.cat([tensor, tensor], dim=1), tensor.flatten(1)[:, 0], tensor[..., None]):
            with pytest.raises(ConfigError, match=r"takes .*\[batch, \d.*\], got \[3"):
                model(joined({**given, part: wrong}))


def test_refuses_missing_and_unknown_parts_by_name(name: str) -> None:
    model = create(name)
    given = parts(inputs(model))
    if set(given) == {""}:
        return
    first = next(iter(given))
    for wrong in ({key: value for key, value in given.items() if key != first}, {**given, "other": given[first]}):
        with pytest.raises(ConfigError, match=first):
            model(wrong)
    with pytest.raises(ConfigError, match=first):
        model(given[first])


def test_gradients_reach_every_parameter(name: str) -> None:
    # In evaluation mode, because a batch's own normalisation cancels the bias of the layer before it.
    model = create(name).eval()
    loss = nn.functional.cross_entropy(model(inputs(model, batch=8)), torch.arange(8) % CLASSES)
    torch.autograd.backward(loss)
    silent = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert silent == []


def test_training_uses_every_parameter(name: str) -> None:
    """What DistributedDataParallel asks for: a gradient for each parameter in every training step."""
    model = create(name, settings={"dropout": 0.5}).train()
    model(inputs(model)).square().sum().backward()
    assert [key for key, value in model.named_parameters() if value.grad is None] == []


def test_gradients_reach_every_value_of_the_input(name: str) -> None:
    model = create(name).eval()
    given = {part: tensor.requires_grad_() for part, tensor in parts(inputs(model)).items()}
    model(joined(given)).square().sum().backward()
    for tensor in given.values():
        assert tensor.grad is not None
        assert (tensor.grad != 0).any(dim=0).float().mean() > 0.95


def test_the_gradient_is_the_slope_of_the_scores(name: str) -> None:
    """Against a central difference in float64, which also shows that nothing inside is rounded to float32."""
    model = create(name).double().eval()
    batch = joined({part: tensor.double() for part, tensor in parts(inputs(model)).items()})
    generator = torch.Generator().manual_seed(2)
    parameters = list(model.parameters())
    directions = [torch.randn(one.shape, dtype=one.dtype, generator=generator) for one in parameters]

    def output() -> Tensor:
        scores: Tensor = model(batch)
        assert scores.dtype == torch.float64
        return scores.square().mean()

    slopes = torch.autograd.grad(output(), parameters)
    slope = sum(float((one * direction).sum()) for one, direction in zip(slopes, directions, strict=True))
    values = []
    with torch.no_grad():
        for step in (1e-9, -2e-9):
            for one, direction in zip(parameters, directions, strict=True):
                one.add_(direction, alpha=step)
            values.append(float(output()))
    assert (values[0] - values[1]) / 2e-9 == pytest.approx(slope, rel=1e-4)


def test_scores_in_float64_are_those_in_float32(name: str) -> None:
    model = create(name).eval()
    batch = inputs(model)
    exact = create(name).double().eval()(joined({part: one.double() for part, one in parts(batch).items()}))
    torch.testing.assert_close(model(batch).double(), exact, atol=1e-4, rtol=1e-3)


def test_trains_under_bfloat16_autocast(name: str) -> None:
    model = create(name).eval()
    batch = inputs(model)
    exact = model(batch).detach()
    with torch.autocast("cpu", torch.bfloat16):
        scores = model(batch)
    assert float((scores.detach().float() - exact).norm() / exact.norm()) < 0.1
    scores.float().square().sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in model.parameters())
    assert {one.grad.dtype for one in model.parameters() if one.grad is not None} == {torch.float32}


def test_windows_do_not_influence_each_other_in_evaluation(name: str) -> None:
    model = create(name).eval()
    given = inputs(model, batch=4)
    alone = [model(joined({part: tensor[[row]] for part, tensor in parts(given).items()})) for row in range(4)]
    torch.testing.assert_close(model(given), torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_scores_depend_on_every_part_of_the_input(name: str) -> None:
    model = create(name).eval()
    given, other = parts(inputs(model)), parts(inputs(model, seed=2))
    scores = model(joined(given))
    assert not torch.allclose(scores[0], scores[1])
    for part in given:
        assert not torch.allclose(scores, model(joined({**given, part: other[part]})))


def test_the_seed_decides_the_weights(name: str) -> None:
    first, again, other = (create(name, seed=seed).eval() for seed in (3, 3, 4))
    batch = inputs(first)
    assert torch.equal(first(batch), again(batch))
    assert not torch.equal(first(batch), other(batch))


def test_dropout_repeats_under_a_seed_and_rests_in_evaluation(name: str) -> None:
    model = create(name, settings={"dropout": 0.5})
    batch = inputs(model)

    def scores(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(batch).detach()  # type: ignore[no-any-return]

    assert torch.equal(scores(0), scores(0))
    assert not torch.equal(scores(0), scores(1))
    model.eval()
    assert torch.equal(scores(0), scores(1))


def test_only_layers_that_can_be_shared_between_workers_draw(name: str) -> None:
    model = create(name, settings={"dropout": 0.5}).train()
    for layer in model.modules():
        if isinstance(layer, DRAWING):
            layer.eval()
    batch, before = inputs(model), torch.get_rng_state()
    model(batch)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_leaves_no_trace(name: str) -> None:
    model = create(name, settings={"dropout": 0.5}).eval()
    given = inputs(model)
    copies = {part: tensor.clone() for part, tensor in parts(given).items()}
    before = {key: value.clone() for key, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    assert torch.equal(model(given), model(given))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(torch.equal(tensor, copies[part]) for part, tensor in parts(given).items())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_state_round_trip_is_exact(name: str) -> None:
    model, other = create(name, seed=0), create(name, seed=1)
    model(inputs(model))  # moves the running statistics, which belong to the state
    other.load_state_dict(model.state_dict())
    batch = inputs(model, batch=5)
    assert torch.equal(model.eval()(batch), other.eval()(batch))


def test_a_batch_of_one_can_be_trained_on(name: str) -> None:
    model = create(name)
    model(inputs(model, batch=1, size=smallest(model))).sum().backward()
