"""One rank; test_data_parallel.py and tests/ray have two."""

from __future__ import annotations

import os
import socket

import pytest
import ray
import torch
import torch.distributed as dist

from raytrain.collective import rank, world_size
from raytrain.distributed.process_group import free_address, join, leave


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")


def test_a_free_address_is_this_node_and_can_be_listened_on() -> None:
    host, port = free_address().split(":")
    assert host == "127.0.0.1"
    with socket.create_server((host, int(port))):
        pass


def test_a_rank_joins_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    join(free_address(), rank=0, world_size=1)
    try:
        assert (dist.get_backend(), rank(), world_size()) == ("gloo", 0, 1)
        assert os.environ["GLOO_SOCKET_IFNAME"].startswith("lo")
    finally:
        leave()
    assert not dist.is_initialized()
    leave()  # of no group is nothing


@pytest.mark.parametrize(("gpu", "backend"), [(True, "nccl"), (False, "gloo")])
def test_the_backend_follows_from_the_gpu(monkeypatch: pytest.MonkeyPatch, gpu: bool, backend: str) -> None:
    calls: list[tuple[str, str, int]] = []

    def record(name: str, *, init_method: str, rank: int, **_: object) -> None:
        calls.append((name, init_method, rank))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(dist, "init_process_group", record)
    join("10.0.0.1:1234", rank=1, world_size=2)
    assert calls == [(backend, "tcp://10.0.0.1:1234", 1)]
    assert ("GLOO_SOCKET_IFNAME" in os.environ) == (backend == "gloo")


def test_an_interface_the_user_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: None)
    join("10.0.0.1:1234", rank=0, world_size=2)
    assert os.environ["GLOO_SOCKET_IFNAME"] == "ib0"


def test_an_address_of_no_interface_leaves_the_choice_to_gloo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "203.0.113.7")
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    join("10.0.0.1:1234", rank=0, world_size=2)
    assert "GLOO_SOCKET_IFNAME" not in os.environ
