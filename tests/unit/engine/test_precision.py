from __future__ import annotations

from typing import Literal

import pytest
import torch

from raytrain.engine.precision import Precision, choose_device
from raytrain.errors import ConfigError

CPU = torch.device("cpu")
CUDA = torch.device("cuda", 0)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_gpu_the_device_is_the_cpu(no_gpu: None, name: Literal["auto", "cpu"]) -> None:
    assert choose_device(name) == CPU


def test_cuda_is_refused_where_there_is_none(no_gpu: None) -> None:
    message = r"^device: cuda asks for a GPU and this process sees none; use device: cpu or auto$"
    with pytest.raises(ConfigError, match=message):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_with_a_gpu_the_device_is_the_current_one(one_gpu: None, name: Literal["auto", "cuda"]) -> None:
    assert choose_device(name) == torch.device("cuda", 2)


def test_the_cpu_can_be_asked_for_beside_a_gpu(one_gpu: None) -> None:
    assert choose_device("cpu") == CPU


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match=r"^precision: fp16 needs a CUDA device; on a CPU use fp32 \(bf16 works"):
        Precision("fp16", CPU)


def test_bf16_is_refused_by_a_gpu_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Quadro P400")
    with pytest.raises(ConfigError, match=r"^precision: bf16 is not supported by Quadro P400; use fp16 or fp32$"):
        Precision("bf16", CUDA)


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_has_the_dtype_asked_for(name: Literal["fp32", "bf16"], dtype: torch.dtype) -> None:
    precision = Precision(name, CPU)
    layer = torch.nn.Linear(2, 2)
    with precision.autocast():
        assert layer(torch.ones(1, 2)).dtype == dtype
    assert layer(torch.ones(1, 2)).dtype == torch.float32
    assert not precision.scaler.is_enabled()


def test_only_fp16_scales_gradients(monkeypatch: pytest.MonkeyPatch, one_gpu: None) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert Precision("fp16", CUDA).scaler.is_enabled()
    assert not Precision("bf16", CUDA).scaler.is_enabled()
    assert not Precision("fp32", CUDA).scaler.is_enabled()
