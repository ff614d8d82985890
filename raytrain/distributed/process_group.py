"""Join and leave a torch process group over any network the ranks share."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

import psutil
import ray
import torch
import torch.distributed as dist

__all__ = ["free_address", "join", "leave"]

_TIMEOUT = timedelta(minutes=10)


def free_address() -> str:
    """Return `host:port` on this node that other nodes can reach and nothing listens on."""
    host = ray.util.get_node_ip_address()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return f"{host}:{probe.getsockname()[1]}"


def join(address: str, *, rank: int, world_size: int) -> None:
    """Initialise the process group, with NCCL where this process sees a GPU and gloo elsewhere.

    gloo listens on the interface that Ray uses on this node; left alone it may pick the loopback interface, which
    ranks on other nodes cannot reach.
    """
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    interface = _interface(ray.util.get_node_ip_address())
    if backend == "gloo" and interface is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    dist.init_process_group(backend, init_method=f"tcp://{address}", rank=rank, world_size=world_size, timeout=_TIMEOUT)


def leave() -> None:
    """Destroy the process group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _interface(ip: str) -> str | None:
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == ip for address in addresses):
            return name
    return None
