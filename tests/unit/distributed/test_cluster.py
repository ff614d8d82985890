"""What needs no cluster; tests/ray has the rest."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from raytrain.distributed.cluster import Cluster, connect
from raytrain.errors import ConfigError


def cluster(cpus: float, gpus: float = 0.0) -> Cluster:
    return Cluster(cpus=cpus, gpus=gpus, address="127.0.0.1:6379", nodes=1)


@pytest.mark.parametrize(
    ("have", "bundle", "workers", "concurrent"),
    [
        (cluster(8), {"CPU": 1}, 1, 8),
        (cluster(8), {"CPU": 1}, 3, 2),
        (cluster(8), {"CPU": 3}, 1, 2),
        (cluster(8), {"CPU": 8}, 1, 1),
        (cluster(0.3), {"CPU": 0.1}, 1, 3),
        (cluster(0.3), {"CPU": 0.1}, 3, 1),
        (cluster(16, 2), {"CPU": 2, "GPU": 1}, 1, 2),
        (cluster(2, 8), {"CPU": 1, "GPU": 0.25}, 2, 1),
        (cluster(16, 2), {"CPU": 1, "GPU": 0.25}, 1, 8),
        (cluster(4, 0), {"CPU": 1, "GPU": 0}, 1, 4),
    ],
)
def test_guarantee_02_as_many_trials_run_at_once_as_fit(
    have: Cluster, bundle: dict[str, float], workers: int, concurrent: int
) -> None:
    assert have.concurrent(bundle, workers) == concurrent


@pytest.mark.parametrize(
    ("have", "bundle", "workers", "message"),
    [
        (
            cluster(2),
            {"CPU": 1},
            3,
            "one trial asks for 3 CPUs (3 workers), the cluster has 2 CPUs and 0 GPUs; ask for fewer workers",
        ),
        (cluster(8, 1), {"CPU": 1, "GPU": 1}, 2, "one trial asks for 2 CPUs and 2 GPUs (2 workers), "),
        (cluster(8), {"CPU": 1, "GPU": 0.5}, 1, "one trial asks for 1 CPUs and 0.5 GPUs (1 workers), "),
        (cluster(8), {"CPU": 1, "TPU": 1}, 1, "one trial asks for 1 CPUs and 1 TPUs (1 workers), "),
    ],
)
def test_guarantee_02_a_trial_that_never_fits_is_refused(
    have: Cluster, bundle: dict[str, float], workers: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        have.concurrent(bundle, workers)
    assert str(caught.value).startswith(message)


class FakeRay:
    """Takes the place of what `connect` calls in Ray, and writes it down."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.initialised = False
        self.error: Exception | None = None

    def init(self, **options: object) -> None:
        self.calls.append(("init", options))
        if self.error is not None:
            raise self.error

    def shutdown(self) -> None:
        self.calls.append(("shutdown", {}))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    made = FakeRay()
    context = SimpleNamespace(gcs_address="10.0.0.1:6379")
    monkeypatch.setattr(ray, "init", made.init)
    monkeypatch.setattr(ray, "shutdown", made.shutdown)
    monkeypatch.setattr(ray, "is_initialized", lambda: made.initialised)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "memory": 1e9})
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}, {"Alive": False}, {"Alive": True}])
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"})
    return made


@pytest.fixture
def listening() -> Iterator[str]:
    """The address of a port that something listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_without_an_address_a_local_cluster_lives_as_long_as_the_command(fake: FakeRay) -> None:
    with connect(cpus=3) as have:
        assert have == Cluster(cpus=4.0, gpus=0.0, address="10.0.0.1:6379", nodes=2)
        assert fake.names == ["init"]
    assert fake.names == ["init", "shutdown"]
    options = fake.calls[0][1]
    assert (options["address"], options["num_cpus"], options["include_dashboard"]) == ("local", 3, False)


def test_it_is_also_shut_down_after_an_error(fake: FakeRay) -> None:
    with pytest.raises(ZeroDivisionError), connect():
        raise ZeroDivisionError
    assert fake.names == ["init", "shutdown"]


def test_a_connection_the_process_has_is_kept(fake: FakeRay) -> None:
    fake.initialised = True
    with connect("nowhere") as have:
        assert have.cpus == 4.0
    assert fake.calls == []


@pytest.mark.parametrize("by_variable", [True, False])
def test_an_address_is_connected_to_and_left(fake: FakeRay, listening: str, by_variable: bool) -> None:
    if by_variable:
        os.environ["RAY_ADDRESS"] = listening
    with connect(None if by_variable else listening):
        pass
    assert fake.names == ["init", "shutdown"]
    options = fake.calls[0][1]
    assert options["address"] == listening
    assert "num_cpus" not in options
    assert options["runtime_env"]["env_vars"]["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "0"


def test_a_setting_of_the_environment_is_not_overridden(fake: FakeRay) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "1"
    with connect():
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
        assert os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "0"


def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_an_address_where_nothing_listens_is_told_at_once(fake: FakeRay) -> None:
    address = f"127.0.0.1:{closed_port()}"
    with pytest.raises(ConfigError) as caught, connect(address):
        pass
    assert str(caught.value).startswith(f"--address {address}: nothing answers there (")
    assert str(caught.value).endswith("); start one with `ray start --head`, or leave --address out for a local one")
    assert fake.calls == []


def test_something_that_listens_and_is_no_cluster_is_told(fake: FakeRay, listening: str) -> None:
    fake.error = ConnectionError("no GCS")
    with (
        pytest.raises(ConfigError, match=r": no Ray cluster answers \(no GCS\); start one with `ray start"),
        connect(listening),
    ):
        pass
    assert fake.names == ["init"]


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost:", ":6379", "host:port", "a:b:c"])
def test_what_is_no_address_is_told_with_an_example(fake: FakeRay, address: str) -> None:
    with pytest.raises(ConfigError) as caught, connect(address):
        pass
    assert str(caught.value) == f"--address {address}: expected host:port, for example 127.0.0.1:6379"
    assert fake.calls == []


def test_a_ray_client_is_refused_with_what_works(fake: FakeRay) -> None:
    message = r"must run on a node of the cluster; use host:6379 there, or submit it with `ray job submit`$"
    with pytest.raises(ConfigError, match=message), connect("ray://head:10001"):
        pass
    assert fake.calls == []
