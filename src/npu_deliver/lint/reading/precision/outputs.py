"""Outputs that a page prints for both sides, element by element, and what it says that the outputs are.

Printed elements are some of an output, so the largest difference among them is a lower bound of the output's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.markup.markdown import Table, bare
from npu_deliver.lint.reading.words.label import side
from npu_deliver.lint.reading.words.number import Interval, narrow

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

LEAST = 3
"""Elements from which on numbers in a row are an output and not a pair or a shape."""

_BRACKETS = re.compile(r"\[([^\[\]]{5,20000})\]")
_ELEMENT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?")
_AFTER_COLON = re.compile(r"[:=]\s*(?P<values>[-+\d.,eE\s]{5,20000})(?:…\s*)?$")
_REFERENCE = re.compile(
    r"参考|基准|(?<![a-z])(?:ref(?:erence)?|golden|baseline|onnx|pth|torch)(?![a-z])", re.IGNORECASE
)
_CANDIDATE = re.compile(r"(?<![a-z])(?:npu|om)(?![a-z])|昇腾|ascend|适配|candidate", re.IGNORECASE)
_NAMED = re.compile(
    r"logits?|输出|output|前\s?\d+\s?个|values?|特征|结果|result|概率|prob|score|feature|embedding|pred|tensor",
    re.IGNORECASE,
)
_NO_OUTPUT = re.compile(
    r"latency|time|耗时|时延|fps|ms\b|loss|shape|形状|尺寸|bbox|anchor|mean|std|lr|均值", re.IGNORECASE
)
_INDEX = re.compile(
    r"(?:logits?|out(?:put)?s?|输出|值|values?|index|idx|dim|ch|元素|类别?|class|prob\w*|score|特征|feature|top|第|x|y"
    r"|#)?[\s_\[#(]*\d{1,4}[\])]?\s*(?:个|维)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Printed:
    """One output of both sides, as far as it is printed. ``a`` is the reference, where the sides are named."""

    at: Span
    first: Span
    a: tuple[Interval, ...]
    b: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class _Vector:
    side: str
    line: int
    values: tuple[Interval, ...]


def printed_outputs(document: Document) -> list[Printed]:
    """The outputs that are printed for two sides: in brackets, behind a colon, in two rows or in two columns."""
    found = list(_paired(document, list(_vectors(document))))
    for table in document.structure.tables:
        found += _paired(document, list(_of_rows(table)) or list(_of_columns(table)))
    return found


def _paired(document: Document, vectors: list[_Vector]) -> Iterator[Printed]:
    """Neighbours of two sides and one length; where no side is named, the two that there are."""
    if len(vectors) == 2 and not any(v.side for v in vectors) and len(vectors[0].values) == len(vectors[1].values):
        yield _pair(document, vectors[0], vectors[1])
    at = 0
    while at + 1 < len(vectors):
        first, second = vectors[at], vectors[at + 1]
        if {first.side, second.side} == {"reference", "npu"} and len(first.values) == len(second.values):
            yield _pair(document, first, second)
            at += 1
        at += 1


def _pair(document: Document, first: _Vector, second: _Vector) -> Printed:
    a, b = (second, first) if first.side == "npu" else (first, second)
    return Printed(document.span(second.line), document.span(first.line), a.values, b.values)


def _side(label: str) -> str:
    """``npu`` or ``reference``; empty for a label that names neither, or both."""
    npu, reference = bool(_CANDIDATE.search(label)), side(label) in ("cpu", "gpu") or bool(_REFERENCE.search(label))
    return "" if npu == reference else "npu" if npu else "reference"


def _vectors(document: Document) -> Iterator[_Vector]:
    above = ""
    for line in document.lines:
        plain = line.plain
        if line.zone not in ("text", "log", "table") or not re.search(r"\d\.\d", plain):
            above = plain if plain.strip() and line.zone in ("text", "log") else above
            continue
        at = 0
        for match in _BRACKETS.finditer(plain):
            label = plain[at : match.start()].rsplit("]", 1)[-1]
            label = label if re.search(r"\w", label) else above
            at = match.end()
            if (values := _elements(match[1])) and _is_output(label):
                yield _Vector(_side(label), line.number, values)
        listed = None if at else _AFTER_COLON.search(plain)
        label = plain[: listed.start()] if listed else ""
        if listed and _side(label) and _is_output(label) and (values := _elements(listed["values"])):
            yield _Vector(_side(label), line.number, values)
        above = ""


def _is_output(label: str) -> bool:
    named = _NAMED.search(label) or (_side(label) and len(label.strip()) <= 24)
    return bool(named) and not _NO_OUTPUT.search(label)


def _elements(text: str) -> tuple[Interval, ...]:
    """The elements of a printed output; empty where it holds anything else, or only whole numbers, as a shape does."""
    pieces = [piece for piece in re.split(r"[\s,;]+", text.strip()) if piece not in ("", "...", "…")]
    if len(pieces) < LEAST or not all(_ELEMENT.fullmatch(piece) for piece in pieces) or "." not in text:
        return ()
    return tuple(_rounded(piece) for piece in pieces)


def _rounded(piece: str) -> Interval:
    digits, _, exponent = piece.lower().partition("e")
    half = 0.5 * float(f"1e{int(exponent or 0) - len(digits.partition('.')[2])}")
    return Interval(float(piece) - half, float(piece) + half)


def _of_rows(table: Table) -> Iterator[_Vector]:
    """A row for each side, where every column is an element: ``| CPU | 0.12 | 0.34 | 0.56 |``."""
    if len(table.header) <= LEAST or not all(_INDEX.fullmatch(bare(narrow(cell))) for cell in table.header[1:]):
        return
    for line, cells in table.rows:
        values = _elements(" ".join(bare(cell) for cell in cells[1:]))
        if values and len(values) == len(table.header) - 1 and (named := _side(cells[0])):
            yield _Vector(named, line, values)


def _of_columns(table: Table) -> Iterator[_Vector]:
    """A column for each side, where every row is an element."""
    sides = {_side(cell): i for i, cell in enumerate(table.header) if i and _side(cell)}
    if set(sides) != {"reference", "npu"} or len(table.rows) < LEAST:
        return
    if not all(cells and _INDEX.fullmatch(bare(narrow(cells[0]))) for _, cells in table.rows):
        return
    for name in ("reference", "npu"):
        values = _elements(
            " ".join(bare(cells[sides[name]]) if sides[name] < len(cells) else "-" for _, cells in table.rows)
        )
        if values:
            yield _Vector(name, table.rows[0][0], values)


# What the outputs are


@dataclass(frozen=True, slots=True)
class TopOfFeatures:
    """A top-k over features: where it is claimed, and where the page says that the output is features."""

    at: Span
    words: str
    features: Span


_FEATURES = re.compile(
    r"num_classes\s*=\s*0|backbone features?|last_hidden_state|embedding|嵌入|特征向量|特征维|pooled|"
    r"features?[ _]only|维特征|骨干(?:网络)?特征|主干特征|forward_features|(?:无|去掉|不含|没有)分类头",
    re.IGNORECASE,
)
_SHAPE = re.compile(
    r"(?:输出形状|输出 ?shape|output[_ ]?shape|output|输出)[^\[\n]{0,20}\[\s*\d+(?:\s*,\s*\d+)*\s*\]", re.IGNORECASE
)
_OUTPUT_IS = re.compile(
    r"(?:输出|output\w*)\s*(?:为|是|:|is|are)?\s*[^。;|\n]{0,24}?(?:特征|features?|embeddings?|嵌入|pooled)",
    re.IGNORECASE,
)
_CLASSES = re.compile(r"\b1000\b|类别|分类结果|class(?:es)? (?:logits|scores)|imagenet-?1k", re.IGNORECASE)
_TOP = re.compile(
    r"top[-_ ]?[15][-_ ]?\s?(?:match|(?:特征|索引|结果|预测|通道)?\s?(?:是否)?(?:一致|完全|相同|匹配|吻合)|accuracy"
    r"|agreement|索引|index|[:：]|\s*\|)",
    re.IGNORECASE,
)
_TOP_FEATURES = re.compile(
    r"top[-_ ]?\d+\s?个?\s?(?:特征|features?|通道|维度?)(?:索引|值)?\s?的?(?:是否)?"
    r"(?:一致|完全|相同|匹配|吻合|match|agree)"
    r"|(?:特征|features?)[^。;|\n]{0,10}top[-_ ]?\d+\s?(?:索引)?\s?(?:的)?(?:一致|相同|匹配|吻合|match|agree)",
    re.IGNORECASE,
)
_NO_VALUE = re.compile(r"[\s|:：]*|.*(?:不适用|n/a|not applicable|none).*|.*-\s*\|?\s*", re.IGNORECASE)


def tops_of_features(document: Document) -> list[TopOfFeatures]:
    """The first top-k that is claimed of features."""
    for line, match in document.search(_TOP_FEATURES, ("text", "table")):
        return [TopOfFeatures(document.span(line.number), match[0].strip(), document.span(line.number))]
    features = _says_features(document)
    if features is None:
        return []
    for line, match in document.search(_TOP, ("text", "table")):
        if not _NO_VALUE.fullmatch(line.plain[match.end() :]) or re.search(r"一致|相同|匹配|吻合", match[0]):
            return [TopOfFeatures(document.span(line.number), match[0].strip(), features)]
    return []


def _says_features(document: Document) -> Span | None:
    for line, _ in document.search(_SHAPE):
        if _FEATURES.search(line.plain):
            return document.span(line.number)
    for line, _ in document.search(_OUTPUT_IS, ("text", "table")):
        if _FEATURES.search(line.plain) and not document.says(_CLASSES):
            return document.span(line.number)
    return None
