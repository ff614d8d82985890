from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from raytrain.augment.patch_augmentation import PATCH_PRESETS, PatchAugmentation, Preset
from raytrain.errors import ConfigError
from raytrain.types import Batch, Progress

START = Progress(0, 0, 0.0)
NOTHING: dict[str, Any] = dict.fromkeys(("mixup", "shift", "permutation", "jitter", "cutout", "dropout"), 0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(signal: Tensor) -> Batch:
    return Batch(signal, targets=torch.arange(len(signal)), conditions={"load": torch.arange(1.0, len(signal) + 1)})


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=seeded(9))


class TestPresets:
    def test_each_does_at_least_as_much_as_the_one_before(self) -> None:
        light, medium, heavy = (asdict(PATCH_PRESETS[name]) for name in ("light", "medium", "heavy"))
        assert all(light[name] <= medium[name] <= heavy[name] for name in light)
        assert light != medium != heavy

    @pytest.mark.parametrize(("preset", "mixes"), [("light", False), ("medium", False), ("heavy", True)])
    def test_only_heavy_mixes_labels(self, preset: Preset, mixes: bool) -> None:
        augmentation = PatchAugmentation(preset=preset)
        assert augmentation.mixes_labels is mixes
        augmented = augmentation(batch_of(noise(8, 1, 512)), START, seeded())
        assert (augmented.mixture is not None) is mixes

    def test_the_default_is_medium_patches_of_64(self) -> None:
        augmentation = PatchAugmentation()
        assert augmentation.strengths == PATCH_PRESETS["medium"]
        assert augmentation.patch_length == 64

    def test_settings_replace_those_of_the_preset(self) -> None:
        augmentation = PatchAugmentation(preset="heavy", mixup=0.0, jitter=0.7)
        expected = {**asdict(PATCH_PRESETS["heavy"]), "mixup": 0.0, "jitter": 0.7}
        assert asdict(augmentation.strengths) == expected
        assert augmentation.mixes_labels is False

    @pytest.mark.parametrize("name", NOTHING)
    def test_each_setting_is_an_operation_of_its_own(self, name: str) -> None:
        signal = noise(16, 2, 320)
        nothing = PatchAugmentation(**NOTHING)
        assert torch.equal(nothing(batch_of(signal), START, seeded()).signal, signal)
        strong = {**NOTHING, name: 1.0}
        assert not torch.equal(PatchAugmentation(**strong)(batch_of(signal), START, seeded()).signal, signal)


class TestOnSignals:
    @given(
        shape=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(8, 50)),
        patch_length=st.integers(1, 4),
        preset=st.sampled_from(["light", "medium", "heavy"]),
        dtype=st.sampled_from([torch.float32, torch.float64]),
        seed=st.integers(0, 99),
    )
    def test_keeps_shape_type_input_and_remainder_and_repeats(
        self, *, shape: tuple[int, int, int], patch_length: int, preset: Preset, dtype: torch.dtype, seed: int
    ) -> None:
        batch = batch_of(noise(*shape).to(dtype))
        before, augmentation = batch.signal.clone(), PatchAugmentation(preset=preset, patch_length=patch_length)
        augmented = augmentation(batch, START, seeded(seed))
        assert (augmented.signal.shape, augmented.signal.dtype) == (batch.signal.shape, dtype)
        assert torch.isfinite(augmented.signal).all()
        assert torch.equal(batch.signal, before)
        assert torch.equal(augmented.signal, augmentation(batch, START, seeded(seed)).signal)
        cut = shape[-1] // patch_length * patch_length
        assert torch.equal(augmented.signal[..., cut:], before[..., cut:])
        assert torch.equal(augmented.targets, batch.targets)
        assert augmented.conditions is batch.conditions

    def test_patches_are_neighbouring_samples_of_all_channels(self) -> None:
        time = torch.arange(12.0)
        signal = torch.stack([time, time + 100]).expand(64, 2, 12)
        settings = {**NOTHING, "permutation": 1.0}
        moved = PatchAugmentation(patch_length=4, **settings)(batch_of(signal), START, seeded()).signal
        blocks = moved.reshape(64, 2, 3, 4)
        assert torch.equal(blocks[:, 1], blocks[:, 0] + 100), "channels move together"
        starts = blocks[:, 0, :, :1]
        assert torch.equal(blocks[:, 0], starts + torch.arange(4.0))
        assert torch.equal(starts.flatten(1).sort(dim=1).values, torch.tensor([0.0, 4.0, 8.0]).expand(64, 3))
        assert len(torch.unique(starts, dim=0)) == 6

    def test_hidden_patches_are_zero_and_get_no_noise(self) -> None:
        settings = {**NOTHING, "dropout": 1.0, "jitter": 1.0}
        assert not PatchAugmentation(**settings)(batch_of(noise(2, 1, 128)), START, seeded()).signal.any()

    def test_the_label_is_shared_as_the_samples_of_the_window_are(self) -> None:
        """Also where samples after the last patch stay the sample's own: 4 patches of 8 and 3 samples more."""
        signal = torch.arange(1.0, 41).view(40, 1, 1).expand(40, 2, 35)
        augmentation = PatchAugmentation(patch_length=8, **{**NOTHING, "mixup": 1.0})
        mixed = augmentation(batch_of(signal), START, seeded())
        assert mixed.mixture is not None
        own = (mixed.signal == signal).double().mean(dim=(1, 2)).float()
        torch.testing.assert_close(mixed.mixture.weight, own, rtol=1e-6, atol=1e-7)
        assert 3 / 35 <= float(own.min()) < 0.2
        shares = mixed.class_shares(40)
        counted = torch.stack([(mixed.signal == label + 1).double().mean(dim=(1, 2)) for label in range(40)], dim=1)
        torch.testing.assert_close(shares, counted.float(), rtol=1e-6, atol=1e-6)

    def test_without_mixing_a_signal_suffices(self) -> None:
        signal, light = noise(4, 1, 256), PatchAugmentation(preset="light")
        augmented = light.augment(signal, generator=seeded())
        assert torch.equal(augmented, light(batch_of(signal), START, seeded()).signal)

    def test_mixing_needs_the_labels(self) -> None:
        with pytest.raises(NotImplementedError, match="PatchAugmentation augments whole batches"):
            PatchAugmentation(preset="heavy").augment(noise(4, 1, 256), generator=seeded())


class TestOnPatches:
    def test_equals_what_it_does_to_the_signal_they_are_cut_from(self) -> None:
        signal, heavy = noise(6, 1, 256), PatchAugmentation(preset="heavy", patch_length=32)
        mixed = heavy.augment_patches(signal.view(6, 8, 32), generator=seeded())
        augmented = heavy(batch_of(signal), START, seeded())
        assert augmented.mixture is not None
        assert torch.equal(mixed.patches.view(6, 1, 256), augmented.signal)
        assert torch.equal(augmented.targets[mixed.partners], augmented.mixture.targets)
        assert torch.equal(mixed.weight, augmented.mixture.weight)

    def test_unmixed_patches_are_all_their_own(self) -> None:
        mixed = PatchAugmentation(preset="light").augment_patches(noise(3, 8, 16), generator=seeded())
        assert mixed.weight.tolist() == [1.0] * 3
        assert mixed.partners.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "hevy"}, "augmentation.preset: there is no preset 'hevy'; did you mean 'heavy'"),
        ({"patch_length": 0}, "augmentation.patch_length must be at least 1, got 0"),
        ({"mixup": 1.2}, r"augmentation.mixup must be from 0 to 1, got 1\.2"),
        ({"shift": -0.5}, r"augmentation.shift must be from 0 to 1, got -0\.5"),
        ({"permutation": 2.0}, "augmentation.permutation must be from 0 to 1"),
        ({"jitter": float("nan")}, "augmentation.jitter must be at least 0 and finite, got nan"),
        ({"cutout": 1.5}, "augmentation.cutout must be from 0 to 1"),
        ({"dropout": 1.5}, "augmentation.dropout must be from 0 to 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PatchAugmentation(**settings)


def test_a_window_of_one_patch_is_refused() -> None:
    with pytest.raises(ConfigError, match="patch_length must be at most half of the window's 100 samples, got 51"):
        PatchAugmentation(patch_length=51).augment(noise(2, 1, 100), generator=seeded())
