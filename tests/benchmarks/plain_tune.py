"""A sweep with Ray Tune alone, written the way Ray's documentation writes it.

After "Getting Started with Ray Tune" and "How to use Tune with PyTorch": a function that trains with a DataLoader and
reports metrics and a checkpoint every epoch, the data handed over by `tune.with_parameters`, Tune's defaults for the
rest, and the best checkpoint tested at the end.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray import tune
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

from raytrain.models.cnn1d import CNN1D

__all__ = ["Arrays", "sweep"]

BATCH_SIZE = 64
Arrays = dict[str, NDArray[Any]]
"""Windows `{part}_x` `[N, 1, T]` and classes `{part}_y` `[N]` of the parts train, validation and test."""


class EpochOrder(Sampler[int]):
    """The order raytrain takes windows in, where a script would say `shuffle=True`: losses can then be compared."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.epoch = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        order: list[int] = np.random.default_rng([0, self.epoch]).permutation(self.count).tolist()
        self.epoch += 1
        return iter(order)


def dataset(data: Arrays, part: str) -> TensorDataset:
    """Return a part's windows without copying them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return TensorDataset(torch.from_numpy(data[f"{part}_x"]), torch.from_numpy(data[f"{part}_y"]))


def train_cnn(config: dict[str, Any], data: Arrays) -> None:
    """Train one configuration."""
    torch.manual_seed(0)
    model = CNN1D(1, config["classes"], width=config["width"])
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config["lr"], weight_decay=0.0)
    train_set = dataset(data, "train")
    train_loader = DataLoader(train_set, batch_size=BATCH_SIZE, sampler=EpochOrder(len(train_set)))
    val_loader = DataLoader(dataset(data, "validation"), batch_size=BATCH_SIZE)
    for _ in range(config["epochs"]):
        model.train()
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        with tempfile.TemporaryDirectory() as folder:
            states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(states, Path(folder) / "checkpoint.pt")
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({"loss": val_loss, "accuracy": val_accuracy}, checkpoint=checkpoint)


def evaluate(model: nn.Module, loader: DataLoader[tuple[torch.Tensor, ...]]) -> tuple[float, float]:
    """Return mean loss and accuracy over the samples of `loader`."""
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            loss += nn.functional.cross_entropy(outputs, labels, reduction="sum").item()
            correct += int((outputs.argmax(dim=1) == labels).sum().item())
            count += len(labels)
    return loss / count, correct / count


def sweep(
    data: Arrays,
    *,
    learning_rates: list[float],
    widths: list[int],
    epochs: int,
    reuse_actors: bool,
    storage: Path,
    cpus: float = 1,
) -> dict[str, float]:
    """Try every combination, test the best, and return last loss and accuracy of each trial by name."""
    classes = int(data["train_y"].max()) + 1
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train_cnn, data=data), {"cpu": cpus}),
        param_space={
            "lr": tune.grid_search(learning_rates),
            "width": tune.grid_search(widths),
            "epochs": epochs,
            "classes": classes,
        },
        tune_config=tune.TuneConfig(metric="loss", mode="min", **({"reuse_actors": True} if reuse_actors else {})),
        run_config=tune.RunConfig(storage_path=str(storage), verbose=0),
    )
    results = tuner.fit()
    best = results.get_best_result()
    model = CNN1D(1, classes, width=best.config["width"])
    with best.checkpoint.as_directory() as folder:
        model.load_state_dict(torch.load(Path(folder) / "checkpoint.pt")["model"])
    evaluate(model, DataLoader(dataset(data, "test"), batch_size=BATCH_SIZE))
    return {
        f"lr={one.config['lr']:g}, width={one.config['width']}, {name}": one.metrics[name]
        for one in results
        for name in ("loss", "accuracy")
    }


def main() -> None:
    """Run as a script: `plain_tune DATA.npz SETTINGS RESULT.json`, the settings as JSON."""
    os.environ["RAY_ADDRESS"] = "local"  # else it joins whatever cluster this machine happens to run
    data, settings, result = sys.argv[1:]
    with tempfile.TemporaryDirectory() as storage:
        metrics = sweep(dict(np.load(data)), **json.loads(settings), storage=Path(storage))
    Path(result).write_text(json.dumps(metrics), "utf-8")


if __name__ == "__main__":
    main()
