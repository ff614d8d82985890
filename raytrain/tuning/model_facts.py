"""What a trial's model costs: the numbers beside the metric that a sweep can aim at or be bound by."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Set as AbstractSet
from time import perf_counter

import torch
from torch import Tensor, nn

from raytrain.config.space import SpaceConfig
from raytrain.engine.flops import count_flops
from raytrain.engine.training import Training
from raytrain.engine.transforms import epoch_generator, transformed
from raytrain.models.classifier import Inputs
from raytrain.types import FINAL

__all__ = ["latency_s", "model_facts", "wanted_facts"]

MODEL_FACTS = frozenset({"model/parameters", "model/flops", "model/latency_ms"})
_ROUNDS = 21


def wanted_facts(space: SpaceConfig) -> frozenset[str]:
    """Return which facts of its models a sweep aims at or is bound by."""
    return MODEL_FACTS & {*space.search.objectives, *space.search.constraints}


def model_facts(training: Training, wanted: AbstractSet[str]) -> dict[str, float]:
    """Return the wanted facts of a run's model.

    Args:
        training: The run, not yet begun.
        wanted: `model/parameters`, numbers it learns; `model/flops`, operations per window
            (`engine.flops`); `model/latency_ms`, milliseconds for one window on one CPU thread, the median of 21.
    """
    model = training.model
    facts: dict[str, float] = {}
    if "model/parameters" in wanted:
        facts["model/parameters"] = float(sum(one.numel() for one in model.parameters() if one.requires_grad))
    if wanted & {"model/flops", "model/latency_ms"}:
        window = _window(training)
        if "model/flops" in wanted:
            facts["model/flops"] = float(count_flops(model, window))
        if "model/latency_ms" in wanted:
            facts["model/latency_ms"] = 1e3 * latency_s(model, window, rounds=_ROUNDS)
    return facts


@torch.inference_mode()
def latency_s(model: nn.Module, inputs: Inputs, *, rounds: int) -> float:
    """Return the median seconds that a copy of `model` takes for `inputs` on one CPU thread, after one to warm up."""
    threads, timed = torch.get_num_threads(), copy.deepcopy(model).cpu().eval()
    torch.set_num_threads(1)
    try:
        seconds = []
        for _ in range(rounds + 1):
            begun = perf_counter()
            timed(inputs)
            seconds.append(perf_counter() - begun)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(seconds[1:])


def _window(training: Training) -> Inputs:
    """Return one window on the CPU as the model sees it in evaluation."""
    batch = next(iter(training.train if training.validation is None else training.validation))
    applied = [transform for transform in training.transforms if transform.in_evaluation]
    device = training.device
    seen = transformed(batch.to(device), applied, FINAL, epoch_generator(0, epoch=0, device=device)).inputs
    return seen[:1].cpu() if isinstance(seen, Tensor) else {name: view[:1].cpu() for name, view in seen.items()}
