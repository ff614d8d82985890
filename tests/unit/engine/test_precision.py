from __future__ import annotations

from collections.abc import Iterator
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


@pytest.fixture
def ampere(monkeypatch: pytest.MonkeyPatch, one_gpu: None) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 0))


@pytest.fixture(params=[("highest", True), ("high", False), ("medium", True)])
def switches(request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    """Set torch's switches to something, as a user may have, and afterwards to torch's defaults."""
    products, convolutions = request.param
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions
    yield request.param
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True


def current() -> tuple[str, bool]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


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


def test_loss_is_scaled_as_asked(one_gpu: None) -> None:
    asked = {"init_scale": 256.0, "growth_factor": 4.0, "backoff_factor": 0.25, "growth_interval": 7}
    state = Precision("fp16", CUDA, scaling=asked).scaler.state_dict()
    assert (state["scale"], state["growth_factor"], state["backoff_factor"], state["growth_interval"]) == (
        256,
        4,
        0.25,
        7,
    )
    assert Precision("fp16", CUDA).scaler.state_dict()["scale"] == 2.0**16


def test_an_unknown_setting_of_loss_scaling_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^loss_scaling.init_scal: there is no such setting; did you mean 'init_s"):
        Precision("fp32", CPU, scaling={"init_scal": 2.0})


@pytest.mark.parametrize(("tf32", "inside"), [(True, ("high", True)), (False, ("highest", False))])
def test_tf32_is_for_the_run_and_set_back_after_it(
    ampere: None, switches: tuple[str, bool], tf32: bool, inside: tuple[str, bool]
) -> None:
    precision = Precision("fp32", CUDA, tf32=tf32)
    assert current() == switches
    with precision.active():
        assert current() == inside
    assert current() == switches
    with pytest.raises(ZeroDivisionError), precision.active():
        raise ZeroDivisionError
    assert current() == switches


def test_a_run_on_a_cpu_leaves_the_gpus_switches_alone(switches: tuple[str, bool]) -> None:
    with Precision("fp32", CPU).active():
        assert current() == switches


def test_tf32_is_refused_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match=r"^tf32: a cpu device has no TF32; use tf32: false$"):
        Precision("fp32", CPU, tf32=True)


def test_tf32_is_refused_by_a_gpu_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Tesla T4")
    with pytest.raises(ConfigError, match=r"^tf32: Tesla T4 has no TF32, which GPUs of compute capability 8.0 and"):
        Precision("fp32", CUDA, tf32=True)
