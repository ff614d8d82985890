from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raytrain.config.schema import TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning import api, continuation

SPACE: dict[str, Any] = {
    "name": "trying",
    "fixed": {"model": {"name": "cnn1d", "depth": 2}},
    "parameters": {"optimizer.lr": {"type": "loguniform", "low": 0.001, "high": 0.1}},
}


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SpaceConfig, dict[str, Any]]]:
    """What would have been run; nothing is."""
    ran: list[tuple[SpaceConfig, dict[str, Any]]] = []
    monkeypatch.setattr(api, "run_sweep", lambda space, **options: ran.append((space, options)))
    return ran


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainConfig, dict[str, Any]]]:
    ran: list[tuple[TrainConfig, dict[str, Any]]] = []
    monkeypatch.setattr(api, "run_training", lambda config, **options: ran.append((config, options)))
    return ran


def test_tune_takes_a_file_a_name_a_mapping_or_an_object(
    sweeps: list[tuple[SpaceConfig, dict[str, Any]]], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: trying\nfixed: {model: {name: cnn1d, depth: 2}}\n"
        "parameters: {optimizer.lr: {type: loguniform, low: 1e-3, high: 0.1}}\n",
        encoding="utf-8",
    )
    for space in (SPACE, SpaceConfig.model_validate(SPACE), file, str(file), "quick"):
        api.tune(space)
    assert [space.name for space, _ in sweeps] == ["trying"] * 4 + ["quick"]
    assert all(space == sweeps[0][0] for space, _ in sweeps[:4])


def test_tune_overrides_and_passes_on(sweeps: list[tuple[SpaceConfig, dict[str, Any]]], tmp_path: Path) -> None:
    api.tune(SPACE, overrides={"search.trials": 3, "fixed.epochs": 2}, name="me", runs_dir=tmp_path, address="h:1")
    ((space, options),) = sweeps
    assert (space.search.trials, space.fixed.epochs) == (3, 2)
    assert space.fixed.model.settings == {"depth": 2}
    assert (options["runs_dir"], options["name"], options["address"]) == (tmp_path, "me", "h:1")
    assert (options["resume"], options["warm_start"], options["storage"]) == (None, [], None)
    assert "search" not in SPACE


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The folder of a sweep that began."""
    continuation.save_space(tmp_path, SpaceConfig.model_validate(SPACE))
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    return tmp_path


def test_tune_goes_on_with_a_sweep(sweeps: list[tuple[SpaceConfig, dict[str, Any]]], begun: Path) -> None:
    api.tune(resume=begun)
    api.tune(resume=str(begun), overrides={"search.retries": 7})
    api.tune(SPACE, resume=api.Continuation(begun, extend=3, force=True), warm_start=["a", begun], storage="sqlite")
    (plain, first), (retried, _), (_, last) = sweeps
    assert (plain, plain.search.retries, retried.search.retries) == (SpaceConfig.model_validate(SPACE), 2, 7)
    assert first["resume"] == api.Continuation(begun)
    assert last["resume"] == api.Continuation(begun, extend=3, force=True)
    assert (last["warm_start"], last["storage"]) == ([Path("a"), begun], "sqlite")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "mine"}, "--name mine: a resumed sweep keeps its name and folder"),
        ({"overrides": {"search.trials": 9}}, "--trials: a resumed sweep keeps its trials; add to them with --extend"),
        ({"overrides": {"search.trialz": 9}}, "search.trialz: unknown field; did you mean 'trials'"),
    ],
)
def test_tune_refuses_what_no_resumed_sweep_can_be_asked(
    asked: dict[str, Any], message: str, sweeps: list[tuple[SpaceConfig, dict[str, Any]]], begun: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        api.tune(resume=begun, **asked)
    assert message in str(refused.value)
    assert sweeps == []


def test_tune_needs_a_space_or_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give the search space of a new sweep, or --resume"):
        api.tune()
    with pytest.raises(ConfigError, match="no sweep began there"):
        api.tune(resume=tmp_path)


def test_tune_refuses_a_broken_space_before_anything_runs(
    sweeps: list[tuple[SpaceConfig, dict[str, Any]]],
) -> None:
    with pytest.raises(ConfigError, match=r"search space 'trying': 1 problem\n  model\.depht: .*'depth'"):
        api.tune(SPACE | {"fixed": {"model": {"name": "cnn1d", "depht": 2}}})
    assert sweeps == []


def test_train_takes_a_file_a_mapping_or_an_object(
    runs: list[tuple[TrainConfig, dict[str, Any]]], tmp_path: Path
) -> None:
    settings = {"epochs": 3, "model": {"name": "cnn1d", "depth": 2}}
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 3\nmodel: {name: cnn1d, depth: 2}\n", encoding="utf-8")
    for config in (settings, TrainConfig.model_validate(settings), file, str(file)):
        api.train(config, overrides={"optimizer.lr": 0.5}, workers=2, runs_dir=tmp_path)
    expected = TrainConfig.model_validate(settings | {"optimizer": {"lr": 0.5}})
    assert [config for config, _ in runs] == [expected] * 4
    assert runs[0][1] == {"workers": 2, "runs_dir": tmp_path, "name": None, "resume": None, "address": None}


def test_train_takes_the_fixed_part_of_a_shipped_space(runs: list[tuple[TrainConfig, dict[str, Any]]]) -> None:
    api.train("pinn", overrides={"paradigm.lambda_freq": 0.5})
    ((config, _),) = runs
    assert (config.paradigm.name, config.physics.settings["lambda_freq"], config.model.name) == ("pinn", 0.5, "wdcnn")
    with pytest.raises(ConfigError, match="search space 'pin': neither a file nor a shipped one; did you mean 'pinn'"):
        api.train("pin")


def test_train_goes_on_with_a_run(runs: list[tuple[TrainConfig, dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("epochs: 3\n", encoding="utf-8")
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    api.train(resume=tmp_path, workers=2)
    ((config, options),) = runs
    assert (config.epochs, options["resume"], options["workers"]) == (3, tmp_path, 2)
    with pytest.raises(ConfigError, match="got neither"):
        api.train()


def test_train_names_what_is_wrong(runs: list[tuple[TrainConfig, dict[str, Any]]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"configuration: 1 problem\n  epoch: unknown field; did you mean 'epochs'"):
        api.train({"epoch": 3})
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 0\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml: 1 problem\n  epochs: .*greater than or equal to 1"):
        api.train(file)
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        api.train(tmp_path / "absent.yaml")
    assert runs == []


def test_find_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.find_space("quick").name == api.find_space("quick.yaml").name == "quick.yaml"
    own = tmp_path / "quick.yaml"
    own.write_text("name: mine\n", encoding="utf-8")
    assert api.find_space(own) == own
    monkeypatch.chdir(tmp_path)
    assert api.find_space("quick.yaml") == Path("quick.yaml")  # one's own file comes before the shipped one


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("quik", r"search space 'quik': neither a file nor a shipped one; did you mean 'quick'\?"),
        ("quik.yaml", r"search space quik\.yaml: no such file; shipped ones: .*quick"),
        ("spaces/quick.yaml", r"search space spaces/quick\.yaml: no such file; shipped ones: .*quick"),
        ("spaces/quick", r"search space spaces/quick: no such file; shipped ones: .*quick"),
    ],
)
def test_find_space_tells_what_there_is(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        api.find_space(name)
