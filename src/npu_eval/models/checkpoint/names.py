"""The names in a checkpoint and those of a network: what stands before them, and what belongs to something else.

Only what is declared here may be left out, each kind with its reason; anything else that has no place in the network is
an error of the strict loading. Pure; entries are only asked for their ``shape``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COUNTER = "num_batches_tracked"
"""BatchNorm's step counter. PyTorch before 0.4.1 had none, and it takes no part in inference."""

_BUFFERS = (COUNTER, "running_mean", "running_var")

_AVERAGED = frozenset({"ema", "teacher", "averaged", "average", "avg", "swa", "shadow", "polyak", "momentum", "target"})
_KEYS = re.compile(r"(?:encoder|backbone|model|net|network)_k(?!\w)")
"""MoCo calls the averaged one of its two networks that of the keys."""

_FLAT = re.compile(r"(?P<before>(?:\w+[._])??ema[._])(?P<name>.+)")
"""An averaged entry beside the plain one: MMCV writes ``ema_layer1_conv_weight``, others ``model_ema.layer1…``."""


@dataclass(frozen=True)
class Kind:
    """Entries that may be left out. ``code`` is how `phrases` tells it, with the reason.

    ``first`` matches the first part of a name below what it shares with the network's own, ``last`` its last part;
    ``single`` wants one number alone. ``whole`` matches all of such a name.
    """

    code: str
    first: str = ""
    last: str = ""
    single: bool = False
    whole: str = ""

    def matches(self, name: str, entry: Any) -> bool:
        """Whether an entry is of this kind."""
        parts = name.split(".")
        if self.single and any(side != 1 for side in entry.shape):
            return False
        if self.whole and re.fullmatch(self.whole, name) is None:
            return False
        if self.first and (len(parts) < 2 or re.fullmatch(self.first, parts[0], re.I) is None):
            return False
        return not self.last or re.fullmatch(self.last, parts[-1], re.I) is not None


KINDS: tuple[Kind, ...] = (
    Kind(
        "left-averaging", last=r"n_averaged|num_updates|n_updates|updates|steps?|decay|ema_decay|initted", single=True
    ),
    Kind("left-profiler", last=r"total_ops|total_params", single=True),
    Kind("left-steps", last=COUNTER, single=True),
    Kind("left-loss", first=r"criterions?|criteria|loss(?:es)?|loss_\w+|\w+_loss|\w+_criterion"),
    Kind(
        "left-metric", first=r"(?:\w+_)?(?:metrics?|acc\d?|accuracy|top\d|auroc|f1|confmat|confusion_matrix)(?:_\w+)?"
    ),
    Kind("left-queue", last=r"queue\w*"),
    Kind("left-projector", first=r"projector|projection_head|projection|predictor|prediction_head|prototypes"),
    Kind("left-projector", first="head", last=r"weight_[gv]"),
    Kind("left-frequencies", last=r"freqs_cis"),
    Kind("left-tracker", first=r"tracker_model|tracker_neck"),
    Kind("left-points", whole=r"(?:.+\.)?geometry_encoder\.points_\w+\.(?:weight|bias)"),
)
"""What may be left out: an entry that the network has no place for and that takes no part in what it computes."""

_PROJECTION = re.compile(r"head\.(?:mlp|projection|last_layer|prototypes)\.")
"""DINO's head of the self-supervised training, which has a name that others give to their classifier."""


@dataclass(frozen=True)
class Arranged:
    """A state under the network's names.

    ``extra`` are entries without a place that nothing declares; ``left`` is kind → the names of what was left out.
    """

    entries: dict[str, Any]
    prefix: str = ""
    left: dict[str, tuple[str, ...]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def is_averaged(place: str) -> bool:
    """Whether the name of a place in a checkpoint says that the weights in it are averaged."""
    parts = re.split(r"[^0-9A-Za-z]+|_", place.lower())
    return not _AVERAGED.isdisjoint(parts) or _KEYS.search(place.lower()) is not None


def counts_averages(state: Arranged) -> bool:
    """Whether a state brings the counter of torch's AveragedModel (SWA, EMA)."""
    return any(name.rpartition(".")[2] == "n_averaged" for name in state.left.get("left-averaging", ()))


def prefixes(names: Iterable[str], own: Iterable[str]) -> list[str]:
    """What stands before the network's names in a checkpoint: the prefix of the most entries first, then shorter ones.

    An empty prefix is one too.
    """
    wanted, counts = frozenset(own), Counter[str]()
    for name in names:
        parts = name.split(".")
        for place in range(len(parts)):
            if ".".join(parts[place:]) in wanted:
                counts["".join(f"{part}." for part in parts[:place])] += 1
    return sorted(counts, key=lambda prefix: (-counts[prefix], len(prefix), prefix))


def covers(state: Mapping[str, Any], own: Mapping[str, Any], prefix: str) -> bool:
    """Whether a state has every entry of a network below a prefix, in its shape; step counters may be absent."""
    for name, value in own.items():
        found = state.get(prefix + name)
        if found is None:
            if not name.endswith(COUNTER):
                return False
        elif tuple(found.shape) != tuple(value.shape):
            return False
    return True


def arranged(state: Mapping[str, Any], own: Mapping[str, Any], prefix: str) -> Arranged:
    """A state with a prefix taken off, and with what is declared left out."""
    entries = {name: state[prefix + name] for name in own if prefix + name in state}
    taken = {prefix + name for name in entries}
    rest = {name: value for name, value in state.items() if name not in taken}
    left, extra = declared(rest, prefix)
    if not entries and not prefix:  # nothing fits: the strict loading says what is there
        return Arranged(dict(state))
    return Arranged(entries, prefix, left, extra)


def declared(rest: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, tuple[str, ...]], dict[str, Any]]:
    """Entries without a place: kind → names of those that may be left out, and the others."""
    left: dict[str, list[str]] = {}
    extra = {}
    for name, value in rest.items():
        code = _kind(_below(name, prefix), value, outside=not name.startswith(prefix) or not prefix)
        if code:
            left.setdefault(code, []).append(name)
        else:
            extra[name] = value
    return {code: tuple(names) for code, names in left.items()}, extra


def _kind(name: str, value: Any, *, outside: bool) -> str:
    found = next((kind.code for kind in KINDS if kind.matches(name, value)), "")
    return found or ("left-projector" if outside and _PROJECTION.match(name) else "")


def _below(name: str, prefix: str) -> str:
    """A name below the parts that it shares with a prefix: ``module.criterion.weight`` beside ``module.model.``."""
    parts, shared = name.split("."), prefix.split(".")[:-1]
    count = next((i for i, pair in enumerate(zip(parts, shared, strict=False)) if pair[0] != pair[1]), None)
    count = min(len(parts) - 1, len(shared)) if count is None else count
    return ".".join(parts[count:])


def flat_twins(state: Mapping[str, Any], own: Mapping[str, Any], prefix: str) -> tuple[str, dict[str, Any]]:
    """Averaged entries whose names have lost their dots, beside plain ones below a prefix.

    Returns:
        What stands before their names, and the network's name → the entry; nothing unless every parameter has one.
        Statistics of BatchNorm without one are the plain ones, as those hooks share them.
    """
    by_squashed = {_squashed(name): name for name in own}
    found: dict[str, dict[str, Any]] = {}
    for name, value in state.items():
        match = _FLAT.fullmatch(name)
        if match and (place := by_squashed.get(_squashed(match["name"]))) and name != prefix + place:
            found.setdefault(match["before"], {})[place] = value
    for before, twins in found.items():
        shared = {n: state[prefix + n] for n in own if n.endswith(_BUFFERS) and n not in twins and prefix + n in state}
        if covers(twins | shared, own, ""):
            return before, twins | shared
    return "", {}


def _squashed(name: str) -> str:
    return name.replace(".", "").replace("_", "")


def shared_prefixes(names: Sequence[str], most: int = 4) -> list[str]:
    """The dotted beginnings that all of some names share, shortest first."""
    if not names:
        return []
    first = names[0].split(".")[:-1]
    found = ["".join(f"{part}." for part in first[:count]) for count in range(1, min(len(first), most) + 1)]
    return [prefix for prefix in found if all(name.startswith(prefix) for name in names)]
