"""The chips that a page names, and the image tags that are made for one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document


@dataclass(frozen=True, slots=True)
class UnclearChip:
    """A name that several chips have, or two chips in the place of one."""

    at: Span
    name: str


@dataclass(frozen=True, slots=True)
class ImageTag:
    """A tag of an image: ``chip`` is its part that names a chip, ``named`` the chips that the page names beside it."""

    at: Span
    chip: str
    named: tuple[str, ...]


_CLEAR = re.compile(
    r"910[A-Da-d]\d?|910\s?_?9\d\d\d|910pro|310[PpBb]\d?|(?<![\w])A[23](?![\w])|950(?:DT|PR)?|"
    r"Atlas\s*\d+\w*\s*A[23]|910_93",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"(?:ascend|昇腾)\s?[-_]?910(?![\w.])(?!\s?[/、])|(?:ascend|昇腾)\s*910\s*(?:系列|series)", re.IGNORECASE
)
_EITHER = re.compile(r"910B\d?\s*/\s*910A|910A\s*/\s*910B|A2\s*/\s*A3", re.IGNORECASE)
_ABOUT_KINDS = re.compile(r"支持|系列产品|处理器提供|AI ?处理器|support|兼容|适用|均可|compatib", re.IGNORECASE)
_TAGGED = re.compile(r"-910b?-|-a3-", re.IGNORECASE)
_TAG = re.compile(
    r"(?:cann|torch-npu|vllm-ascend|ascend\w{0,20})[\w./-]{0,80}:[\w.+-]{0,60}?-(?P<chip>910b|910|a3|310p)-",
    re.IGNORECASE,
)
_WITH_TAG = re.compile(r"\S*:\S*-(?:910b?|a3|310p)-\S*")
_FAMILY = {
    "910b": re.compile(r"910B|(?<!\w)A2(?!\w)", re.IGNORECASE),
    "a3": re.compile(r"910_?93|910_?9\d{3}|(?<!\w)A3(?!\w)|910C", re.IGNORECASE),
    "910": re.compile(r"910A|910pro", re.IGNORECASE),
    "310p": re.compile(r"310P", re.IGNORECASE),
}


def unclear_chip(document: Document) -> UnclearChip | None:
    """The first name on a page that does not tell the chip, where the page does not tell it elsewhere."""
    return document.facts(_unclear_chip)


def wrong_tag(document: Document) -> ImageTag | None:
    """The first image tag that is made for none of the chips that the page names."""
    return document.facts(_wrong_tag)


def _unclear_chip(document: Document) -> UnclearChip | None:
    clear = any(_CLEAR.search(_TAGGED.sub(" ", line.plain)) for line in document.lines)
    for line in document.lines:
        if line.zone not in ("text", "table", "log") or _ABOUT_KINDS.search(line.plain):
            continue
        match = (not clear and _VAGUE.search(line.plain)) or _EITHER.search(line.plain)
        if match:
            return UnclearChip(document.span(line.number), match[0])
    return None


def _wrong_tag(document: Document) -> ImageTag | None:
    for line in document.lines:
        tag = _TAG.search(line.plain) if ":" in line.plain else None
        if tag:
            chip, named = tag["chip"].lower(), document.facts(_families)
            if named and chip not in named:
                return ImageTag(document.span(line.number), chip, named)
    return None


def _families(document: Document) -> tuple[str, ...]:
    texts = [_WITH_TAG.sub(" ", line.plain) for line in document.lines]
    return tuple(sorted(family for family, pattern in _FAMILY.items() if any(map(pattern.search, texts))))
