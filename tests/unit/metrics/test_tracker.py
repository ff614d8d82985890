from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from torch import Tensor

from raytrain.config.schema import METRICS
from raytrain.errors import RunError
from raytrain.metrics.functional import per_class
from raytrain.metrics.tracker import MetricsTracker

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
        )


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
    whole = MetricsTracker(CLASSES, RECORDINGS)
    windows.track(whole, torch.arange(count))

    shuffled = list(range(count))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    workers = [MetricsTracker(CLASSES, RECORDINGS) for _ in range(3)]
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
    assert values.pop("val/loss") == pytest.approx(expected.pop("val/loss"), rel=1e-12)
    assert values == expected


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
    assert values["val/recording_accuracy"] == pytest.approx(oracle.accuracy_score(truths, votes), abs=1e-12)
    assert values["val/recording_macro_f1"] == pytest.approx(f1, abs=1e-12)


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
    assert tracker.compute()["val/recording_accuracy"] == 1


def test_the_loss_is_a_mean_over_windows_not_over_batches() -> None:
    tracker = MetricsTracker(2, 1)
    for size, loss in ((3, 1.0), (1, 5.0)):
        indices = torch.zeros(size, dtype=torch.int64)
        tracker.update(torch.zeros(size, 2), indices, recordings=indices, loss=torch.tensor(loss))
    assert tracker.compute("train")["train/loss"] == 2.0


def test_update_never_waits_for_the_device() -> None:
    """A meta tensor has no values, so reading any of them on the host raises."""
    tracker = MetricsTracker(CLASSES, RECORDINGS, device="meta")
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
    assert np.isnan(tracker.compute()["val/loss"])
    assert tracker.confusion.sum() == 2
    assert (tracker.tensors()[3] >= 0).all()


def test_matrices_are_copies() -> None:
    tracker = tracked(torch.eye(2), [0, 1], [0, 1])
    tracker.confusion[:] = 0
    tracker.recording_confusion[:] = 0
    assert tracker.compute()["val/accuracy"] == tracker.compute()["val/recording_accuracy"] == 1


def test_reports_exactly_the_metrics_a_run_can_be_judged_by() -> None:
    tracker = tracked(torch.eye(2), [0, 1], [0, 1])
    assert set(tracker.compute()) == set(METRICS)


def test_per_class_is_that_of_the_windows() -> None:
    tracker = tracked(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), [0, 1, 1], [0, 1, 1])
    assert tracker.per_class().recall.tolist() == [1.0, 0.5]
    assert tracker.per_class().precision.tolist() == per_class(tracker.confusion).precision.tolist()


def test_nothing_counted_is_refused() -> None:
    with pytest.raises(RunError, match="val metrics need at least one window"):
        MetricsTracker(2, 1).compute()


def test_trackers_of_different_shape_do_not_merge() -> None:
    with pytest.raises(RuntimeError, match="must match the size"):
        MetricsTracker(2, 3).merge(MetricsTracker(2, 4))
