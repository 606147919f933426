"""The quantities in lines of text and of logs, outside tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.markup.markdown import Line, Structure, bare
from npu_deliver.lint.reading.quantities.quantity import (
    CLAUSE,
    RELATIVE,
    Group,
    Quantities,
    Quantity,
    fitting,
    slash_stats,
)
from npu_deliver.lint.reading.quantities.surroundings import Surroundings
from npu_deliver.lint.reading.words.label import Meaning, meaning, side
from npu_deliver.lint.reading.words.number import Number, numbers, with_label_unit
from npu_deliver.lint.reading.words.settings import Settings, settings, telling

_NEAR = 60
"""Words further left than this many characters belong to something else."""
_DIGIT = re.compile(r"\d")
_KEY = re.compile(r"^\s*(?:[-*+•·●]\s+|\d{1,2}[.)、]\s+)?(?P<key>[^:=]{1,60}?)\s*[:=](?![/=])")
_SENTENCE = re.compile(r"[,，;；。、]")
_ADDRESS = re.compile(r"(?<=\])\([^()\s]*(?:\s[^()]*)?\)|https?://[^\s)>\]]+|</?[a-zA-Z][^<>]{0,200}>")
_PERCENTILE = re.compile(r"(?<![\d.])\d\d(?:\.\d)?(?=\s?(?:%\s?-?(?:t?ile|latency|延迟|时延|耗时|线)|th\b|分位))")
_COUNTED = re.compile(
    r"\s?(?:块|台|个(?!百分点)|种|类|层|卡|轮|步|张(?!\s?/)|次(?!\s?/)|"
    r"(?:epochs?|steps?|cards?|gpus?|npus?|devices?|class(?:es)?|workers?|threads?|machines?|nodes?|layers?|models?|videos?"
    r"|categories|images?|samples?|iterations|schedules?|schd)(?![a-z/]))",
    re.IGNORECASE,
)
"""What a number counts where this stands behind it: no measurement then, whatever stands before it."""
_NO_RATIO = re.compile(
    r"\s?(?:schedules?|schd|lr\b|训练策略|超分|上采样|放大|缩放|变焦|zoom|scale|up-?sampl|down-?sampl)", re.IGNORECASE
)
"""What a "2x" may belong to that is no ratio of measurements."""
_IN_FORMULA = re.compile(r"\s?[*×/]\s?(?:[A-Za-z_]{2}|[\u4e00-\u9fff]{2})")
"""What makes a number without a unit a factor of a formula in words."""
_COUNTS = frozenset({"warmup", "iterations", "count", "cards", "batch", "parameters"})
_CONNECTS = re.compile(
    r"(?:\s|从|由|自|降到|降至|降低到|降低至|下降到|减少到|缩短到|缩短至|优化到|优化至|到|至|提升到|提升至|提高到|"
    r"升到|变为|为|和|与|比|的|约|是|[:=~/-]"
    r"|\bto\b|\bfrom\b|\bvs\b\.?|\band\b|\bthan\b|\bon\b|\bthe\b|\bis\b|\bCPU\b|\bGPU\b|\bNPU\b|昇腾|Ascend|侧|端|上)*",
    re.IGNORECASE,
)
"""What may stand between two times that are compared; after anything else a time is of another kind."""
_BLOCK_START = re.compile(r"^\s*(?:\[[^\]]*\]|[=*#-]{3,}|#+ )")
_KINDS_WITH_STATISTICS = frozenset({"latency", "throughput", "total_time"})


def from_lines(file: str, structure: Structure, around: Surroundings, out: Quantities) -> None:
    """Adds the quantities of every line of text and log, and their groups: a line's, and those of a run of lines."""
    block = Group(shape="block")
    for line in structure.lines:
        if line.zone not in ("text", "log"):
            if line.zone != "blank":
                block = Group(shape="block")
            continue
        if line.section != block.section or _BLOCK_START.match(line.plain):
            block = Group(shape="block", section=line.section)
        heading = heading_of(structure, line.section)
        found = list(line_quantities(file, line, heading, around.of(line.number))) if _DIGIT.search(line.plain) else []
        if not found:
            continue
        out.all += found
        if len(found) > 1:
            out.groups.append(Group(quantities=found, context=f"{line.plain} {heading}", section=line.section))
        if _repeats(block, found) or (line.zone == "text" and _is_prose(line.plain)):
            block = Group(shape="block", section=line.section)
        if not block.quantities:
            block.section = line.section
            out.groups.append(block)
        block.quantities += found
        block.context += " " + line.plain
    for group in (group for group in out.groups if group.shape == "block"):
        group.context = f"{group.context} {heading_of(structure, group.section)}"[:4000]


def heading_of(structure: Structure, section: int) -> str:
    """The headings above a line as one text, without the page's own where there are others."""
    return " / ".join(structure.sections[section].titles[1:] or structure.sections[section].titles)


def _repeats(block: Group, found: list[Quantity]) -> bool:
    """Whether a line says again what its block said already: then another measurement begins."""
    keys = {(q.kind, q.stat, q.side) for q in block.quantities}
    return any((q.kind, q.stat, q.side) in keys for q in found)


def _is_prose(plain: str) -> bool:
    return bool(re.search(r"[。.;!?]\s*$", plain)) and len(plain) > 60


@dataclass(frozen=True, slots=True)
class _Words:
    """What a line says about one of its numbers: the words right before it, and the key that they inherit."""

    own: str
    key: str
    slashed: bool

    @property
    def label(self) -> str:
        """The own words where they name a quantity, else the key with them."""
        what = meaning(self.own)
        return self.own if what and what.kind != "statistic" else f"{self.key} {self.own}"


def line_quantities(file: str, line: Line, heading: str, outer: Settings = frozenset()) -> Iterator[Quantity]:
    """The quantities of one line of text or log."""
    plain = _ADDRESS.sub(lambda match: " " * len(match[0]), line.plain)
    key = _KEY.match(plain)
    key_text, key_end = (bare(key["key"]), key.end()) if key else ("", 0)
    percentiles = {match.start() for match in _PERCENTILE.finditer(plain)}
    found = [number for number in numbers(plain) if number.start not in percentiles]
    last: dict[str, Meaning] = {}
    long_key = bool(_SENTENCE.search(key_text))
    for number, words in _worded(plain, found, key_text, key_end if long_key else 0):
        inherits = number.start >= key_end > 0 and bool(words.key)
        what = _meaning_of(number, words.own, key_text if inherits and not words.slashed else "")
        if what is None and number.unit in ("s", "/s") and _CONNECTS.fullmatch(words.own):
            what = last.get(number.unit) or (Meaning("latency") if number.unit == "s" and side(words.own) else None)
        if what is not None and not what.stat.startswith(("p", "std")):
            last[number.unit] = what
        if what is None or number.end <= key_end or (number.bound and what.kind != "share_over"):
            continue
        if number.unit == "x" and (_NO_RATIO.match(plain, number.end) or not RELATIVE.search(f"{heading} {plain}")):
            continue
        counts = what.kind not in _COUNTS and _COUNTED.match(plain, number.end)
        if not number.unit and (counts or _IN_FORMULA.match(plain, number.end)):
            continue
        yield Quantity(
            what.kind,
            what.stat,
            side(words.own) or side(key_text) or side(heading),
            with_label_unit(number, words.label),
            Span(file, line.number, line.plain.strip()),
            bare(words.label).strip(" :=,"),
            f"{words.label} {key_text} {heading}",
            line.section,
            settings=telling([outer, among_numbers(plain), settings(key_text), settings(words.own)]),
            named=bare(words.label),
            logged=line.zone == "log",
        )


def among_numbers(plain: str) -> Settings:
    """The settings of a line or cell that has measurements; a bare 910 in it is more often one of these than a chip."""
    return frozenset((name, value) for name, value in settings(plain[:400]) if name != "chip" or not value.isdigit())


def _worded(plain: str, found: list[Number], key: str, ends: int) -> Iterator[tuple[Number, _Words]]:
    """Every number with its words; ``mean/max: 6.9/50.3`` gives each number one of the words before the first.

    A key that is a sentence rather than a name, and ends at ``ends``, holds for its own clause alone.
    """
    base = re.sub(r"\w+(?:\s*/\s*\w+)+", " ", key)
    stats: list[str] = []
    for position, number in enumerate(found):
        left_edge = found[position - 1].end if position else 0
        near = plain[max(left_edge, number.start - _NEAR) : number.start]
        if position and stats and plain[left_edge : number.start].strip() == "/":
            own, slashed = stats.pop(0), True
        else:
            stats = slash_stats(near)
            own, slashed = (stats.pop(0), True) if stats else (CLAUSE.split(near)[-1], False)
        if slashed:
            own = f"{base} {own.rsplit(maxsplit=1)[-1]}"
        over = ends and _SENTENCE.search(plain, ends, max(ends, number.start))
        yield number, _Words(own, "" if over else key, slashed)


def _meaning_of(number: Number, own: str, key: str) -> Meaning | None:
    """The own words of a number, else the key of its line; the unit has the last word."""
    what = meaning(own) or (meaning(key) if key else None)
    if own and key and what and what.kind == "statistic" and (wider := meaning(key)) and wider.kind != "statistic":
        if wider.kind in _KINDS_WITH_STATISTICS:
            what = Meaning(wider.kind, what.stat)
        else:
            what = meaning(f"{key} {what.stat}") or what
    return fitting(what, number, own if (named := meaning(own)) and named.kind != "statistic" else f"{own} {key}")
