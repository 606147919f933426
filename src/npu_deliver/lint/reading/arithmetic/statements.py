"""What a report states of a quantity, in a form in which two statements can be compared: name, subject, settings.

Two numbers are values of one quantity only where everything said about them is the same. A label that says more than is
understood here gives no statement, so that what is not understood is never held against anybody.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.quantities.surroundings import title_path
from npu_deliver.lint.reading.words.label import batches, dtypes, many
from npu_deliver.lint.reading.words.settings import Settings, without
from npu_deliver.lint.reading.words.subject import subject

_EXACT = frozenset(
    {"max_abs", "mean_abs", "cosine", "relative_l2", "rmse", "max_rel", "mean_rel", "latency", "throughput", "map"}
    | {"map50", "accuracy1", "accuracy5"}
)
"""What is measured once under given settings."""
_ALWAYS_TELLS = frozenset({"about", "stage", "phase", "batch", "cards", "nodes", "column", "whose"})
_GOES_WITHOUT = frozenset({"chip", "dataset", "format", "torch"})
"""Where a page names just one of these, it is meant where nothing is said."""
_OVERLAPPING = re.compile(
    r"流水|异步|并发|并行|多流|多进程|多线程|合计|总计|每卡|单卡均|pipelin|async|concurren|offline|aggregate|\btotal\b"
    r"|multi-?(?:process|stream)|per[- ](?:card|device|npu|gpu)",
    re.IGNORECASE,
)
"""Calls in flight at once, and sums and shares of several cards: what such a number is of is rarely said in full."""
_BEST = re.compile(r"最[优佳好高大快]|best|optimal|highest", re.IGNORECASE)
"""What a sentence calls the best is held against its table by a rule of its own."""
_PLAIN = re.compile(
    r"(?:avg|mean|average|平均|均值|npu|cpu|gpu|ascend|昇腾|latency|延迟|时延|耗时|推理|单次|单帧|ms|s|数值|value|"
    r"result|结果|指标|fps|帧率|吞吐[量率]?|throughput|images?|max|min|abs|diff|err|error|最大|最小|绝对|误差|"
    r"cos|cosine|similarity|sim|余弦|相似度|relative|rel|l2|相对|差异|time|inference|per|sec|img|imgs|张|帧|秒|毫秒|率"
    r"|rate|p\d\d|median|中位数?|std|标准差|map|ap|top[-_ ]?[15]|acc|accuracy|准确率|精度|性能"
    r"|可?达到?|高达|有|了|的|时|下|卡|在|上|其|is|was|of|at|the|reach(?:es|ed)?|[\s_=:()/.,%\-*`~≈约为是·@15])*+",
    re.IGNORECASE,
)
"""A name that says no more than what kind of quantity it is."""
_JSON_DETAIL = re.compile(r"\d|per_|train|batch|layer|stage|image")


@dataclass(frozen=True, slots=True)
class Statement:
    """A quantity and everything that makes it that quantity."""

    key: tuple[str, str, str, str, Settings]
    quantity: Quantity


def statements(document: Document) -> list[Statement]:
    """The statements of a report, a log or a JSON file."""
    same = _same_throughout(document)
    return [Statement(key, q) for q in document.quantities.all if (key := _key(q, document, same)) is not None]


def _same_throughout(document: Document) -> frozenset[str]:
    """The settings that have one value in the whole document and tell none of its numbers from another.

    A table (or the running text as a whole) must say such a setting of all its numbers or of none: where one row alone
    names a switch, the others are without it.
    """
    values: dict[str, set[str]] = defaultdict(set)
    held: dict[int, Counter[str]] = defaultdict(Counter)
    count: Counter[int] = Counter(q.table for q in document.quantities.all if q.kind in _EXACT)
    for quantity in document.quantities.all:
        for name, value in quantity.settings:
            values[name].add(value)
            held[quantity.table][name] += quantity.kind in _EXACT
    return frozenset(
        name
        for name, found in values.items()
        if name not in _ALWAYS_TELLS
        and len(_apart(found)) == 1
        and (name in _GOES_WITHOUT or all(held[table][name] in (0, number) for table, number in count.items()))
    )


def _apart(values: set[str]) -> set[str]:
    """Values without those that another one only says more exactly, as 310P and 310P3."""
    return {value for value in values if not any(other != value and other.startswith(value) for other in values)}


def _key(quantity: Quantity, document: Document, same: frozenset[str]) -> tuple[str, str, str, str, Settings] | None:
    if quantity.kind not in _EXACT or quantity.number.bound or _OVERLAPPING.search(quantity.context):
        return None
    if quantity.table < 0 and _BEST.search(quantity.at.text):
        return None
    if not _PLAIN.fullmatch(without(quantity.named)):
        return None
    about = (
        ""
        if document.kind == "json"
        else " ".join(filter(None, map(subject, title_path(document.structure, quantity.section))))
    )
    if document.kind == "json" and _JSON_DETAIL.search(quantity.context.rsplit(" ", 1)[0]):
        return None
    stat = "" if quantity.stat == "mean" else quantity.stat
    side = "" if quantity.side == "npu" else quantity.side
    said = frozenset(
        (name, value)
        for name, value in quantity.settings
        if name not in same and (name, value) != ("whose", quantity.side)
    )
    return (quantity.kind, stat, side, about, said)


@dataclass(frozen=True, slots=True)
class Gain:
    """A stated gain in per cent of one batch size or number format; ``tabled`` where it stands in a table."""

    setting: str
    quantity: Quantity

    @property
    def tabled(self) -> bool:
        """Whether it stands in a table."""
        return self.quantity.table >= 0


def gains(document: Document) -> dict[tuple[str, str], list[Gain]]:
    """The gains of a report by their one setting and by what gained."""
    stated: dict[tuple[str, str], list[Gain]] = {}
    for quantity in document.quantities.all:
        if quantity.kind != "gain" or quantity.number.unit != "%" or quantity.number.bound or many(quantity.at.text):
            continue
        if setting := _one_setting(quantity.at.text, "hf32"):
            stated.setdefault((setting, _what_gains(quantity)), []).append(Gain(setting, quantity))
    return stated


def _what_gains(quantity: Quantity) -> str:
    """Speed is meant where a gain says no more; a memory's, a power's and a score's gain is of itself."""
    other = re.search(r"显存|内存|memory|功耗|power|精度|accuracy|mAP|体积|size", quantity.label, re.IGNORECASE)
    return other[0].lower() if other else "speed"


_SUMMARY = re.compile(r"汇总|总结|总览|summary|overview", re.IGNORECASE)
_DUAL = re.compile(r"双\s?卡|双\s?npu|dual|两卡|2\s?[x×]\s?npu", re.IGNORECASE)
_WHOLE_PIPELINE = re.compile(r"端到端|e2e|end.to.end", re.IGNORECASE)


def _one_setting(text: str, *usual: str) -> str:
    """The one setting that a heading or a row is about; empty where it is about none or several."""
    found = {*(set(dtypes(text)) - {"fp32", *usual}), *(f"batch {b}" for b in batches(text) if b != 1)}
    if not usual and _DUAL.search(text):
        found.add("dual")
    return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class Summarised:
    """A latency in a summary and those that the section of its setting gives under the title ``title``."""

    quantity: Quantity
    title: str
    own: tuple[Quantity, ...]


def summarised(document: Document) -> list[Summarised]:
    """The latencies in summaries that a section of their own has too."""
    sections = document.structure.sections
    times = [q for q in document.quantities.all if q.kind == "latency" and q.stat in ("", "mean")]
    by_setting: dict[str, list[Quantity]] = {}
    for time in times:
        setting, here = _one_setting(sections[time.section].title), _one_setting(time.at.text)
        if setting and here in ("", setting) and "fp32" not in dtypes(time.at.text):
            by_setting.setdefault(setting, []).append(time)
    out = []
    for time in times:
        if time.table < 0 or not _SUMMARY.search(sections[time.section].title) or _WHOLE_PIPELINE.search(time.context):
            continue
        own = [q for q in by_setting.get(_one_setting(time.at.text), []) if _agree(q.settings, time.settings)]
        if own:
            out.append(Summarised(time, sections[own[0].section].title, tuple(own)))
    return out


def _agree(one: Settings, other: Settings) -> bool:
    """Whether no setting that both name differs."""
    ours, theirs = dict(one), dict(other)
    return all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())
