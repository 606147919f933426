"""Versions that are none: words such as latest, bounds, and the driver's number in CANN's place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document


@dataclass(frozen=True, slots=True)
class LooseVersion:
    """What stands where a version is due: ``word``, of the software ``name``."""

    at: Span
    name: str
    word: str

    @property
    def bound(self) -> bool:
        """Whether it bounds the version, as requirements do."""
        return not self.word[:1].isalpha()


_VAGUE = re.compile(r"\blatest\b|built-?in|内置|environment provided|最新版?|(?:>=|≥|~=)\s*\d|以上版本", re.IGNORECASE)
_SOFTWARE = re.compile(
    r"^(?:torch\w*|pytorch|torch[-_]npu|timm|transformers|cann|python|numpy|mindspore|torchvision|detectron2|mmcv|"
    r"vllm[-\w]*|opencv[-\w]*)$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://\S*")
_DRIVER = re.compile(r"\W*(?P<version>2[1-9]\.\d+(?:\.\w+)*)(?!.{0,40}(?<![\d.])1?\d\.\d)")
"""CANN went from 20.2 (2021) back to 5.0; 21 and above are numbers of the driver.

Where a smaller number follows, the field names both.
"""


def vague_versions(document: Document) -> tuple[LooseVersion, ...]:
    """Fields of software whose version is a word or a bound."""
    return document.facts(_vague_versions)


def drivers_as_cann(document: Document) -> tuple[LooseVersion, ...]:
    """Fields of CANN that hold the driver's version."""
    return document.facts(_drivers_as_cann)


def _vague_versions(document: Document) -> tuple[LooseVersion, ...]:
    return tuple(
        LooseVersion(document.span(pair.line), pair.key.strip(), match[0])
        for pair in document.structure.pairs
        if _SOFTWARE.match(pair.key.strip()) and (match := _VAGUE.search(_ADDRESS.sub(" ", pair.value)))
    )


def _drivers_as_cann(document: Document) -> tuple[LooseVersion, ...]:
    return tuple(
        LooseVersion(document.span(pair.line), pair.key.strip(), match["version"])
        for pair in document.structure.pairs
        if re.search(r"\bcann\b", pair.key, re.IGNORECASE) and (match := _DRIVER.match(pair.value))
    )
