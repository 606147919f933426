"""What each column of a table is, and what kind of table it is, from its header, its cells and the lines around it.

A column is a ``setting`` (batch, cards, schedule, model, chip, format …), a ``measure``, a ``ratio`` of two other
columns, a ``reference`` to compare with, a ``unit``, a ``version`` or a ``note``. A table lists ``measurements``, the
versions that may be chosen (``alternatives``), the versions that were used (``environment``), an ``interface``,
``fields`` with their values, or is just ``prose``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from npu_deliver.lint.reading.markup.markdown import Structure, Table, bare
from npu_deliver.lint.reading.words.headers import (
    ALTERNATIVES,
    NOTE,
    OVER,
    RATIO,
    REFERENCE,
    SHARED,
    UNIT,
    VERSION,
    setting_name,
)
from npu_deliver.lint.reading.words.label import Meaning, dtypes, meaning, side
from npu_deliver.lint.reading.words.number import MEASURES
from npu_deliver.lint.reading.words.settings import Settings, chip, merged, settings, valued, without

ROWS_LIMIT = 400
"""Rows of one table that are compared with each other."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``name`` is the setting's, ``what`` the measure's; ``settings`` are those that the header itself names.

    ``of`` are the numerator's and the denominator's columns of a ratio, where both are in the table.
    """

    index: int
    header: str
    role: str
    name: str = ""
    what: Meaning | None = None
    settings: Settings = frozenset()
    side: str = ""
    of: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row's line, its cells without markup and links, and the settings that its cells name."""

    line: int
    cells: tuple[str, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class ReadTable:
    """A table with the roles of its columns. ``by_row``: the first cell of each row names the quantity."""

    index: int
    line: int
    section: int
    kind: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    by_row: bool

    def of_role(self, *roles: str) -> tuple[Column, ...]:
        """The columns of some roles, from the left."""
        return tuple(column for column in self.columns if column.role in roles)


_NUMBER = re.compile(
    r"^[~≈<>≤≥约±+-]?\s*\d[\d.,]*(?:e[-+]?\d+)?\s*(?:%|[a-zA-Zµμ/]{1,8}|[\u4e00-\u9fff/]{1,4})?(?:\s*\(.*\))?$",
    re.IGNORECASE,
)
_MEASURED = re.compile(r"[\d.,%~±+\-\s]*(?:ms|s|FPS|fps|毫秒|秒|x|×|倍|(?:it|samples|images)?/s)?")
_COMPONENT = re.compile(
    r"(?<![a-z])(?:torch[_-]?npu|torchvision|torch|pytorch|cann|python|driver|firmware|mindspore|mmcv|cuda)(?![a-z])"
    r"|固件|驱动",
    re.IGNORECASE,
)
_DITTO = re.compile(r"\s*(?:\.{2,}|…+|[\"〃″]+|''|同上|ditto|-//-)\s*", re.IGNORECASE)
_LINK = re.compile(r"!?\[(?P<said>[^\]]*)\]\([^)\s]*(?:\s[^)]*)?\)|https?://\S+|</?[a-zA-Z][^<>]{0,200}>")


def tables(structure: Structure) -> tuple[ReadTable, ...]:
    """Every table of a text, read."""
    return tuple(_read(structure, table, index) for index, table in enumerate(structure.tables))


def said(cell: str) -> str:
    """A cell as its reader sees it: links by their text, no addresses, no tags, no emphasis."""
    return (
        bare(_LINK.sub(lambda m: m["said"] or " ", cell)) if ("(" in cell or "<" in cell or "/" in cell) else bare(cell)
    )


def _read(structure: Structure, table: Table, index: int) -> ReadTable:
    caption = _caption(structure, table)
    cells = [(line, tuple(said(cell) for cell in row[: len(table.header)])) for line, row in table.rows[:ROWS_LIMIT]]
    by_row = _names_rows([row for _, row in cells])
    header = tuple(said(cell) for cell in table.header)
    columns = tuple(
        _column(position, header, [row[position] for _, row in cells if position < len(row)])
        for position in range(len(header))
    )
    full = _filled([row for _, row in cells], columns)
    rows = tuple(
        Row(line, row, _row_settings(whole, columns, by_row=by_row))
        for (line, row), whole in zip(cells, full, strict=True)
    )
    kind = _kind(f"{caption} {' '.join(structure.sections[table.section].titles[-1:])}", columns, rows)
    return ReadTable(index, table.line, table.section, kind, caption, columns, rows, by_row)


def _caption(structure: Structure, table: Table) -> str:
    """The one or two lines of text right above a table, up to the heading, a list's end or another table."""
    found: list[str] = []
    for line in reversed(structure.lines[max(0, table.line - 5) : table.line - 1]):
        if line.zone == "blank":
            continue
        heads = line.section > 0 and line.number == structure.sections[line.section].line
        if line.zone != "text" or heads or len(found) == 2 or MEASURES.search(line.plain):
            break
        found.insert(0, bare(line.plain))
    return " ".join(found)[:300]


def _names_rows(rows: list[tuple[str, ...]]) -> bool:
    """Whether the first cells name quantities: at least half of them do."""
    labels = [row_meaning(row[0]) for row in rows if row]
    named = sum(label is not None and label.kind not in ("statistic", "batch", "schedule") for label in labels)
    return named * 2 >= len(rows) and bool(rows)


def row_meaning(cell: str) -> Meaning | None:
    """What a row's first cell names; a measurement with its unit names nothing."""
    return None if _MEASURED.fullmatch(cell) else meaning(cell)


def _column(position: int, header: tuple[str, ...], cells: list[str]) -> Column:
    head = header[position]
    plain = re.sub(r"[↑↓*`]|&[ud]arr;", "", head).strip()
    what = meaning(plain)
    own, whose = settings(plain), side(plain)
    numeric = _share(cells, _NUMBER)
    if UNIT.match(plain):
        return Column(position, head, "unit")
    if name := _setting_name(plain, cells, numeric):
        return Column(position, head, "setting", name, what)
    if (ratio := _ratio(position, plain, header)) is not None and numeric > 0:
        return Column(position, head, "ratio", "", what, own, whose, ratio if ratio != (-1, -1) else None)
    if VERSION.match(plain) and (what is None or what.kind in ("statistic", "count")):
        return Column(position, head, "version", plain.lower())
    if NOTE.match(plain) and (what is None or numeric == 0):
        return Column(position, head, "note")
    shown = [cell for cell in cells if re.search(r"\w", cell)]
    known = what is not None and what.kind not in ("statistic", "gain", "error", "count", "load_time")
    if (known and (not shown or any(map(str.isdigit, "".join(shown))))) or (numeric > 0 and (position or own or whose)):
        return Column(position, head, "reference" if REFERENCE.search(plain) else "measure", "", what, own, whose)
    name = "model" if position == 0 or not plain else plain.lower()
    return Column(position, head, "setting", name, what, own, whose)


def _share(cells: list[str], pattern: re.Pattern[str]) -> float:
    shown = [cell for cell in cells if re.search(r"\w", cell)]
    return sum(bool(pattern.match(cell)) for cell in shown) / len(shown) if shown else 0.0


def _setting_name(plain: str, cells: list[str], numeric: float) -> str:
    name = "" if plain.lower() in ("gpu", "npu", "cpu") else setting_name(plain)  # the head of measurements, mostly
    if name == "dtype" and numeric > 0.5 and not any(map(dtypes, cells)):
        return ""  # "Precision" may be a score
    if (
        name in ("torch", "chip", "cards")
        and numeric > 0.5
        and re.fullmatch(r"gpu|npu|pytorch|torch", plain, re.IGNORECASE)
    ):
        return "" if any("." in cell for cell in cells) and name != "torch" else name  # "GPU" above measurements
    if not name and cells and all(map(dtypes, [cell for cell in cells if re.search(r"\w", cell)] or [""])):
        return "dtype"
    return name


def _ratio(position: int, plain: str, header: tuple[str, ...]) -> tuple[int, int] | None:
    """The two columns that a header divides; (-1, -1) for a ratio of unnamed things; None for no ratio."""
    match = OVER.match(plain)
    if match:
        a, b = (_named_column(match[key], position, header) for key in "ab")
        if a is not None and b is not None and a != b:
            return a, b
        if all(settings(match[key]) or side(match[key]) for key in "ab") and not re.search(r"[a-z]/(?:s|h)\b", plain):
            return -1, -1
    return (-1, -1) if RATIO.search(plain) else None


def _named_column(name: str, position: int, header: tuple[str, ...]) -> int | None:
    """The one other column whose header says a name, alone or with further words."""
    wanted = _key(name)
    for same in (lambda key: key == wanted, lambda key: bool(wanted) and wanted in _words(key)):
        at = [i for i, cell in enumerate(header) if i != position and "/" not in cell and same(_key(cell))]
        if len(at) == 1:
            return at[0]
        if at:
            return None
    return None


def _key(text: str) -> str:
    return re.sub(
        r"(?:性能|吞吐量?|时延|延迟|耗时|fps|ms|performance|throughput|latency|\(.*?\)|\s)+", "", chip_words(text)
    )


def chip_words(text: str) -> str:
    """A header in lower case with its chip's name in one spelling."""
    return chip(text) if re.search(r"\d", text) else text.lower()


def _words(key: str) -> set[str]:
    return set(re.findall(r"[a-z0-9.]+|[\u4e00-\u9fff]+", key))


def _filled(rows: list[tuple[str, ...]], columns: tuple[Column, ...]) -> list[tuple[str, ...]]:
    """The rows with "as above" and empty cells of settings replaced by the cell above."""
    out: list[tuple[str, ...]] = []
    for row in rows:
        above = out[-1] if out else ()
        as_above = (
            position < len(above)
            and columns[position].role == "setting"
            and (not cell.strip() or bool(_DITTO.fullmatch(cell)))
            for position, cell in enumerate(row)
        )
        out.append(tuple(above[i] if same else row[i] for i, same in enumerate(as_above)))
    return out


def _row_settings(row: tuple[str, ...], columns: tuple[Column, ...], *, by_row: bool) -> Settings:
    layers: list[Settings] = []
    for column, cell in zip(columns, row, strict=False):
        unknown = column.role == "measure" and column.what is None and not column.settings and not column.side
        if (column.role != "setting" and not unknown) or (by_row and (unknown or column.index == 0)):
            continue
        named, whose = settings(cell), side(cell)
        beyond = _beyond(cell) if named or whose else cell
        if column.name in SHARED:
            layers.append(valued(column.name, cell))
        elif beyond:
            layers.append(valued(column.header.lower() or "name", beyond))
        layers += [named, frozenset({("whose", whose)}) if whose else frozenset()]
    return merged(layers)


def _beyond(cell: str) -> str:
    """A name without the settings and sides that it holds: ``8p-NPU(ARM)`` is still of ARM."""
    return re.sub(r"(?i)(?<![a-z])[npgc]pu(?![a-z])|昇腾|ascend|[-_()\s]", " ", without(cell)).strip()


def _kind(around: str, columns: tuple[Column, ...], rows: tuple[Row, ...]) -> str:
    headers = " ".join(column.header for column in columns)
    if re.search(r"排布|data-format|(?:input|output)-shape", headers):
        return "interface"
    versions = [column for column in columns if column.role == "version" or column.name == "torch"]
    measured = [column for column in columns if column.role in ("measure", "ratio", "reference")]
    if versions and not measured:
        firsts = [named for row in rows if row.cells and (named := component(row.cells[0]))]
        repeated = len(set(firsts)) < len(firsts)
        alone = versions[0].index == 0 and len(rows) > 1
        many = len(versions) > 1 and len(rows) > 1
        chosen = bool(ALTERNATIVES.search(around)) and not firsts
        return "alternatives" if repeated or alone or many or chosen else "environment"
    if ALTERNATIVES.search(around) and not measured:
        return "alternatives"
    if measured:
        return "measurements"
    return "fields" if len(columns) == 2 else "prose"


def component(cell: str) -> str:
    """The software that a cell names; empty where it names none."""
    match = _COMPONENT.search(cell)
    return match[0].lower().replace("pytorch", "torch") if match else ""
