"""Under which settings a number was taken: batch, cards, format, chip, resolution and the like, from the words around.

Two numbers under different settings are two quantities. A setting is a name and a value in one spelling; a text that
names two values of one setting gives both, joined, and is then about neither alone.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from npu_deliver.lint.reading.words.label import BATCH, DTYPE, batches, dtypes

Setting = tuple[str, str]
Settings = frozenset[Setting]

_DIGITS = {"单": "1", "双": "2", "两": "2", "二": "2", "四": "4", "八": "8", "十六": "16"}
_CARDS = re.compile(
    r"(?<![A-Za-z0-9.])(?!310|710|910)(?P<p>\d{1,4})\s?[pP](?![a-zA-Z0-9])"
    r"|(?P<zh>十六|[单双两二四八])\s?(?:卡|芯片?|npu|gpu)"
    r"|(?<![\d.])(?P<n>\d{1,4})\s?[x×*]?\s?(?:张)?(?:卡|芯|npus?(?![a-z])|gpus?(?![a-z])|cards?(?![a-z])|devices?(?![a-z]))"
    r"|(?:npu|gpu|card|device|world)[_\s]?(?:nums?|number|count|size|数量|个数|卡数)\s*[:=为]?\s*(?P<v>\d{1,4})(?![\d.])"
    r"|卡数\s*[:=为]?\s*(?P<c>\d{1,4})(?![\d.])"
    r"|(?P<single>\bsingle[- ](?:card|npu|gpu|device)|\bone (?:card|npu|gpu|device)\b)"
    r"|(?P<dual>\bdual[- ]?(?:card|npu|gpu|device)?\b)",
    re.IGNORECASE,
)
_NODES = re.compile(r"(?P<zh>[单双两二四])机|(?<![\d.])(?P<n>\d{1,3})\s?(?:机|nodes?\b|台)", re.IGNORECASE)
_CHIP = re.compile(
    r"(?<![A-Za-z0-9_.])(?:atlas[ -]?\d{3}[a-z]?(?: ?(?:pro|duo|[iat]\d))*(?![a-z\d])"
    r"|(?:ascend[ -]?|昇腾\s?|npu[ -]?)?(?:310[pb]?\d?|910(?:_?9\d{1,3}|[abc]\d?|pro[ab]?)?|710)(?![A-Za-z0-9_.])"
    r"|(?:tesla |nvidia |rtx ?|geforce )*(?:[tpv]4|[avhp]100s?|a10|a30|h200|h20|l40s?|l20|[1-4]0[5-9]0(?: ?ti)?"
    r"|titan[ \w]{0,4})(?![A-Za-z0-9_.])"
    r"|(?:鲲鹏|kunpeng)[ -]?\d{3,4}|xeon(?:[ -]\w{1,12}){0,3}|epyc(?:[ -]\w{1,8})?|i[3579]-\d{4,5}\w?"
    r"|竞品\s?[A-Z]?(?![a-z]))",
    re.IGNORECASE,
)
_RESOLUTION = re.compile(r"(?<![A-Za-z0-9_.])(?P<a>\d{2,5})\s?[x×*]\s?(?P<b>\d{2,5})(?![A-Za-z0-9_.])")
_NAMED = (
    (
        "sequence",
        re.compile(r"(?:seq(?:uence)?[_ ]?(?:len(?:gth)?)?|序列长度|max_len)\s*[:=_]?\s*(\d{1,6})", re.IGNORECASE),
    ),
    (
        "torch",
        re.compile(r"(?<![a-z])(?:pytorch|torch|pt)\s*[-_:=]?\s*v?(\d{1,2}\.\d{1,3}(?:\.\d{1,3})?)", re.IGNORECASE),
    ),
    (
        "epochs",
        re.compile(r"(?:epochs?|轮)\s*[:=]?\s*(\d{1,5})(?![\d.])|(?<![\d.])(\d{1,5})\s?(?:epochs?|轮)", re.IGNORECASE),
    ),
    ("steps", re.compile(r"(?:steps?|iters?|iterations?)\s*[:=]\s*(\d{1,9})(?![\d.])", re.IGNORECASE)),
    ("beam", re.compile(r"beam(?:[_ ]?size|[_ ]?search)?\s*[:=]?\s*(\d{1,3})(?![\d.])", re.IGNORECASE)),
)
_PHASES = (
    ("train", re.compile(r"训练|(?<![a-z])train(?:ing)?(?![a-z])|微调|finetun|预训练|pretrain", re.IGNORECASE)),
    ("pipeline", re.compile(r"端到端|e2e|end.to.end|全流程|整网", re.IGNORECASE)),
    ("before", re.compile(r"前处理|预处理|pre-?process", re.IGNORECASE)),
    ("after", re.compile(r"后处理|post-?process", re.IGNORECASE)),
)
_STAGES = (
    ("before", re.compile(r"优化前|改造前|原始|(?<![a-z])before(?![a-z])|未优化|默认配置", re.IGNORECASE)),
    ("after", re.compile(r"优化后|改造后|(?<![a-z])after(?![a-z])|已优化|optimi[sz]ed", re.IGNORECASE)),
    ("first", re.compile(r"首次|第一次|冷启动|(?<![a-z])cold(?![a-z])", re.IGNORECASE)),
)
_KIND_OF_MODEL = (
    ("om", re.compile(r"(?<![a-z])\.?om(?![a-z])", re.IGNORECASE)),
    ("onnx", re.compile(r"(?<![a-z])onnx(?![a-z])", re.IGNORECASE)),
    ("pth", re.compile(r"(?<![a-z])pth?(?![a-z])", re.IGNORECASE)),
)


@functools.lru_cache(maxsize=16384)
def settings(text: str) -> Settings:
    """The settings that a label, a cell, a heading or a line names."""
    if not text or text.isspace():
        return frozenset()
    values: dict[str, tuple[str, ...]] = {
        "batch": tuple(str(b) for b in batches(text)),
        "dtype": tuple(sorted(dtypes(text))),
        "cards": _cards(text),
        "nodes": tuple(_DIGITS.get(m["zh"] or "", m["n"] or "") for m in _NODES.finditer(text)),
        "chip": tuple(chip(m[0]) for m in _CHIP.finditer(text)),
        "resolution": tuple(f"{m['a']}x{m['b']}" for m in _RESOLUTION.finditer(text)),
        "phase": tuple(name for name, pattern in _PHASES if pattern.search(text)),
        "stage": tuple(name for name, pattern in _STAGES if pattern.search(text)),
        "format": tuple(name for name, pattern in _KIND_OF_MODEL if pattern.search(text)),
    }
    for name, pattern in _NAMED:
        values[name] = tuple(next(filter(None, m.groups()), "") for m in pattern.finditer(text))
    return frozenset((name, "+".join(sorted(set(found)))) for name, found in values.items() if found)


@functools.lru_cache(maxsize=8192)
def without(text: str) -> str:
    """What a text says beyond the settings that it names."""
    for pattern in (BATCH, DTYPE, _CARDS, _NODES, _CHIP, _RESOLUTION, *(pattern for _, pattern in _NAMED)):
        text = pattern.sub(" ", text)
    for _, pattern in (*_PHASES, *_STAGES, *_KIND_OF_MODEL):
        text = pattern.sub(" ", text)
    return " ".join(text.split())


def chip(text: str) -> str:
    """A chip's name in one spelling, without its maker."""
    return re.sub(r"ascend|昇腾|npu|tesla|nvidia|geforce|rtx|[\s_-]", "", text.lower())


def _cards(text: str) -> tuple[str, ...]:
    out = []
    for match in _CARDS.finditer(text):
        said = match["p"] or match["n"] or match["v"] or match["c"]
        out.append(said or _DIGITS.get(match["zh"] or "", "1" if match["single"] else "2"))
    return tuple(out)


_PLAIN = frozenset({("batch", "1"), ("cards", "1"), ("dtype", "fp32"), ("nodes", "1")})
"""What a report that says nothing of a setting most often means; said or unsaid is the same."""


def merged(layers: Iterable[Settings]) -> Settings:
    """Settings from the outermost text to the innermost, which has the last word on each."""
    values: dict[str, str] = {}
    for layer in layers:
        values |= dict(layer)
    return frozenset(values.items())


def telling(layers: Iterable[Settings]) -> Settings:
    """Merged settings without the usual ones."""
    return merged(layers) - _PLAIN


def valued(name: str, cell: str) -> Settings:
    """A setting whose name a header gives and whose value a cell; empty where the cell has none."""
    value = re.sub(r"[`*\s]+", " ", cell).strip().lower()
    if not re.search(r"[^\W_]", value):
        return frozenset()
    if name in ("batch", "cards", "dtype", "chip", "resolution", "torch"):
        own = {n: v for n, v in settings(f"{_LEAD.get(name, '')}{value}") if n == name}
        return frozenset(own.items()) if own else frozenset({(name, value)})
    return frozenset({(name, value)})


_LEAD = {"batch": "batch ", "cards": "卡数 ", "torch": "torch "}
