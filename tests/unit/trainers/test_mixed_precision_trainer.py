from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from raytrain.engine.checkpoint import read_checkpoint
from raytrain.errors import ConfigError
from raytrain.trainers import MixedPrecisionTrainer

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="fp16 needs a GPU")


def batches(*, broken: bool = False) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    made = [(torch.randn(4, 1, 6, generator=generator), torch.tensor([0, 1, 1, 0])) for _ in range(3)]
    if broken:
        made[1][0][0] = 1e30  # infinite in 16 bits of fp16, and so is its gradient
    return made


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 2))


def test_bf16_needs_no_scale_and_skips_nothing(tmp_path: Path) -> None:
    seen: list[torch.dtype] = []
    model = network()
    trainer = MixedPrecisionTrainer(model, batches(), precision="bf16", init_scale=8.0, device="cpu")
    model.register_forward_hook(lambda _model, _inputs, scores: seen.append(scores.dtype))
    assert "train/skipped_steps" not in trainer.fit(2)
    assert set(seen) == {torch.bfloat16}
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    trainer.save_checkpoint(tmp_path / "run.pt")
    assert read_checkpoint(tmp_path / "run.pt")["scaler"] == {}


def test_the_best_of_a_cpu_is_bf16_and_what_it_lacks_is_refused() -> None:
    seen: set[torch.dtype] = set()
    model = network()
    trainer = MixedPrecisionTrainer(model, batches(), device="cpu")
    model.register_forward_hook(lambda _model, _inputs, scores: seen.add(scores.dtype))
    trainer.fit(1)
    assert seen == {torch.bfloat16}
    with pytest.raises(ConfigError, match="precision: fp16 needs a CUDA device"):
        MixedPrecisionTrainer(network(), batches(), precision="fp16", device="cpu")


def test_steps_with_infinite_gradients_are_skipped_and_counted_and_shrink_the_scale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a CPU, with a scaler of the settings that the trainer was given and a gradient made infinite by hand."""
    model = network()
    trainer = MixedPrecisionTrainer(
        model,
        batches(),
        precision="bf16",
        device="cpu",
        max_grad_norm=None,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_factor=4.0, backoff_factor=0.5, growth_interval=2)
    monkeypatch.setattr(trainer._precision, "scaler", scaler)
    calls = {"count": 0}

    def break_second(gradient: Tensor) -> Tensor:
        calls["count"] += 1
        return gradient * float("inf") if calls["count"] == 2 else gradient

    first = next(model.parameters())
    first.register_hook(break_second)  # type: ignore[no-untyped-call]
    history = trainer.fit(2)
    assert history["train/skipped_steps"] == [1.0, 1.0]
    # Kept, skipped (x 0.5), kept, kept (x 4), kept, kept (x 4).
    assert scaler.get_scale() == 64 * 0.5 * 4 * 4
    assert torch.isfinite(first).all()
    trainer.save_checkpoint(tmp_path / "run.pt")
    assert read_checkpoint(tmp_path / "run.pt")["scaler"]["scale"] == scaler.get_scale()


@needs_gpu
def test_fp16_skips_counts_and_shrinks() -> None:
    trainer = MixedPrecisionTrainer(
        network(), batches(broken=True), precision="fp16", init_scale=256.0, backoff_factor=0.25, device="cuda"
    )
    history = trainer.fit(2)
    assert history["train/skipped_steps"] == [1.0, 2.0]
    assert trainer._precision.scaler.get_scale() == 256 * 0.25**2
