"""Quantities: printed numbers with what they are, on which side, under which settings, and what stands beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.label import Meaning, by_unit, meaning, side, statistic
from npu_deliver.lint.reading.markdown import Line, Structure, Table, bare
from npu_deliver.lint.reading.number import Number, numbers, with_label_unit

_CLAUSE = re.compile(r"[,;，；。、()!?|\[\]{}]|(?:\s[-–—]>?\s)|→|->")
_SLASH_STATS = re.compile(r"\b(\w+(?:\s*/\s*\w+)+)\s*(?:\([^)]*\))?\s*[:=]?\s*$")
_TEXT_KINDS = frozenset({"latency", "throughput", "total_time"})
ROWS_LIMIT = 400
"""Rows of one table that are compared with each other."""


@dataclass(slots=True)
class Quantity:
    """One number and its meaning. ``context`` is every label that applies to it, from the cell out."""

    kind: str
    stat: str
    side: str
    number: Number
    at: Span
    label: str
    context: str
    section: int
    table: int = -1
    row: int = -1
    column: int = -1


@dataclass(slots=True)
class Group:
    """Quantities of one measurement: a row, a column, a line, a run of pairs, a JSON object."""

    quantities: list[Quantity] = field(default_factory=list)
    context: str = ""
    section: int = 0
    shape: str = "line"

    def one(self, kind: str, stats: tuple[str, ...] = ("",)) -> list[Quantity]:
        """The group's quantities of a kind, with one of the statistics."""
        return [q for q in self.quantities if q.kind == kind and q.stat in stats]


@dataclass(slots=True)
class Quantities:
    """Everything numeric in a document."""

    all: list[Quantity] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


def quantities(file: str, structure: Structure) -> Quantities:
    """The quantities of a text."""
    out = Quantities()
    for index, table in enumerate(structure.tables):
        _from_table(file, structure, table, index, out)
    _from_lines(file, structure, out)
    return out


def _titles(structure: Structure, section: int) -> str:
    return " / ".join(structure.sections[section].titles[1:] or structure.sections[section].titles)


# Lines


def _from_lines(file: str, structure: Structure, out: Quantities) -> None:
    block = Group(shape="block")
    for line in structure.lines:
        if line.zone not in ("text", "log"):
            if line.zone != "blank":
                block = Group(shape="block")
            continue
        heading = _titles(structure, line.section)
        if line.section != block.section or _BLOCK_START.match(line.plain):
            block = Group(shape="block", section=line.section)
        found = list(line_quantities(file, line, heading))
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
        group.context = f"{group.context} {_titles(structure, group.section)}"[:4000]


_BLOCK_START = re.compile(r"^\s*(?:\[[^\]]*\]|[=*#-]{3,}|#+ )")


def _repeats(block: Group, found: list[Quantity]) -> bool:
    """Whether a line says again what its block said already: then another measurement begins."""
    keys = {(q.kind, q.stat, q.side) for q in block.quantities}
    return any((q.kind, q.stat, q.side) in keys for q in found)


def _is_prose(plain: str) -> bool:
    return bool(re.search(r"[。.;!?]\s*$", plain)) and len(plain) > 60


def line_quantities(file: str, line: Line, heading: str) -> Iterator[Quantity]:
    """The quantities of one line of text or log."""
    plain = line.plain
    key = re.match(r"^\s*(?:[-*+•·●]\s+|\d{1,2}[.)、]\s+)?(?P<key>[^:=]{1,60}?)\s*[:=](?![/=])", plain)
    key_text, key_end = (bare(key["key"]), key.end()) if key else ("", 0)
    base = re.sub(r"\w+(?:\s*/\s*\w+)+", " ", key_text)
    found = list(numbers(plain))
    stats: list[str] = []
    last: dict[str, Meaning] = {}
    for position, number in enumerate(found):
        left_edge = found[position - 1].end if position else 0
        between = plain[left_edge : number.start]
        joined = bool(position) and between.strip() == "/" and bool(stats)
        own = stats.pop(0) if joined else _CLAUSE.split(plain[max(left_edge, number.start - 60) : number.start])[-1]
        if not joined:
            stats = _slash_stats(plain[max(left_edge, number.start - 60) : number.start])
            own = f"{base} {stats.pop(0)}" if stats else own
        inherits = number.start >= key_end > 0
        slashed = (
            joined or bool(stats) or (own != _CLAUSE.split(plain[max(left_edge, number.start - 60) : number.start])[-1])
        )
        own = f"{base} {own.rsplit(maxsplit=1)[-1]}" if slashed else own
        label = own if meaning(own) else f"{key_text} {own}"
        what = _meaning_of(number, own, key_text if inherits and not slashed else "")
        if what is None and number.unit in ("s", "/s") and _CONNECTS.fullmatch(own):
            what = last.get(number.unit) or (Meaning("latency") if number.unit == "s" and side(own) else None)
        if what is not None and not what.stat.startswith(("p", "std")):
            last[number.unit] = what
        if what is None or number.end <= key_end or (number.bound and what.kind not in ("share_over",)):
            continue
        at = Span(file, line.number, plain.strip())
        context = f"{label} {key_text} {heading}"
        yield Quantity(
            what.kind,
            what.stat,
            side(own) or side(key_text) or side(heading),
            with_label_unit(number, label),
            at,
            bare(label).strip(" :=,"),
            context,
            line.section,
        )


_CONNECTS = re.compile(
    r"(?:\s|从|由|自|降到|降至|降低到|降低至|下降到|减少到|缩短到|缩短至|优化到|优化至|到|至|提升到|提升至|提高到|"
    r"升到|变为|为|和|与|比|的|约|是|[:=~/-]"
    r"|\bto\b|\bfrom\b|\bvs\b\.?|\band\b|\bthan\b|\bon\b|\bthe\b|\bis\b|\bCPU\b|\bGPU\b|\bNPU\b|昇腾|Ascend|侧|端|上)*",
    re.IGNORECASE,
)
"""What may stand between two times that are compared; after anything else a time is of another kind."""


def _slash_stats(left: str) -> list[str]:
    """``mean/max:`` before ``6.9/50.3`` names the numbers one by one."""
    match = _SLASH_STATS.search(left)
    parts = [part.strip() for part in match[1].split("/")] if match else []
    return parts if len(parts) > 1 and all(statistic(part) for part in parts) else []


def _meaning_of(number: Number, own: str, key: str) -> Meaning | None:
    """The own words of a number, else the key of its line; the unit has the last word."""
    what = meaning(own) or (meaning(key) if key else None)
    if own and key and what and what.kind == "statistic" and (wider := meaning(key)) and wider.kind != "statistic":
        what = Meaning(wider.kind, what.stat) if wider.kind in _TEXT_KINDS else meaning(f"{key} {what.stat}") or what
    return fitting(what, number, f"{own} {key}")


def fitting(what: Meaning | None, number: Number, label: str) -> Meaning | None:
    """A meaning that the unit allows: milliseconds are no frame rate, a percentage of a latency is a change of it."""
    unit = with_label_unit(number, label).unit
    if what is None:
        return by_unit(unit)
    if what.kind == "statistic":
        return Meaning({"s": "latency", "/s": "throughput"}[unit], what.stat) if unit in ("s", "/s") else None
    if unit == "/s":
        return Meaning("throughput", statistic(label) if what.kind in ("latency", "throughput") else "")
    if unit == "s" and what.kind in ("throughput", "speedup", "gain", "batch", "accuracy", "error", "warmup", "count"):
        return Meaning("latency", statistic(label)) if what.kind in ("throughput", "error") else None
    if unit == "x":
        return Meaning("speedup") if what.kind in ("latency", "throughput", "gain", "speedup", "total_time") else None
    if unit == "%" and what.kind in ("latency", "throughput", "speedup", "total_time"):
        return (
            Meaning("gain")
            if number.signed or re.search(r"提升|提高|下降|降低|gain|improv|reduc|faster|slower|高|快|慢", label)
            else None
        )
    if what.kind in ("latency", "total_time", "load_time") and unit != "s":
        return None
    if unit == "B" and what.kind != "memory":
        return None
    if what.kind == "batch" and (unit or not number.integer or number.value < 1):
        return None
    return what


# Tables


def _row_meaning(cell: str) -> Meaning | None:
    """What a row's first cell names; a measurement with its unit names nothing."""
    return None if re.fullmatch(r"[\d.,%~±+\-\s]*(?:ms|s|FPS|fps|毫秒|秒|x|×|倍|/s)?", cell) else meaning(cell)


def _from_table(file: str, structure: Structure, table: Table, index: int, out: Quantities) -> None:
    heading = _titles(structure, table.section)
    columns = [meaning(cell) for cell in table.header]
    rows = table.rows[:ROWS_LIMIT]
    labels = [_row_meaning(bare(cells[0])) if cells else None for _, cells in rows]
    named = sum(label is not None and label.kind != "statistic" and label.kind != "batch" for label in labels)
    by_column = named * 2 >= len(rows) and bool(rows)
    groups: dict[int, Group] = {}
    for position, (number, cells) in enumerate(rows):
        for column, cell in enumerate(cells[: len(table.header)]):
            header = table.header[column] if column < len(table.header) else ""
            if column == 0 and (columns[0] is None or by_column):
                continue
            span = Span(file, number, " | ".join(cells)[:300])
            place = (index, position, column)
            row_label = bare(cells[0])
            for quantity in _cell(cell, header, row_label, heading, span, place, table.section, by_column):
                out.all.append(quantity)
                key = column if by_column and quantity.kind not in ("speedup", "gain") else -position - 1
                group = groups.setdefault(key, Group(section=table.section, shape="column" if key >= 0 else "row"))
                group.quantities.append(quantity)
                group.context = f"{group.context} {header} {row_label}"[:2000]
    for key, group in groups.items():
        row = " ".join(bare(cell) for cell in rows[-key - 1][1]) if key < 0 else ""
        group.context = f"{group.context} {row} {heading}"
        out.groups.append(group)


def _named(row_label: str, header: str) -> str:
    """A cell's name for people: a header that only says "value" adds nothing."""
    return (
        row_label
        if header.lower() in ("数值", "值", "value", "结果", "result", "详情")
        else f"{row_label} {header}".strip()
    )


def _cell(
    cell: str,
    header: str,
    row_label: str,
    heading: str,
    span: Span,
    place: tuple[int, int, int],
    section: int,
    by_column: bool,
) -> Iterator[Quantity]:
    column_means, row_means = meaning(header), _row_meaning(row_label)
    what: Meaning | None
    if (
        by_column
        and row_means
        and (
            column_means is None
            or column_means.kind not in ("gain", "speedup", "error", "abs_error", "rel_error", "statistic")
        )
    ):
        what, label = row_means, row_label
    elif column_means and column_means.kind == "statistic" and row_means and row_means.kind != "batch":
        what, label = meaning(f"{row_label} {column_means.stat}") or row_means, f"{row_label} {header}"
    else:
        what, label = column_means or row_means, header if column_means else row_label
    if (
        what
        and row_means
        and what.kind in ("latency", "throughput")
        and not what.stat
        and row_means.kind == "statistic"
    ):
        what = Meaning(what.kind, row_means.stat)
    found = list(numbers(cell))
    if len(found) > 1 and any(n.unit == "" and found[0].unit for n in found[1:]) and "/" not in cell:
        found = found[:1]
    stats = list(_slash_stats(f"{label} :")) if "/" in cell else []
    for position, number in enumerate(found):
        own = cell[found[position - 1].end if position else 0 : number.start]
        said = meaning(_CLAUSE.split(own)[-1]) if re.search(r"\w", own) else None
        this = Meaning(what.kind, statistic(stats[position])) if what and len(stats) == len(found) else said or what
        fits = fitting(this, number, f"{label} {own}")
        if fits is None or number.bound:
            continue
        context = f"{own} {header} {row_label} {heading}"
        where = side(own) or side(header) or side(row_label) or side(heading)
        yield Quantity(
            fits.kind,
            fits.stat,
            where,
            with_label_unit(number, label),
            span,
            _named(row_label, header),
            context,
            section,
            *place,
        )
