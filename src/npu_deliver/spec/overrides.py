"""What the command line changes in a spec, before the spec is checked as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npu_deliver.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the command line changes in a spec; None leaves it as it is."""

    device: str | None = None
    weights: str | None = None
    input: Path | None = None
    tier: str | None = None
    data: Path | None = None
    annotations: str | None = None
    limit: int | None = None
    protocol: str | None = None
    criteria: str | None = None
    profile: str | None = None
    ema: bool | None = None
    num_classes: int | None = None
    labels: Path | None = None
    words: str | None = None


def overridden(values: dict[str, Any], overrides: Overrides, where: str) -> dict[str, Any]:
    """The values of a spec with what the command line changes in them.

    Raises:
        SpecError: a part of the spec holds no keys, or an override does not fit.
    """
    values = dict(values)
    values |= _weights(values, overrides, where) | _classes(overrides)
    if overrides.input is not None:
        values["inputs"] = [str(overrides.input.absolute())]
    if any(getattr(overrides, name) is not None for name in ("data", *_OF_DATA)):
        values["dataset"] = _data(_keys(values, "dataset", where), overrides)
    if overrides.profile is not None:
        values["profile"] = str(overrides.profile)
    evaluation = _keys(values, "evaluation", where)
    if overrides.device is not None:
        evaluation = {**evaluation, "device": overrides.device}
    if overrides.criteria is not None:
        own = {key: value for key, value in evaluation.items() if key != "criteria"}
        evaluation = {**own, "criteria_profile": overrides.criteria}
    if overrides.tier is not None:
        evaluation = {**evaluation, "timing": {**_keys(evaluation, "timing", where), "tier": overrides.tier}}
    if evaluation:
        values["evaluation"] = evaluation
    return values


def _weights(values: dict[str, Any], overrides: Overrides, where: str) -> dict[str, Any]:
    """Other weights keep how the spec maps and chooses entries, not the hash of its own file."""
    if overrides.weights is None and overrides.ema is None:
        return {}
    given = _keys(values, "weights", where)
    if overrides.weights is not None:
        kept = {name: given[name] for name in ("ema",) if name in given}
        given = {"source": overrides.weights, "mapping": given.get("mapping", "by_name"), **kept}
    if overrides.ema is not None:
        given = {**given, "ema": overrides.ema}
    return {"weights": given}


def _classes(overrides: Overrides) -> dict[str, Any]:
    """The classes of a model by name; without any, its task is what is left: features."""
    changes: dict[str, Any] = {}
    if overrides.num_classes is not None:
        changes["num_classes"] = overrides.num_classes
        if overrides.num_classes == 0:
            changes["task"] = "features"
    if overrides.labels is not None:
        changes["labels"] = str(overrides.labels.absolute())
    if overrides.words is not None:
        changes["words"] = overrides.words
    return changes


_OF_DATA = ("limit", "annotations", "protocol")


def _data(given: dict[str, Any], overrides: Overrides) -> dict[str, Any]:
    """The data set of the command line, or the spec's own with another limit, annotation file or protocol."""
    given = given if overrides.data is None else {"path": str(overrides.data.absolute())}
    changes = {name: v for name in _OF_DATA if (v := getattr(overrides, name)) is not None}
    if "path" not in given:
        raise SpecError(f"{'/'.join(changes)} given, but no data set", where="DATA", fix="name its folder (--data)")
    return {**given, **changes}


def _keys(values: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """The part of a spec under a key, whose own keys an override changes."""
    part = values.get(name) or {}
    if not isinstance(part, dict):
        raise SpecError(
            f"{name} must hold keys, found {str(part)[:60]!r}", where=where, fix="see docs/reference/spec.md"
        )
    return part
