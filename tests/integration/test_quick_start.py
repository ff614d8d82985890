"""The quick start that users know, with its imports changed and, where there is no GPU, its device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from raytrain.engine.checkpoint import evaluated_weights, read_checkpoint
from raytrain.errors import ConfigError
from raytrain.models.cnn1d import CNN1D

QUICK_START = """
from raytrain import Trainer
from raytrain.callbacks import EarlyStopping, ModelCheckpoint
from raytrain.losses import FocalLoss

# Create trainer
trainer = Trainer(
    model=model,
    train_loader=train_loader,
    val_loader=val_loader,
    optimizer=optimizer,
    criterion=FocalLoss(gamma=2.0),
    device='cuda',
    callbacks=[
        EarlyStopping(monitor='val_loss', patience=10),
        ModelCheckpoint(filepath='best_model.pt', monitor='val_loss'),
    ],
    mixed_precision=True
)

# Train
trainer.fit(num_epochs=100)
history = trainer.get_history()
"""


def prepared() -> dict[str, object]:
    """Return what the quick start takes for granted: a model, two loaders and an optimizer."""
    torch.manual_seed(0)
    targets = torch.arange(96) % 2
    waves = torch.sin(torch.where(targets == 0, 0.3, 0.9)[:, None] * torch.arange(64))
    inputs = (waves + 0.3 * torch.randn(96, 64))[:, None]
    model = CNN1D(1, 2, depth=2, width=4, stride=2)
    return {
        "model": model,
        "train_loader": DataLoader(TensorDataset(inputs[:64], targets[:64]), batch_size=16, shuffle=True),
        "val_loader": DataLoader(TensorDataset(inputs[64:], targets[64:]), batch_size=16),
        "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-2),
    }


def test_the_quick_start_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = prepared()
    code = QUICK_START if torch.cuda.is_available() else QUICK_START.replace("device='cuda'", "device='cpu'")
    exec(code, here)  # noqa: S102 - as a user's script runs it
    history, trainer = here["history"], here["trainer"]
    assert isinstance(history, dict)
    losses = history["val/loss"]
    best = min(losses)
    assert 10 < len(losses) <= 100
    assert history["train/loss"][-1] < history["train/loss"][0]
    assert max(history["val/accuracy"]) > 0.9
    # Ten epochs without improvement ended it, unless the last epoch came first.
    assert len(losses) == 100 or len(losses) == losses.index(best) + 1 + 10
    # The checkpoint is that of the best epoch, and is worth what was reported.
    snapshot = read_checkpoint(Path("best_model.pt"))
    assert snapshot["epoch"] == losses.index(best) + 1
    trainer.model.load_state_dict(evaluated_weights(snapshot))  # type: ignore[attr-defined]
    assert trainer.evaluate(here["val_loader"])["loss"] == best  # type: ignore[attr-defined]


def test_a_gpu_that_is_not_there_is_an_error_and_never_replaced() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU, on which the quick start runs as it stands")
    with pytest.raises(ConfigError, match="device: cuda asks for a GPU and this process sees none; use device: cpu"):
        exec(QUICK_START, prepared())  # noqa: S102 - as a user's script runs it
