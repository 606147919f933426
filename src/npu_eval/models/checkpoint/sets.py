"""Which of the sets of weights in a checkpoint is the network's: found by what fits, told in words, never by chance.

A file often holds two that fit, the trained weights and their running average (EMA). The spec says which is meant;
without that it is the one that the framework evaluates with, by the table below. The other one is always told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from npu_eval.asked.spec import EMA_CHOICES
from npu_eval.errors import AdapterError, WeightsError
from npu_eval.models.checkpoint import names as names_of
from npu_eval.models.checkpoint.file import python_line
from npu_eval.notation.phrases import Phrase, said

EMA, PLAIN = EMA_CHOICES

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "model_state",
    "params",
    "net",
    "network",
    "weights",
    "module",
)
"""Where training tools put the state dictionary; for messages, and for the order in which sets are named."""

_NO_WEIGHTS = re.compile(r"(?:\w+_)?(?:optimi[sz]ers?|optim|schedulers?|scaler|amp|grads?|gradients)(?:_\w+)?", re.I)
"""Keys that hold tensors of the network's shapes and no weights."""

_DEPTH = 3
"""How deep below the top a set of weights may lie: ``{"checkpoint": {"ema": {"module": …}}}``."""

Rename = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Rule:
    """With which of two sets a framework evaluates, by the places where it keeps them; ``source`` is where it says so.

    ``exchanged``: the averaged ones lie in the plain place, because a hook exchanges the two when it saves.
    """

    framework: str
    source: str
    plain: str = ""
    averaged: str = ""
    default: str = EMA
    exchanged: bool = False


RULES = (
    Rule("timm", "timm/models/_helpers.py", "state_dict", "state_dict_ema"),
    Rule("torchvision", "references/classification/train.py", "model", "model_ema"),
    Rule("Ultralytics", "ultralytics/nn/tasks.py", "model", "ema"),
    Rule("RT-DETR", "tools/export_onnx.py", "model", "ema.module"),
    Rule("Real-ESRGAN", "realesrgan/utils.py", "params", "params_ema"),
    Rule("DINO", "eval_linear.py", "student", "teacher"),
    Rule("MoCo", "main_lincls.py", "encoder_q", "encoder_k", default=PLAIN),
    Rule("BYOL", "arXiv:2006.07733", "online_encoder", "target_encoder", default=PLAIN),
    Rule("BYOL", "arXiv:2006.07733", "online_network", "target_network", default=PLAIN),
)
"""A pair that no rule names takes the averaged ones: whoever keeps an average keeps it for that. Read on 2026-11-30."""

MMENGINE = Rule("MMEngine", "mmengine/hooks/ema_hook.py", exchanged=True)
MMCV = Rule("MMCV", "mmcv/runner/hooks/ema.py", exchanged=True)
UNKNOWN = Rule("", "")


@dataclass(frozen=True)
class Set:
    """Tensors that lie together in a file. ``place`` is where: keys joined by dots, "" at the top."""

    place: str
    entries: Mapping[str, Tensor]
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A set under the network's names. ``fits``: every entry has its place, in its shape."""

    place: str
    state: names_of.Arranged
    averaged: bool
    fits: bool
    flat: bool = False
    score: int = 0


@dataclass(frozen=True)
class Chosen:
    """The weights to load, under the network's names, and what there is to say of them."""

    entries: Mapping[str, Tensor]
    notes: tuple[Phrase, ...] = ()
    extra: tuple[str, ...] = ()


def sets_in(content: Any) -> tuple[Set, ...]:
    """Every dictionary with tensors in a file's content, the outermost first."""
    return tuple(_sets(content, (), _DEPTH)) if isinstance(content, Mapping) else ()


def exchanges(content: Any) -> bool:
    """Whether MMEngine's EMA hook wrote the file: it exchanges averaged and plain weights on saving."""
    if not isinstance(content, Mapping) or not {"state_dict", "ema_state_dict"} <= content.keys():
        return False
    meta, averaged = content.get("meta"), content["ema_state_dict"]
    told = isinstance(meta, Mapping) and "mmengine_version" in meta
    return told or "message_hub" in content or (isinstance(averaged, Mapping) and "steps" in averaged)


def choose(
    content: Any, own: Mapping[str, Tensor], *, mapping: str, ema: str, rename: Rename | None, where: str
) -> Chosen:
    """The set of weights to load.

    Args:
        content: what the file holds, with tensors in it.
        own: the network's entries.
        ema: `EMA`, `PLAIN`, or "" for what the framework evaluates with.
        rename: the adapter's, for checkpoints of the model under older names.

    Raises:
        WeightsError: there is none, or several that fit and nothing tells which is meant.
    """
    sets = sets_in(content)
    if not sets:
        raise WeightsError("it holds no weights", where=where)
    candidates = [c for s in sets for c in _candidates(s, own, mapping, rename, exchanges(content))]
    fitting = [c for c in candidates if c.fits]
    if not fitting:
        best = max(candidates, key=lambda c: (c.score, -len(c.state.extra), -_rank(c.place)))
        return _told(best, (), sets)
    plain = _only([c for c in fitting if not c.averaged], where)
    averaged = _only([c for c in fitting if c.averaged], where)
    if plain is None or averaged is None:
        chosen = plain or averaged
        assert chosen is not None
        return _alone(chosen, ema, sets, where)
    rule = _rule(plain, averaged, swapped=exchanges(content))
    wanted = ema or rule.default
    taken, other = (averaged, plain) if wanted == EMA else (plain, averaged)
    return _told(taken, (_pair(taken, other, rule, wanted, asked=bool(ema)),), sets, other.place)


def _sets(content: Mapping[Any, Any], path: tuple[str, ...], depth: int) -> Iterator[Set]:
    tensors = {key: value.detach() for key, value in content.items() if isinstance(value, Tensor) and _is_text(key)}
    if tensors:
        inner = (k for k, v in content.items() if k not in tensors and not isinstance(v, Mapping))
        yield Set(".".join(path), tensors, tuple(str(key) for key in inner))
    for key, value in content.items():
        if depth and isinstance(value, Mapping) and _is_text(key) and not _NO_WEIGHTS.fullmatch(key):
            yield from _sets(value, (*path, key), depth - 1)


def _is_text(key: Any) -> bool:
    return isinstance(key, str)


def _candidates(
    found: Set, own: Mapping[str, Tensor], mapping: str, rename: Rename | None, swapped: bool
) -> Iterator[Candidate]:
    averaged = names_of.is_averaged(found.place)
    if swapped and found.place.partition(".")[0] in ("state_dict", "ema_state_dict"):
        averaged = not averaged
    if mapping == "by_order":
        yield _in_order(found, own, averaged)
    elif rename is not None:
        yield _renamed(found, own, rename, averaged)
    else:
        yield from _by_name(found, own, averaged)


def _by_name(found: Set, own: Mapping[str, Tensor], averaged: bool) -> Iterator[Candidate]:
    known = names_of.prefixes(found.entries, own)
    whole = [prefix for prefix in known if names_of.covers(found.entries, own, prefix)]
    for prefix in whole or known[:1] or [""]:
        state = names_of.arranged(found.entries, own, prefix)
        flat, twins = names_of.flat_twins(found.entries, own, prefix) if state.extra else ("", {})
        twins = {} if flat in whole else twins
        others = tuple(p for p in (*whole, flat) if p and p != prefix)
        state = replace(state, extra={n: v for n, v in state.extra.items() if not n.startswith(others)})
        hooked = bool(twins) and flat == "ema_"  # MMCV's hook exchanges the two before it saves
        place = found.place if len(whole) < 2 else f"{found.place} {prefix}".strip()
        this = averaged or names_of.is_averaged(prefix) or names_of.counts_averages(state) or hooked
        yield Candidate(place, state, this, prefix in whole and not state.extra, hooked, len(state.entries))
        if twins:
            other = names_of.Arranged(twins, flat)
            yield Candidate(f"{found.place} {flat}*".strip(), other, not hooked, not state.extra, hooked)


def _in_order(found: Set, own: Mapping[str, Tensor], averaged: bool) -> Candidate:
    """For a pairing by place: names say nothing, so only what no network has is left out."""
    left, rest = names_of.declared(found.entries)
    steps = left.pop("left-steps", ())
    entries = {name: v for name, v in found.entries.items() if name in rest or name in steps}
    counterless = sum(not name.endswith(names_of.COUNTER) for name in own)
    fits = len(entries) in (len(own), counterless)
    return Candidate(
        found.place, names_of.Arranged(entries, "", left), averaged, fits, score=-abs(len(own) - len(entries))
    )


def _renamed(found: Set, own: Mapping[str, Tensor], rename: Rename, averaged: bool) -> Candidate:
    """Under the names that the adapter gives; beginnings that all names share are tried without, one after the other.

    Raises:
        AdapterError: the adapter takes it in no form; its first word on it.
    """
    left, rest = names_of.declared({n: v for n, v in found.entries.items() if n not in own})
    steps = left.pop("left-steps", ())  # they have a place yet, under their other names
    kept = {name: value for name, value in found.entries.items() if name in own or name in rest or name in steps}
    made: list[Candidate] = []
    refusals: list[AdapterError] = []
    for prefix in ["", *names_of.shared_prefixes(list(kept))]:
        try:
            entries = dict(rename({name.removeprefix(prefix): value for name, value in kept.items()}))
        except AdapterError as error:
            refusals.append(error)
            continue
        inside = {name: value for name, value in entries.items() if name in own}
        more, extra = names_of.declared({name: value for name, value in entries.items() if name not in own})
        state = names_of.Arranged(inside, prefix, left | more, extra)
        fits = names_of.covers(inside, own, "") and not extra
        made.append(Candidate(found.place, state, averaged, fits, score=len(inside)))
        if fits:
            break
    if not made:
        raise refusals[0]
    return max(made, key=lambda c: (c.fits, c.score))


def _only(candidates: Sequence[Candidate], where: str) -> Candidate | None:
    """The one of several that fit: they are the same weights, or nothing tells which is meant."""
    ordered = sorted(candidates, key=lambda c: _rank(c.place))
    if not ordered:
        return None
    first = ordered[0]
    for other in ordered[1:]:
        if any(
            not _same(first.state.entries[n], v) for n, v in other.state.entries.items() if n in first.state.entries
        ):
            what = f"two sets of weights fit the network, {_named(first.place)} and {_named(other.place)}"
            raise WeightsError(what, where=where, fix=_keep_one(first.place, where))
    return first


def _same(left: Tensor, right: Tensor) -> bool:
    return left is right or (left.shape == right.shape and bool((left == right).all()))


def _keep_one(place: str, where: str) -> str:
    path, _, prefix = place.partition(" ")
    found = f"torch.load({where!r}, map_location='cpu', weights_only=True)"
    found += "".join(f"[{key!r}]" for key in path.split(".") if key)
    if prefix:
        found = f"{{k: v for k, v in {found}.items() if k.startswith({prefix!r})}}"
    code = f"import torch; torch.save({found}, 'weights.pth')"
    return f"save the one that is meant alone, e.g. {python_line(code)}"


def _rank(place: str) -> int:
    first = place.partition(" ")[0].partition(".")[0]
    return WRAPPERS.index(first) if first in WRAPPERS else len(WRAPPERS)


def _alone(chosen: Candidate, ema: str, sets: Sequence[Set], where: str) -> Chosen:
    """One set alone fits; what was asked for must be that one."""
    if ema and (ema == EMA) != chosen.averaged:
        has, lacks = ("averaged", "other") if chosen.averaged else ("plain", "averaged")
        what = f"it holds no {lacks} weights that fit, only {has} ones under {_named(chosen.place)}"
        raise WeightsError(what, where=where, fix="leave out --ema, --no-ema and weights.ema")
    notes = (said("weights-averaged-alone", taken=_named(chosen.place)),) if chosen.averaged else ()
    return _told(chosen, notes, sets)


def _rule(plain: Candidate, averaged: Candidate, *, swapped: bool) -> Rule:
    if plain.flat or averaged.flat:
        return MMCV
    if swapped and averaged.place.partition(".")[0] == "state_dict":
        return MMENGINE
    for rule in RULES:
        if _at(plain.place, rule.plain) and _at(averaged.place, rule.averaged):
            return rule
    return UNKNOWN


def _at(place: str, key: str) -> bool:
    """Whether a place is a key, or a prefix of names that ends with it."""
    return place == key or place.endswith((f" {key}.", f".{key}.")) or place == f"{key}."


def _pair(taken: Candidate, other: Candidate, rule: Rule, wanted: str, *, asked: bool) -> Phrase:
    """Which of the two was taken, why, and that there is the other."""
    about = {"taken": _named(taken.place), "other": _named(other.place)}
    averaged = "averaged" if wanted == EMA else "plain"
    if asked:
        return said(f"weights-{averaged}-asked", **about)
    if rule is UNKNOWN:
        return said("weights-averaged-usual", **about)
    code = "weights-averaged-exchanged" if rule.exchanged else f"weights-{averaged}"
    return said(code, framework=rule.framework, source=rule.source, **about)


def _told(chosen: Candidate, notes: Sequence[Phrase], sets: Sequence[Set], *others: str) -> Chosen:
    """The chosen weights with everything that was taken off or left out."""
    state, told = chosen.state, list(notes)
    if state.prefix and not chosen.place.endswith("*"):
        told.append(said("weights-prefix", prefix=state.prefix))
    told += [said(code, count=len(found), names=_listed(found)) for code, found in sorted(state.left.items())]
    place = chosen.place.partition(" ")[0]
    used = {place, *(other.partition(" ")[0] for other in others)}
    told += [
        said("left-other-set", key=_named(s.place), count=len(s.entries))
        for s in sets
        if s.place not in used and any(entry.numel() > 1 for entry in s.entries.values())
    ]
    beside = next((s.others for s in sets if s.place == place), ())
    if beside:
        told.append(said("left-no-tensor", count=len(beside), names=_listed(beside)))
    return Chosen(state.entries | state.extra, tuple(told), tuple(state.extra))


def _named(place: str) -> str:
    return place or "/"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
