from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from raytrain.errors import ConfigError, DataError
from raytrain.models.multi_view import MultiViewNet
from raytrain.tfr import Views
from raytrain.trainers import MultiTFRTrainer
from raytrain.trainers.views import AlignedViews

SMALL: dict[str, Any] = {"time_mask_param": 3, "freq_mask_param": 3}
VIEWS = Views(12_000.0, stft={"window_length": 32, "hop": 16}, cwt={"frequency_bins": 16, "low_hz": 800.0}, wvd=None)


def signals(count: int = 8) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 1, 256, generator=torch.Generator().manual_seed(0)), torch.arange(count) % 2


def loaders(
    *, shuffle: bool = False, seeds: Mapping[str, int] | None = None
) -> dict[str, DataLoader[tuple[Tensor, ...]]]:
    windows, targets = signals(12)
    return {
        name: DataLoader(
            TensorDataset(image, targets),
            batch_size=5,
            shuffle=shuffle,
            generator=torch.Generator().manual_seed((seeds or {}).get(name, 0)),
        )
        for name, image in VIEWS.transform(windows).items()
    }


def image_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d((4, 2)), nn.Flatten(), nn.Linear(8, 2))


class Watching(nn.Module):
    """A small model of one image that keeps what it is shown in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = image_network()
        self.trained: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.trained.append(images.clone())
        scores: Tensor = self.layers(images)
        return scores


def test_weights_are_normalised_and_applied_once() -> None:
    model = image_network()
    trainer = MultiTFRTrainer(
        model, [signals()], transform=VIEWS, tfr_weights={"stft": 2.0, "cwt": 6.0}, use_specaugment=False, device="cpu"
    )
    inputs, targets = signals()
    judged = trainer.evaluate([(inputs, targets)])
    with torch.no_grad():
        scores = {name: model(image) for name, image in VIEWS.transform(inputs).items()}
    loss = 0.25 * functional.cross_entropy(scores["stft"], targets) + 0.75 * functional.cross_entropy(
        scores["cwt"], targets
    )
    assert judged["loss"] == pytest.approx(loss.item(), rel=1e-6)
    pooled = 0.25 * scores["stft"].softmax(dim=1) + 0.75 * scores["cwt"].softmax(dim=1)
    hits = {name: (one.argmax(dim=1) == targets).float().mean().item() for name, one in scores.items()}
    assert judged["accuracy"] == pytest.approx((pooled.argmax(dim=1) == targets).float().mean().item())
    assert {name: judged[f"{name}/accuracy"] for name in hits} == pytest.approx(hits)


def test_weights_come_from_the_model_the_transform_or_equality() -> None:
    def weights(trainer: MultiTFRTrainer) -> object:
        return trainer.model.view_weights

    own = MultiViewNet(1, 2, views=("stft", "cwt"), weights={"stft": 1.0, "cwt": 4.0}, depth=2)
    assert weights(MultiTFRTrainer(own, [signals()], transform=VIEWS, device="cpu")) == {"stft": 0.2, "cwt": 0.8}
    assert own is MultiTFRTrainer(own, [signals()], transform=VIEWS, tfr_weights={"stft": 5, "cwt": 20}).model
    weighed = Views(
        12_000.0,
        stft={"window_length": 32},
        cwt=None,
        wvd={"frequency_bins": 16, "hop": 16},
        weights={"stft": 3.0, "wvd": 1.0},
    )
    trainer = MultiTFRTrainer(image_network(), [signals()], transform=weighed, device="cpu")
    assert weights(trainer) == {"stft": 0.75, "wvd": 0.25}
    trainer = MultiTFRTrainer(image_network(), train_loaders=loaders(), device="cpu")
    assert weights(trainer) == {"stft": 0.5, "cwt": 0.5}
    with pytest.raises(ConfigError, match=r"tfr_weights are stft 0\.5, cwt 0\.5 and the model's are stft 0\.2, cwt"):
        MultiTFRTrainer(own, [signals()], transform=VIEWS, tfr_weights={"stft": 1.0, "cwt": 1.0}, device="cpu")


def test_views_of_one_window_stay_aligned_when_loaders_shuffle_alike() -> None:
    windows, _ = signals(12)
    images = VIEWS.transform(windows)
    orders = []
    for batch in AlignedViews(loaders(shuffle=True)):
        assert isinstance(batch.inputs, Mapping)
        for row in range(len(batch)):
            [index] = [i for i in range(12) if torch.equal(images["stft"][i], batch.inputs["stft"][row])]
            assert torch.equal(images["cwt"][index], batch.inputs["cwt"][row])
            orders.append(index)
    assert sorted(orders) == list(range(12))
    assert orders != sorted(orders)


def test_what_is_not_aligned_is_an_error() -> None:
    views = loaders(shuffle=True, seeds={"stft": 0, "cwt": 1})
    with pytest.raises(DataError, match=r"batch 0: the loaders of stft and cwt give different targets"):
        MultiTFRTrainer(image_network(), train_loaders=views, device="cpu")
    one = loaders()
    with pytest.raises(DataError, match="stft has 3, cwt has 1"):
        AlignedViews({"stft": one["stft"], "cwt": list(one["cwt"])[:1]})
    with pytest.raises(DataError, match="there are none"):
        AlignedViews({})
    batch = {"inputs": torch.zeros(2, 1, 3, 3), "targets": torch.tensor([0, 1])}
    with pytest.raises(DataError, match="view cwt must hold one image per window"):
        next(iter(AlignedViews({"stft": [batch], "cwt": [batch | {"inputs": {"a": torch.zeros(2, 1)}}]})))


def test_aligned_batches_carry_the_conditions_of_all_and_the_epoch_reaches_every_loader() -> None:
    class Announced(list[dict[str, Tensor]]):
        epoch = -1

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

    batch = {"inputs": torch.zeros(2, 1, 3, 3), "targets": torch.tensor([0, 1])}
    parts = {"a": Announced([batch | {"load": torch.ones(2)}]), "b": Announced([batch | {"speed": torch.zeros(2)}])}
    joined = AlignedViews(parts)
    joined.set_epoch(7)
    assert [one.epoch for one in parts.values()] == [7, 7]
    assert set(next(iter(joined)).conditions) == {"load", "speed"}
    assert joined.names == ("a", "b")


def test_each_view_is_hidden_by_itself_and_in_training_only() -> None:
    windows, targets = signals()
    model = Watching()
    MultiTFRTrainer(model, [(windows, targets)], transform=VIEWS, device="cpu", **SMALL).fit(1)
    images = VIEWS.transform(windows)
    stft, cwt = model.trained
    assert (stft != images["stft"]).any()
    assert (cwt != images["cwt"]).any()
    plain = Watching()
    MultiTFRTrainer(plain, [(windows, targets)], transform=VIEWS, use_specaugment=False, device="cpu").fit(1)
    assert all(torch.equal(seen, image) for seen, image in zip(plain.trained, images.values(), strict=True))


def test_each_view_is_judged_beside_all_together() -> None:
    history = MultiTFRTrainer(image_network(), [signals()], [signals()], transform=VIEWS, device="cpu", **SMALL).fit(2)
    assert {"val/accuracy", "val/stft/accuracy", "val/cwt/macro_f1", "train/stft", "train/cwt"} <= set(history)


def test_loaders_are_given_once() -> None:
    with pytest.raises(ConfigError, match="got neither"):
        MultiTFRTrainer(image_network())
    with pytest.raises(ConfigError, match="train_loader and train_loaders are both given"):
        MultiTFRTrainer(image_network(), [signals()], train_loaders=loaders())
    with pytest.raises(ConfigError, match="val_loader and val_loaders are both given"):
        MultiTFRTrainer(image_network(), None, [signals()], train_loaders=loaders(), val_loaders=loaders())
    with pytest.raises(ConfigError, match="tfr_weights are needed to know the views"):
        MultiTFRTrainer(image_network(), [signals()])
