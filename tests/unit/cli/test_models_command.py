from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from raytrain.cli.main import app
from raytrain.cli.model_facts import describe, example_inputs
from raytrain.cli.model_tables import print_model, print_models
from raytrain.config.parts import settings_of
from raytrain.errors import ConfigError
from raytrain.models.build import MODELS, create_model


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["models", *arguments])
    if isinstance(result.exception, ConfigError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def listed() -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = json.loads(printed("--json", "--channels", "2", "--classes", "4"))
    return facts


def test_every_model_is_told_with_its_size(listed: list[dict[str, Any]]) -> None:
    assert [facts["name"] for facts in listed] == sorted(MODELS)
    for facts in listed:
        model = create_model(facts["name"], in_channels=2, num_classes=4, settings={})
        assert facts["parameters"] == sum(parameter.numel() for parameter in model.parameters())
        assert facts["input_domain"] == model.input_domain
        assert facts["any_length"] is model.any_length
        assert facts["problem"] is None
        # Each weight is used once at least, except gains, biases and embeddings, which are the smaller part.
        assert facts["flops"] > facts["parameters"]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_inputs_told_are_what_the_model_takes(name: str) -> None:
    model = create_model(name, in_channels=2, num_classes=4, settings={}).eval()
    assert model(example_inputs(model, channels=2, length=2048)).shape == (1, 4)


def test_the_heads_of_the_views_are_counted_although_their_container_is_not_called(
    described: dict[str, dict[str, Any]],
) -> None:
    layers = {layer["layer"]: layer for layer in described["multi_view"]["layers"]}
    assert layers["classifier"]["flops"] == 3 * 2 * 64 * 10
    assert layers["features.cwt"]["made_of"] == "4 (Conv2d, BatchNorm2d, ReLU, MaxPool2d)"


def test_operations_of_wdcnn_are_as_counted_by_hand() -> None:
    facts = describe("wdcnn", length=2048, channels=1, classes=10, layers=True)
    blocks = [(1, 16, 64, 128), (16, 32, 3, 64), (32, 64, 3, 32), (64, 64, 3, 16), (64, 64, 3, 6)]
    expected = [2 * before * after * kernel * positions for before, after, kernel, positions in blocks]
    assert [layer["flops"] for layer in facts["layers"]] == [*expected, 0, 0, 2 * 192 * 100 + 2 * 100 * 10]
    assert [layer["output"] for layer in facts["layers"]] == [
        [16, 64],
        [32, 32],
        [64, 16],
        [64, 8],
        [64, 3],
        [64, 3],
        [192],
        [10],
    ]
    assert facts["minimum"] == {"samples": 1024}


@pytest.fixture(scope="module")
def described() -> dict[str, dict[str, Any]]:
    return {name: describe(name, length=2048, channels=1, classes=10, layers=True) for name in sorted(MODELS)}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_layers_add_up_to_the_model(name: str, described: dict[str, dict[str, Any]]) -> None:
    facts = described[name]
    layers = facts["layers"]
    assert len({layer["layer"] for layer in layers}) == len(layers)
    # What a model computes or holds outside any layer of its own (a Fourier transform, a class token) is the rest.
    assert 0.9 * facts["parameters"] <= sum(layer["parameters"] for layer in layers) <= facts["parameters"]
    assert 0.8 * facts["flops"] < sum(layer["flops"] for layer in layers) <= facts["flops"]
    assert set(facts["settings"]) == set(settings_of(MODELS[name]))


def test_a_window_that_is_too_short_is_told_and_the_others_are_counted() -> None:
    facts = {one["name"]: one for one in json.loads(printed("--json", "--length", "1000"))}
    assert facts["wdcnn"]["flops"] is None
    assert "at least 1024" in facts["wdcnn"]["problem"]
    assert facts["cnn1d"]["flops"] > 0
    [line] = [line for line in printed("--length", "1000").splitlines() if line.split()[:1] == ["wdcnn"]]
    assert "too short" in line


@pytest.mark.parametrize("name", ["ticnn", "multi_view"])
def test_one_model_is_shown_with_layers_settings_and_totals(name: str) -> None:
    text = printed(name, "--length", "4096")
    facts = describe(name, length=4096, channels=1, classes=10, layers=True)
    first_words = {line.split()[0] for line in text.splitlines() if line.strip()}
    assert {layer["layer"] for layer in facts["layers"]} <= first_words
    for setting in facts["settings"]:
        assert setting in text
    assert "window of 4096 samples, 1 channel" in text
    assert f"{facts['parameters']:,}".replace(",", " ") in text


def test_one_model_on_too_short_a_window_says_what_it_needs() -> None:
    assert "No layers to show: windows of 100 samples are too short" in printed("ticnn", "--length", "100")


def test_an_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no model 'resnet'; did you mean 'resnet"):
        printed("resnet")


@pytest.mark.parametrize("name", [None, *sorted(MODELS)])
def test_tables_fit_a_terminal_of_100_columns(name: str | None, described: dict[str, dict[str, Any]]) -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, markup=False, highlight=False, soft_wrap=True)
    if name is None:
        print_models(console, list(described.values()))
    else:
        print_model(console, described[name])
    rules = [line for line in file.getvalue().splitlines() if "───" in line]
    assert rules
    assert max(map(len, rules)) <= 100
    assert "…" not in file.getvalue()
