"""The settings that a page names: environment variables of torch_npu and CANN, and which of them a script reads itself.

Which variables exist is data with its source and its date (``variables.toml``); what holds where one is not set comes
from `npu_eval.npu.environment`.
"""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Line
from npu_eval.notation.sources import TORCH_NPU_MODES, Source
from npu_eval.npu.environment import DEFAULTS, SOURCES

_SWITCH = re.compile(
    r"(?<![\w$.-])(?P<name>(?:NPU|TORCH_NPU|TASK|COMBINED|CPU_AFFINITY|INF_NAN|MULTI_STREAM|PYTORCH_NPU|PER_STREAM|"
    r"ASCEND)_?[A-Z0-9_]{0,60}|jit_compile|allow_internal_format)\s{0,4}=\s{0,4}(?P<value>[\w:,.-]{1,80})"
)
_TUNES = re.compile(r"优化|加速|提升|调优|tuning|optimi[sz]|speed|faster|improv", re.IGNORECASE)
_SAYS_DEFAULT = re.compile(r"默认|default|运行时|recorded|读回|记录|环境变量", re.IGNORECASE)
_OLDER_SOC = re.compile(r"310P|910A|910Pro|Atlas\s?(?:300I|800 ?\(|300T)", re.IGNORECASE)
_TORCH = re.compile(r"torch\S{0,12}[ :=|`*]{0,6}v?(?P<major>[12])\.\d", re.IGNORECASE)
_READ = re.compile(
    r"\$\{?(?P<name>[A-Z][A-Z0-9_]{2,60})|(?:environ|getenv)\W{0,8}(?:get\W{1,4})?(?P<asked>[A-Z][A-Z0-9_]{2,60})"
)
_ASSIGNED = re.compile(r"^\s*(?:export\s+|local\s+|readonly\s+)?(?P<name>[A-Z][A-Z0-9_]{2,60})\s?=", re.MULTILINE)
_ARGUMENTS = {"jit_compile": "False", "allow_internal_format": "False"}
"""Arguments of torch_npu's own calls, off where they are not given, on A2 and A3 (`sources.TORCH_NPU_MODES`)."""
_ALMOST = 0.9
"""Names that share this much (difflib's ratio) are one misspelt: a letter of ten, or an ending."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable or an argument with the value that a page gives it.

    ``tunes``: the line or its heading speaks of making something faster; ``explains``: of defaults or of a record.
    """

    name: str
    value: str
    at: Span
    tunes: bool
    explains: bool
    zone: str


@functools.cache
def _data() -> dict[str, Any]:
    with Path(__file__).with_name("variables.toml").open("rb") as stream:
        return tomllib.load(stream)


@functools.cache
def _documented() -> frozenset[str]:
    return frozenset(DEFAULTS) | frozenset(_data()["torch_npu"]["names"]) | frozenset(_data()["frameworks"]["names"])


def documented(name: str) -> bool:
    """Whether torch_npu or CANN documents a variable, or a family of its prefix."""
    return name in _documented() or name.startswith(tuple(_data()["cann"]["prefixes"]))


def misspelt(name: str) -> str | None:
    """The documented variable that a name is almost, None where it is like none."""
    return next(iter(difflib.get_close_matches(name, sorted(_documented()), 1, _ALMOST)), None)


def known_on() -> str:
    """The day on which the documented names were read."""
    return str(_data()["torch_npu"]["read"])


def default_of(name: str) -> str | None:
    """What holds where a variable is not set, or a function is not called with the argument; None where unknown."""
    return _ARGUMENTS.get(name) or DEFAULTS.get(name)


def source_of(name: str) -> Source:
    """Whose word the default of a setting is."""
    return SOURCES.get(name, TORCH_NPU_MODES)


def settings(document: Document) -> list[Setting]:
    """Every setting of a page in the order of its lines."""
    return document.facts(_settings)


def of_an_older_stack(document: Document) -> bool:
    """Whether a page is about a SoC or a torch for which other defaults hold than those known here."""
    return document.facts(_of_an_older_stack)


def read_by_itself(document: Document) -> frozenset[str]:
    """The variables that a page's commands or a script read, and those that a script sets for itself."""
    return document.facts(_read)


def _settings(document: Document) -> list[Setting]:
    return list(_all_settings(document))


def _all_settings(document: Document) -> Iterator[Setting]:
    for line, _ in document.search(_SWITCH, ("text", "table", "log", "code")):
        titles = " ".join(document.structure.sections[line.section].titles)
        for match in _SWITCH.finditer(line.plain):
            if "_" in match["name"].rstrip("_"):
                yield _setting(document, line, match, titles)


def _setting(document: Document, line: Line, match: re.Match[str], titles: str) -> Setting:
    said = f"{line.plain} {titles}"
    return Setting(
        name=match["name"],
        value=match["value"].rstrip(".,"),
        at=document.span(line.number),
        tunes=bool(_TUNES.search(said)),
        explains=bool(_SAYS_DEFAULT.search(said)),
        zone=line.zone,
    )


def _of_an_older_stack(document: Document) -> bool:
    majors = {match["major"] for _, match in document.search(_TORCH)}
    return majors == {"1"} or document.says(_OLDER_SOC)


def _read(document: Document) -> frozenset[str]:
    names = {match["name"] or match["asked"] for match in _READ.finditer(document.plain)}
    if document.kind in ("shell", "python"):
        names |= {match["name"] for match in _ASSIGNED.finditer(document.plain)}
    return frozenset(names)
