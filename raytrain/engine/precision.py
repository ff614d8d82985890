"""Numeric precision of a run: float32, TF32 products, bfloat16 autocast, or float16 autocast with loss scaling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch

from raytrain.errors import ConfigError, nearest

__all__ = ["SCALING", "Precision", "best_precision", "choose_device"]


SCALING = ("init_scale", "growth_factor", "backoff_factor", "growth_interval")
"""What can be set of loss scaling, by torch's names."""

_TF32_CAPABILITY = (8, 0)  # NVIDIA Ampere


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
    """Autocast context, gradient scaler and TF32 switch of one run on one device.

    With `fp16` the loss is scaled so that small gradients survive, and a step whose gradients are infinite or NaN is
    skipped and lowers the scale (P. Micikevicius et al., "Mixed precision training", ICLR 2018). `bf16` has the range
    of float32 and `fp32` needs none of it: neither scales.

    >>> precision = Precision("bf16", torch.device("cpu"))
    >>> with precision.active(), precision.autocast():
    ...     torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype, precision.scaler.is_enabled()
    (torch.bfloat16, False)

    Args:
        name: Of the forward pass.
        device: Where the run is.
        scaling: Settings of torch's `GradScaler`, by the names in `SCALING`; torch's own where absent. Only `fp16`
            scales.
        tf32: Whether float32 matrix products and convolutions may round their factors to 10 bits of mantissa.

    Raises:
        ConfigError: The device lacks the precision (nothing is replaced by something else), or loss scaling has no
            such setting.
    """

    def __init__(
        self,
        name: Literal["fp32", "bf16", "fp16"],
        device: torch.device,
        *,
        scaling: Mapping[str, float] | None = None,
        tf32: bool = False,
    ) -> None:
        _check_device(name, device)
        if tf32:
            _check_tf32(device)
        self.name = name
        self.tf32 = tf32
        self._device_type = device.type
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name)
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16", **_checked(scaling or {}))

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context the forward pass runs in."""
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._device_type, dtype=self._dtype)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Have the GPU's float32 products use TF32, or not, and afterwards what they used before.

        torch's own default is half of each: TF32 in convolutions, not in matrix products. A run has it in both or in
        neither. The switches are the process's, which may go on to another run.
        """
        if self._device_type != "cuda":
            yield
            return
        # The older of torch's two interfaces: it is in every release, and it keeps the newer one in step.
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        _allow_tf32("high" if self.tf32 else "highest", convolutions=self.tf32)
        try:
            yield
        finally:
            _allow_tf32(before[0], convolutions=before[1])


def _allow_tf32(products: str, *, convolutions: bool) -> None:
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions


def _checked(scaling: Mapping[str, float]) -> dict[str, Any]:
    for name in scaling:
        if name not in SCALING:
            raise ConfigError(f"loss_scaling.{name}: there is no such setting; {nearest(name, SCALING)}")
    return dict(scaling)


def _check_device(name: str, device: torch.device) -> None:
    if name == "fp16" and device.type == "cpu":
        raise ConfigError("precision: fp16 needs a CUDA device; on a CPU use fp32 (bf16 works but is slower)")
    if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ConfigError(f"precision: bf16 is not supported by {torch.cuda.get_device_name(device)}; use fp16 or fp32")


def _check_tf32(device: torch.device) -> None:
    if device.type != "cuda":
        raise ConfigError(f"tf32: a {device.type} device has no TF32; use tf32: false")
    if torch.cuda.get_device_capability(device) < _TF32_CAPABILITY:
        raise ConfigError(
            f"tf32: {torch.cuda.get_device_name(device)} has no TF32, which GPUs of compute capability 8.0 and later "
            "have; use tf32: false"
        )
