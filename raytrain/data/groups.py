"""Which group a recording belongs to under a rule, and which part each group goes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from raytrain.config.schema import SplitConfig
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, PartName
from raytrain.data.select import matches, order_key
from raytrain.errors import ConfigError, DataError

__all__ = ["choose_groups", "draw_groups", "group_of", "named_groups"]

MOST_DRAWS = 100


def group_of(recording: Recording, rule: str) -> str | None:
    """Return the group that must stay in one part under `rule`; None when the recording has none.

    A load carries its unit, so that `0 hp` and `0 lb` are two groups.
    """
    match rule:
        case "by-recording":
            return recording.recording_id
        case "by-bearing":
            return recording.bearing_id or None
        case "by-dataset":
            return recording.dataset or None
        case "by-severity":
            return recording.severity or None
        case "by-load":
            return None if recording.load is None else f"{recording.load:g} {recording.load_unit}".strip()
        case _:
            return None


def named_groups(groups: Sequence[str], config: SplitConfig) -> dict[str, PartName]:
    """Return the part of each group that the configuration names.

    Raises:
        ConfigError: A list is empty, a name matches no group, or a group is named in two parts.
    """
    noun = config.rule.removeprefix("by-")
    named: dict[str, PartName] = {}
    for part in PARTS:
        wanted_groups = getattr(config, part)
        if wanted_groups == []:
            raise ConfigError(f"data.split.{part} is empty; name at least one {noun}, or leave the field out")
        for wanted in wanted_groups or []:
            hits = [group for group in groups if matches(group, wanted)]
            if not hits:
                raise ConfigError(
                    f"data.split.{part}: no {noun} matches {_text(wanted)}; there are: {', '.join(groups)}"
                )
            for group in hits:
                if named.setdefault(group, part) != part:
                    raise ConfigError(
                        f"data.split: {noun} {group!r} is named in {named[group]} and in {part}; "
                        "each may be in one part only"
                    )
    return named


def choose_groups(groups: Sequence[str], config: SplitConfig) -> dict[str, PartName]:
    """Divide groups that classes share (loads, severities, data sets), in the order of their values.

    Parts that are not named are chosen: the last groups test, and those nearest below the test part (the last
    of the others when none is below) validate. The rest trains, unless the training groups are named.

    Raises:
        ConfigError: As `named_groups`.
        DataError: Too few groups are left for the parts that are not named, or none to train on.
    """
    parts = named_groups(groups, config)
    missing = _unnamed(config)
    for position, part in enumerate(missing):
        free = [group for group in groups if group not in parts]
        reserve = len(missing) - position - 1
        if len(free) <= reserve:
            raise DataError(_too_few(groups, parts, part, config))
        if part == "validation":
            first_test = min(order_key(group) for group, of in parts.items() if of == "test")
            free = [group for group in free if order_key(group) < first_test] or free
        count = len(free) if part == "train" else _share(len(groups), part, config)
        count = max(1, min(count, len(free) - reserve))
        parts |= dict.fromkeys(free[-count:], part)
    return parts


def draw_groups(classes: Mapping[str, Collection[str]], config: SplitConfig) -> dict[str, PartName]:
    """Divide groups of one class each (recordings, bearings) by drawing, so that each class is in each part.

    A group that two classes share all the same (a bearing before and after its fault) goes to one part.

    Args:
        classes: The groups of each class.
        config: Names groups, gives the fractions and the seed.

    Raises:
        ConfigError: As `named_groups`.
        DataError: A class has too few groups, or shared groups leave no division.
    """
    named = named_groups(sorted(set().union(*classes.values()), key=order_key), config)
    missing = _unnamed(config)
    for name, groups in classes.items():
        free = [group for group in groups if group not in named]
        if len(free) < len(missing):
            raise DataError(_class_too_small(name, sorted(groups, key=order_key), free, missing, config))
    rng = np.random.default_rng(config.seed)
    for _ in range(MOST_DRAWS):
        parts = _draw(classes, named, config, rng)
        if all(set(missing) <= {parts.get(group) for group in groups} for groups in classes.values()):
            return parts
    raise DataError(
        f"{config.rule}: classes share groups so that {MOST_DRAWS} draws found no division with each class "
        "in each part; name the groups in data.split, or use another rule"
    )


def _draw(
    classes: Mapping[str, Collection[str]],
    named: Mapping[str, PartName],
    config: SplitConfig,
    rng: np.random.Generator,
) -> dict[str, PartName]:
    """Draw once, the smallest class first, since it has the least choice."""
    parts = dict(named)
    missing = _unnamed(config)
    for name in sorted(classes, key=lambda name: (len(classes[name]), name)):
        groups = sorted(classes[name])
        free = [groups[i] for i in rng.permutation(len(groups)) if groups[i] not in parts]
        for position, part in enumerate(missing):
            held = [parts[group] for group in groups if group in parts]
            reserve = sum(later not in held for later in missing[position + 1 :])
            count = len(free) if part == "train" else _share(len(groups), part, config) - held.count(part)
            count = max(0, min(count, len(free) - reserve))
            parts |= dict.fromkeys(free[:count], part)
            free = free[count:]
    return parts


def _unnamed(config: SplitConfig) -> list[PartName]:
    """Return the parts to choose groups for; training comes last and takes the rest."""
    order: tuple[PartName, ...] = ("test", "validation", "train")
    return [part for part in order if getattr(config, part) is None]


def _share(count: int, part: PartName, config: SplitConfig) -> int:
    fraction = config.test_fraction if part == "test" else config.validation_fraction
    return max(1, round(fraction * count))


def _too_few(groups: Sequence[str], parts: Mapping[str, PartName], part: PartName, config: SplitConfig) -> str:
    named = ", ".join(f"{group} ({parts.get(group, 'free')})" for group in groups)
    cure = f"name one of them in data.split.{part} only" if parts else "data with more groups"
    return (
        f"{config.rule}: no group is left for {part}. There are {len(groups)}: {named}; training, validation "
        f"and test need at least one each. What would work: {cure}, or rule by-recording or by-block"
    )


def _class_too_small(
    name: str, groups: Sequence[str], free: Sequence[str], missing: Sequence[PartName], config: SplitConfig
) -> str:
    noun = config.rule.removeprefix("by-")
    left = "" if len(free) == len(groups) else f", {len(free)} of them not named in data.split"
    return (
        f"class {name!r} has too few groups for {config.rule}: {len(groups)} ({', '.join(groups)}){left}; "
        f"{', '.join(missing)} need one {noun} each, so at least {len(missing)}. What would work: "
        f"data.split.block_classes: [{name}] (cuts its recordings by time), rule by-block, or more of them"
    )


def _text(wanted: str | float) -> str:
    return repr(wanted) if isinstance(wanted, str) else f"{wanted:g}"
