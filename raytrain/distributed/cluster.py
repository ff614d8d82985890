"""Connect to a Ray cluster, or start one for the length of a command, and know what it can give."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from raytrain.errors import ConfigError

__all__ = ["Cluster", "connect"]

_ANSWER_TIMEOUT_S = 5.0

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that cannot be trained ends without the metric
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a connected cluster offers.

    Attributes:
        cpus: CPUs over all nodes.
        gpus: GPUs over all nodes.
        address: Where it answers.
        nodes: Machines it has.
    """

    cpus: float
    gpus: float
    address: str
    nodes: int

    def concurrent(self, bundle: Mapping[str, float], workers: int) -> int:
        """Return how many trials of `workers` bundles run at once.

        Raises:
            ConfigError: Not even one does; the message says what there is.
        """
        have = {"CPU": self.cpus, "GPU": self.gpus}
        possible = [int(have.get(kind, 0) / (amount * workers) + 1e-9) for kind, amount in bundle.items() if amount > 0]
        if min(possible) < 1:
            wanted = " and ".join(f"{amount * workers:g} {kind}s" for kind, amount in bundle.items() if amount > 0)
            raise ConfigError(
                f"one trial asks for {wanted} ({workers} workers), the cluster has {self.cpus:g} CPUs and "
                f"{self.gpus:g} GPUs; ask for fewer workers, or connect to a larger cluster with --address"
            )
        return min(possible)


@contextmanager
def connect(address: str | None = None, *, cpus: int | None = None) -> Iterator[Cluster]:
    """Connect to the cluster at `address` (or `RAY_ADDRESS`, as inside a submitted job), else start a local one.

    A cluster that was started here is shut down at the end; one that was there is only left. A process that has
    initialised Ray itself keeps its connection.

    Raises:
        ConfigError: Nothing answers at the address.
    """
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    if ray.is_initialized():
        yield _described()
        return
    if address is None:
        address = os.environ.get("RAY_ADDRESS") or None
    if address is not None:
        _check_answers(address)
    common = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    try:
        if address is None:
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, **common)
        else:
            ray.init(address=address, runtime_env={"env_vars": _QUIET}, **common)
    except ConnectionError as error:
        raise ConfigError(f"--address {address}: no Ray cluster answers ({error}); {_ADVICE}") from error
    for library in ("ray.tune", "ray.train"):  # raytrain tells the errors of trials and workers itself
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        yield _described()
    finally:
        ray.shutdown()


_ADVICE = "start one with `ray start --head`, or leave --address out for a local one"


def _described() -> Cluster:
    resources = ray.cluster_resources()
    return Cluster(
        cpus=resources.get("CPU", 0.0),
        gpus=resources.get("GPU", 0.0),
        address=ray.get_runtime_context().gcs_address,
        nodes=sum(node["Alive"] for node in ray.nodes()),
    )


def _check_answers(address: str) -> None:
    """Fail within seconds where Ray itself would try for minutes."""
    if address in ("auto", "local"):
        return
    if address.startswith("ray://"):
        raise ConfigError(
            f"--address {address}: a sweep's driver must run on a node of the cluster; "
            "use host:6379 there, or submit it with `ray job submit`"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"--address {address}: expected host:port, for example 127.0.0.1:6379")
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER_TIMEOUT_S):
            pass
    except OSError as error:
        raise ConfigError(f"--address {address}: nothing answers there ({error}); {_ADVICE}") from error
