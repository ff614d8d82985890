"""Numeric precision of the forward pass: float32, bfloat16 autocast, or float16 autocast with loss scaling."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from raytrain.errors import ConfigError

__all__ = ["Precision", "best_precision", "choose_device"]


def choose_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device asked for; `auto` is the current CUDA device where there is one, else the CPU.

    Raises:
        ConfigError: CUDA is asked for and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda asks for a GPU and this process sees none; use device: cpu or auto")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def best_precision(device: torch.device) -> Literal["bf16", "fp16"]:
    """Return the 16-bit format the device has, bfloat16 before float16: it has float32's range and needs no scaling."""
    return "fp16" if device.type == "cuda" and not torch.cuda.is_bf16_supported() else "bf16"


class Precision:
    """Autocast context and gradient scaler of one run on one device.

    Raises:
        ConfigError: The device lacks the precision; nothing is replaced by something else.
    """

    def __init__(self, name: Literal["fp32", "bf16", "fp16"], device: torch.device) -> None:
        if name == "fp16" and device.type == "cpu":
            raise ConfigError("precision: fp16 needs a CUDA device; on a CPU use fp32 (bf16 works but is slower)")
        if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise ConfigError(
                f"precision: bf16 is not supported by {torch.cuda.get_device_name(device)}; use fp16 or fp32"
            )
        self.name = name
        self._device_type = device.type
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name)
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context the forward pass runs in."""
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._device_type, dtype=self._dtype)
