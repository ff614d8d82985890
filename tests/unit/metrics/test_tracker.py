from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from torch import Tensor, distributed

from raytrain.errors import ConfigError, DataError, RunError
from raytrain.metrics import (
    MetricsTracker,
    compute_expected_calibration_error,
    compute_f1_score,
    compute_top_k_accuracy,
    recording_vote,
)
from raytrain.metrics.confusion import Average, per_class

CLASSES = 4
RECORDINGS = 7


class Windows:
    """Random windows of recordings with one class each; recording 6 has none."""

    def __init__(self, count: int, *, seed: int, spread: float = 1.5) -> None:
        rng = np.random.default_rng(seed)
        self.recordings = torch.from_numpy(rng.integers(0, RECORDINGS - 1, count))
        classes = torch.from_numpy(rng.integers(0, CLASSES, RECORDINGS))
        self.targets = classes[self.recordings]
        right = torch.nn.functional.one_hot(self.targets, CLASSES)
        self.logits = (right + torch.from_numpy(rng.normal(0, spread, (count, CLASSES)))).float()
        self.losses = torch.nn.functional.cross_entropy(self.logits, self.targets, reduction="none").double()

    def track(self, tracker: MetricsTracker, indices: Tensor) -> None:
        tracker.update(
            self.logits[indices],
            self.targets[indices],
            recordings=self.recordings[indices],
            loss=self.losses[indices].mean(),
            views={"stft": self.logits[indices].flip(1), "cwt": -self.logits[indices]},
        )


def every_metric() -> MetricsTracker:
    return MetricsTracker(CLASSES, RECORDINGS, top_k=2, calibration_bins=15)


def tracked(logits: Tensor, targets: list[int], recordings: list[int]) -> MetricsTracker:
    tracker = MetricsTracker(logits.shape[1], RECORDINGS)
    tracker.update(logits, torch.tensor(targets), recordings=torch.tensor(recordings), loss=torch.tensor(0.5))
    return tracker


@given(
    count=st.integers(1, 60),
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(1, 59), max_size=6, unique=True),
    order=st.randoms(use_true_random=False),
)
def test_any_partition_over_batches_and_workers_merges_to_the_same(
    count: int, seed: int, cuts: list[int], order: object
) -> None:
    windows = Windows(count, seed=seed)
    whole = every_metric()
    windows.track(whole, torch.arange(count))

    shuffled = list(range(count))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    workers = [every_metric() for _ in range(3)]
    for number, part in enumerate(torch.tensor_split(torch.tensor(shuffled), sorted(cuts))):
        if len(part):
            windows.track(workers[number % 3], part)
    merged = workers[0]
    merged.merge(workers[1])
    merged.merge(workers[2])

    for counts, expected_counts in zip(merged.tensors()[:-1], whole.tensors()[:-1], strict=True):
        assert counts.dtype == torch.int64
        assert torch.equal(counts, expected_counts)
    values, expected = merged.compute(), whole.compute()
    assert values.pop("loss") == pytest.approx(expected.pop("loss"), rel=1e-12)
    assert values == expected
    assert {"top_2_accuracy", "expected_calibration_error", "recording_macro_f1"} < values.keys()


@settings(max_examples=25)
@given(count=st.integers(1, 80), seed=st.integers(0, 1000))
def test_window_metrics_agree_with_scikit_learn(count: int, seed: int) -> None:
    windows = Windows(count, seed=seed)
    tracker = MetricsTracker(CLASSES, RECORDINGS)
    for part in torch.tensor_split(torch.arange(count), list(range(9, count, 9))):
        windows.track(tracker, part)
    truths, predictions = windows.targets.numpy(), windows.logits.argmax(dim=1).numpy()
    present = np.unique(truths)
    values = tracker.compute("test")
    np.testing.assert_array_equal(
        tracker.confusion, oracle.confusion_matrix(truths, predictions, labels=range(CLASSES))
    )
    assert values["test/loss"] == pytest.approx(windows.losses.mean().item(), rel=1e-12)
    expected = {
        "accuracy": oracle.accuracy_score(truths, predictions),
        "balanced_accuracy": oracle.recall_score(truths, predictions, labels=present, average="macro"),
        "macro_f1": oracle.f1_score(truths, predictions, labels=present, average="macro"),
    }
    for name, value in expected.items():
        assert values[f"test/{name}"] == pytest.approx(value, abs=1e-12)


@settings(max_examples=40)
@given(count=st.integers(1, 40), seed=st.integers(0, 1000))
def test_recording_metrics_are_those_of_a_majority_vote(count: int, seed: int) -> None:
    windows = Windows(count, seed=seed)
    tracker = MetricsTracker(CLASSES, RECORDINGS)
    windows.track(tracker, torch.arange(count))
    probabilities = windows.logits.double().softmax(dim=1).numpy()
    truths, votes = [], []
    for recording in np.unique(windows.recordings.numpy()):
        mine = windows.recordings.numpy() == recording
        counts = np.bincount(probabilities[mine].argmax(axis=1), minlength=CLASSES)
        leaders = np.flatnonzero(counts == counts.max())
        votes.append(leaders[probabilities[mine].sum(axis=0)[leaders].argmax()])
        truths.append(int(windows.targets.numpy()[mine][0]))
    matrix = oracle.confusion_matrix(truths, votes, labels=range(CLASSES))
    np.testing.assert_array_equal(tracker.recording_confusion, matrix)
    values = tracker.compute()
    f1 = oracle.f1_score(truths, votes, labels=np.unique(truths), average="macro")
    assert values["recording_accuracy"] == pytest.approx(oracle.accuracy_score(truths, votes), abs=1e-12)
    assert values["recording_macro_f1"] == pytest.approx(f1, abs=1e-12)


@settings(max_examples=40)
@given(count=st.integers(1, 40), seed=st.integers(0, 1000))
def test_each_recording_tells_how_its_windows_voted(count: int, seed: int) -> None:
    windows = Windows(count, seed=seed)
    tracker = MetricsTracker(CLASSES, RECORDINGS)
    windows.track(tracker, torch.arange(count))
    probabilities = windows.logits.double().softmax(dim=1).numpy()
    predictions, targets = probabilities.argmax(axis=1), windows.targets.numpy()
    votes = tracker.per_recording()
    assert [vote.recording for vote in votes] == np.unique(windows.recordings.numpy()).tolist()
    voted = recording_vote(windows.logits, windows.recordings, num_recordings=RECORDINGS)
    for vote in votes:
        mine = windows.recordings.numpy() == vote.recording
        assert (vote.truth, vote.voted) == (targets[mine][0], voted[vote.recording])
        assert (vote.windows, vote.right) == (mine.sum(), (predictions == targets)[mine].sum())
        assert vote.probability == pytest.approx(probabilities[mine, vote.voted].mean(), abs=2**-32)


def test_without_recordings_none_is_told() -> None:
    tracker = MetricsTracker(2)
    tracker.update(torch.eye(2), torch.tensor([0, 1]))
    assert tracker.per_recording() == []


def test_a_confident_minority_does_not_outvote_the_majority() -> None:
    probabilities = torch.tensor([[0.51, 0.49], [0.51, 0.49], [0.0, 1.0]])
    tracker = tracked(probabilities.log(), [0, 0, 0], [2, 2, 2])
    assert tracker.recording_confusion.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(("sure", "voted"), [(0.9, 0), (0.6, 1)])
def test_a_tie_goes_to_the_higher_summed_probability(sure: float, voted: int) -> None:
    probabilities = torch.tensor([[sure, 1 - sure], [0.25, 0.75]])
    tracker = tracked(probabilities.log(), [1, 1], [0, 0])
    assert tracker.recording_confusion[1].argmax() == voted


def test_an_exact_tie_goes_to_the_lower_index() -> None:
    probabilities = torch.tensor([[0.0, 0.25, 0.75], [0.0, 0.75, 0.25]])
    assert tracked(probabilities.log(), [2, 2], [0, 0]).recording_confusion[2].tolist() == [0, 1, 0]


def test_recordings_without_windows_count_nowhere() -> None:
    tracker = tracked(torch.eye(3), [0, 1, 2], [1, 3, 5])
    assert tracker.recording_confusion.sum() == 3
    assert tracker.compute()["recording_accuracy"] == 1


def test_the_loss_is_a_mean_over_windows_not_over_batches() -> None:
    tracker = MetricsTracker(2, 1)
    for size, loss in ((3, 1.0), (1, 5.0)):
        indices = torch.zeros(size, dtype=torch.int64)
        tracker.update(torch.zeros(size, 2), indices, recordings=indices, loss=torch.tensor(loss))
    assert tracker.compute("train")["train/loss"] == 2.0


def test_update_never_waits_for_the_device() -> None:
    """A meta tensor has no values, so reading any of them on the host raises."""
    tracker = MetricsTracker(CLASSES, RECORDINGS, top_k=2, calibration_bins=15, device="meta")
    logits = torch.zeros(5, CLASSES, device="meta", requires_grad=True)
    indices = torch.zeros(5, dtype=torch.int64, device="meta")
    tracker.update(logits, indices, recordings=indices, loss=logits.sum())
    with pytest.raises((NotImplementedError, RuntimeError), match=r"(?i)meta"):
        tracker.compute()


def test_update_keeps_no_graph() -> None:
    tracker = MetricsTracker(2, 1)
    logits = torch.zeros(3, 2, requires_grad=True)
    indices = torch.zeros(3, dtype=torch.int64)
    tracker.update(logits, indices, recordings=indices, loss=logits.square().mean())
    assert not any(tensor.requires_grad for tensor in tracker.tensors())


def test_half_precision_scores_and_a_diverged_loss_are_counted_and_told() -> None:
    tracker = MetricsTracker(2, 1)
    indices = torch.zeros(2, dtype=torch.int64)
    logits = torch.tensor([[float("nan"), float("nan")], [1.0, 0.0]], dtype=torch.bfloat16)
    tracker.update(logits, indices, recordings=indices, loss=torch.tensor(float("nan")))
    assert np.isnan(tracker.compute()["loss"])
    assert tracker.confusion.sum() == 2
    assert (tracker.tensors()[3] >= 0).all()


def test_matrices_are_copies() -> None:
    tracker = tracked(torch.eye(2), [0, 1], [0, 1])
    tracker.confusion[:] = 0
    tracker.recording_confusion[:] = 0
    assert tracker.compute()["accuracy"] == tracker.compute()["recording_accuracy"] == 1


def test_per_class_is_that_of_the_windows() -> None:
    tracker = tracked(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), [0, 1, 1], [0, 1, 1])
    assert tracker.per_class().recall.tolist() == [1.0, 0.5]
    assert tracker.per_class().precision.tolist() == per_class(tracker.confusion).precision.tolist()


def test_nothing_counted_is_refused() -> None:
    with pytest.raises(RunError, match=r"^val metrics need at least one window"):
        MetricsTracker(2, 1).compute("val")
    with pytest.raises(RunError, match=r"^metrics need at least one window"):
        MetricsTracker(2).compute()


def test_trackers_of_different_shape_do_not_merge() -> None:
    with pytest.raises(RuntimeError, match="must match the size"):
        MetricsTracker(2, 3).merge(MetricsTracker(2, 4))


def test_two_gloo_workers_sum_to_what_one_counts() -> None:
    """Two threads of this process stand for two workers."""
    windows, store = Windows(41, seed=3), distributed.HashStore()  # type: ignore[attr-defined]
    trackers = [every_metric() for _ in range(2)]

    def work(rank: int) -> None:
        group: Any = distributed.ProcessGroupGloo(store, rank, 2, timedelta(seconds=30))
        windows.track(trackers[rank], torch.arange(rank, 41, 2))
        for tensor in trackers[rank].tensors():
            group.allreduce([tensor]).wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    whole = every_metric()
    windows.track(whole, torch.arange(41))
    for tracker in trackers:
        assert all(map(torch.equal, tracker.tensors()[:-1], whole.tensors()[:-1]))
        assert tracker.compute() == pytest.approx(whole.compute(), rel=1e-12)


@settings(max_examples=25)
@given(count=st.integers(1, 60), seed=st.integers(0, 1000), average=st.sampled_from(["macro", "micro", "weighted"]))
def test_agrees_with_the_functions(count: int, seed: int, average: Average) -> None:
    windows, tracker = Windows(count, seed=seed), every_metric()
    for start in range(0, count, 7):
        windows.track(tracker, torch.arange(start, min(start + 7, count)))
    values = tracker.compute("test", average=average)
    probabilities = windows.logits.double().softmax(dim=1)
    f1 = compute_f1_score(probabilities.argmax(dim=1), windows.targets, average=average)
    assert values[f"test/{average}_f1"] == f1
    assert values["test/top_2_accuracy"] == compute_top_k_accuracy(windows.logits, windows.targets, k=2)
    error = compute_expected_calibration_error(probabilities, windows.targets)
    assert values["test/expected_calibration_error"] == pytest.approx(error, abs=2**-32)
    voted = recording_vote(windows.logits, windows.recordings, num_recordings=RECORDINGS)
    present = np.flatnonzero(voted >= 0)
    truths = torch.zeros(RECORDINGS, dtype=torch.int64).scatter_(0, windows.recordings, windows.targets)[present]
    assert values[f"test/recording_{average}_f1"] == compute_f1_score(
        torch.from_numpy(voted[present]), truths, average=average
    )


def test_without_recordings_and_loss_has_only_metrics_of_windows() -> None:
    tracker = MetricsTracker(3)
    tracker.update(torch.eye(3), torch.tensor([0, 1, 1]))
    assert list(tracker.compute()) == ["accuracy", "balanced_accuracy", "macro_f1"]
    assert list(tracker.compute("test", average="micro")) == [
        "test/accuracy",
        "test/balanced_accuracy",
        "test/micro_f1",
    ]
    assert tracker.recording_confusion.sum() == 0


def test_after_a_reset_it_is_new() -> None:
    windows, tracker, new = Windows(20, seed=1), every_metric(), every_metric()
    windows.track(tracker, torch.arange(20))
    assert all(tensor.any() for tensor in tracker.tensors())
    tracker.reset()
    assert all(map(torch.equal, tracker.tensors(), new.tensors()))
    windows.track(tracker, torch.arange(5))
    windows.track(new, torch.arange(5))
    assert tracker.compute() == new.compute()


def test_a_loss_of_only_some_windows_is_refused() -> None:
    tracker = MetricsTracker(2)
    tracker.update(torch.eye(2), torch.tensor([0, 1]), loss=torch.tensor(0.5))
    assert tracker.compute()["loss"] == 0.5
    tracker.update(torch.eye(2), torch.tensor([0, 1]))
    with pytest.raises(RunError, match="the loss was given for 2 of 4 windows; give it in every update or in none"):
        tracker.compute()


def test_recordings_are_given_where_they_are_counted() -> None:
    indices = torch.tensor([0, 1])
    with pytest.raises(DataError, match="num_recordings is 3, but none were given to update"):
        MetricsTracker(2, 3).update(torch.eye(2), indices)
    with pytest.raises(DataError, match="num_recordings is 0, but recordings were given to update"):
        MetricsTracker(2).update(torch.eye(2), indices, recordings=indices)


def test_scores_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(DataError, match=r"logits must have shape \[B, K\] = \[2, 4\], got \[2, 2\]"):
        MetricsTracker(4).update(torch.eye(2), torch.tensor([0, 1]))


@pytest.mark.parametrize("wrong", [-1, 2, 4])
def test_a_class_that_does_not_exist_is_refused(wrong: int) -> None:
    with pytest.raises(IndexError, match="index out of range"):
        MetricsTracker(2).update(torch.eye(2), torch.tensor([0, wrong]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 0}, "num_classes must be at least 1 .* got 0 and 0"),
        ({"num_classes": 2, "num_recordings": -1}, "num_recordings at least 0, got 2 and -1"),
        ({"num_classes": 2, "top_k": 3}, "top_k must be from 1 to the number of classes, 2; got 3"),
        ({"num_classes": 2, "calibration_bins": 0}, "calibration_bins must be at least 1, got 0"),
    ],
)
def test_impossible_numbers_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MetricsTracker(**settings)  # type: ignore[arg-type]


def test_an_unknown_average_is_refused() -> None:
    tracker = tracked(torch.eye(2), [0, 1], [0, 1])
    with pytest.raises(ConfigError, match="average 'test' is unknown"):
        tracker.compute(average="test")  # type: ignore[arg-type]


def test_nan_ranks_as_argmax_has_it_and_has_no_confidence() -> None:
    tracker = MetricsTracker(3, top_k=1, calibration_bins=15)
    tracker.update(torch.tensor([[0.0, torch.nan, 1.0], [0.0, torch.nan, 1.0]]), torch.tensor([1, 2]))
    values = tracker.compute()
    assert values["accuracy"] == values["top_1_accuracy"] == values["expected_calibration_error"] == 0.5


def test_each_view_has_the_metrics_of_a_tracker_of_its_own() -> None:
    windows, tracker = Windows(30, seed=2), MetricsTracker(CLASSES)
    views = {"stft": windows.logits, "cwt": windows.logits.roll(1, 1)}
    for part in torch.split(torch.arange(30), 8):
        scores = {name: view[part] for name, view in views.items()}
        tracker.update(-windows.logits[part], windows.targets[part], views=scores)
    values = tracker.compute("val", average="weighted")
    for name, view in views.items():
        alone = MetricsTracker(CLASSES)
        alone.update(view, windows.targets)
        expected = alone.compute(average="weighted")
        assert values[f"val/{name}/accuracy"] == expected["accuracy"]
        assert values[f"val/{name}/weighted_f1"] == expected["weighted_f1"]
    assert values["val/accuracy"] != values["val/stft/accuracy"]


def test_a_tracker_without_windows_yet_takes_part_in_a_merge_of_views() -> None:
    windows, new = Windows(20, seed=1), every_metric()
    full, whole = every_metric(), every_metric()
    for tracker in (full, whole):
        windows.track(tracker, torch.arange(20))
    new.merge(full)
    whole.merge(every_metric())
    assert new.compute() == whole.compute() == full.compute()
    assert "stft/accuracy" in new.compute()


def test_workers_add_up_views_in_one_order() -> None:
    one, other = MetricsTracker(2), MetricsTracker(2)
    right, wrong = torch.eye(2), 1 - torch.eye(2)
    one.update(right, torch.arange(2), views={"a": right, "b": wrong})
    other.update(right, torch.arange(2), views={"b": wrong, "a": right})
    assert all(map(torch.equal, one.tensors(), other.tensors()))


def test_a_view_of_only_some_windows_is_refused() -> None:
    tracker = MetricsTracker(2)
    tracker.update(torch.eye(2), torch.tensor([0, 1]), views={"stft": torch.eye(2)})
    tracker.update(torch.eye(2), torch.tensor([0, 1]))
    with pytest.raises(RunError, match="the view 'stft' was given for 2 of 4 windows; give it in every update"):
        tracker.compute()


def test_scores_of_a_view_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"view 'cwt' must have shape \[B, K\] = \[2, 2\], got \[2, 3\]"):
        MetricsTracker(2).update(torch.eye(2), torch.tensor([0, 1]), views={"cwt": torch.zeros(2, 3)})
