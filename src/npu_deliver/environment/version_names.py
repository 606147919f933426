"""Versions as people and tools write them: of torch_npu, of CANN, of TorchNPU itself; and their order.

torch_npu is numbered by pip's rules (`2.9.0.post1`, `2.1.0.rc1`), CANN by its own (`8.3.RC1`, `8.0.0.beta1`), TorchNPU
by a third (`6.0.rc3`, `26.0.0`, `7.3.X` for any patch), and a branch holds two of them (`v2.1.0-7.0.0`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PACKAGE = re.compile(
    r"v?(?P<torch>\d{1,9}\.\d{1,9}(?:\.\d{1,9})?)(?:[.-]?(?P<kind>rc|post)(?P<number>\d{1,9}))?(?:[.-]?post\d+)?"
    r"(?P<dev>[.-]?(?:dev|alpha|beta|a|b)[.\d]*)?(?:\+.*)?"
)
_ASCEND = re.compile(r"\+ascend\.?(post\d+).*")
"""In the days of torch 1.5 the plugin was a build of torch itself: torch 1.5.0+ascend.post3 is package 1.5.0.post3."""
_CANN = re.compile(
    r"(?:cann)?\W*v?(?P<minor>\d{1,9}\.\d{1,9})(?:\.(?P<rc>rc)?(?P<patch>\d{1,9}))?(?P<rest>[.\-_+]?[\w.\-+]*)", re.I
)
_BETA = re.compile(r"\.beta\d+$", re.I)
_PLUGIN = re.compile(
    r"(?<![\d.])v?(?:(?P<torch>[12]\.\d+\.\d+)-v?)?(?P<version>\d{1,9}\.\d{1,9}(?:\.(?:\d+|rc\d+|tr\d+|x))*)"
    r"(?P<preview>[.-](?:alpha|beta|0day)[.\w]*)?(?:-pytorch(?P<after>\d+\.\d+\.\d+))?"
)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A version of torch_npu. ``rank`` orders those of one torch: rc before the release, .postN after it, a dev build
    before what it leads to. ``short``: only two numbers are given, which no package has."""

    torch: str
    rank: tuple[int, int, int]
    text: str
    short: bool


@dataclass(frozen=True, kw_only=True)
class Cann:
    """A version of CANN. ``patch`` orders those of one ``minor``, candidates before releases; None where it is not
    said."""

    minor: tuple[int, int]
    patch: tuple[int, int] | None
    text: str

    @property
    def order(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """A key by which versions are newer or older."""
        return self.minor, self.patch or (0, 0)

    @property
    def minor_text(self) -> str:
        """``8.5``."""
        return f"{self.minor[0]}.{self.minor[1]}"


@dataclass(frozen=True, kw_only=True)
class PluginName:
    """A version of TorchNPU as it was written, lower case; ``torch`` where a branch or a tag names that, too.

    ``preview``: an alpha or beta of the version.
    """

    version: str
    torch: str | None
    preview: bool


def package(text: str) -> Package | None:
    """The torch_npu version of ``2.9.0.post1+gitee7ba04``, ``2.1.0rc1``, ``1.5.0+ascend.post3``; None otherwise."""
    match = _PACKAGE.fullmatch(_ASCEND.sub(r".\1", text.strip().lower()))
    if match is None:
        return None
    torch = match["torch"]
    short = torch.count(".") == 1
    torch = f"{torch}.0" if short else torch
    number = int(match["number"] or 0)
    rank = ({"rc": -1, "post": 1}.get(match["kind"] or "", 0), number, -1 if match["dev"] else 0)
    suffix = f".{match['kind']}{number}" if match["kind"] else ""
    plain = short and not suffix and not match["dev"]
    dev = f".{match['dev'].lstrip('.-')}" if match["dev"] else ""
    return Package(torch=torch, rank=rank, text=match["torch"] if plain else f"{torch}{suffix}{dev}", short=plain)


def torch_of(text: str) -> str:
    """The torch of a torch_npu version: ``2.9.0`` of ``2.9.0.post1`` and of ``2.9.0rc1``."""
    found = package(text)
    return found.torch if found else text


def same_torch(one: str, other: str) -> bool:
    """Whether two versions of torch can be one: ``2.9`` is short for ``2.9.0``, a local part does not count."""
    first, second = (text.strip().lower().removeprefix("v").partition("+")[0].split(".") for text in (one, other))
    length = min(len(first), len(second))
    return length >= 2 and first[:length] == second[:length]


def read_cann(text: str) -> Cann | None:
    """The CANN version of ``8.5.1``, ``8.3.rc1``, ``CANN 8.0.0.beta1`` (a name of 8.0.0); None for other text."""
    match = _CANN.fullmatch(_BETA.sub("", text.strip()))
    if match is None:
        return None
    major, minor = (int(part) for part in match["minor"].split("."))
    patch = (0 if match["rc"] else 1, int(match["patch"])) if match["patch"] else None
    number = f".{'RC' if match['rc'] else ''}{match['patch']}" if match["patch"] else ""
    return Cann(minor=(major, minor), patch=patch, text=f"{major}.{minor}{number}{match['rest']}")


def plugin_names(text: str) -> tuple[PluginName, ...]:
    """Everything in a text that is written like a version of TorchNPU: ``7.0.0``, ``v2.1.0-7.0.0``, ``6.0.RC3``."""
    lower = re.sub(r"(?<=\d)rc(?=\d)", ".rc", text.strip().lower())
    return tuple(
        PluginName(
            version=match["version"],
            torch=match["torch"] or match["after"],
            preview=match["preview"] is not None,
        )
        for match in _PLUGIN.finditer(lower)
    )


def family(version: str) -> tuple[int, int]:
    """The first two numbers of a TorchNPU version: its patches share them."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def covers(pattern: str, version: str) -> bool:
    """Whether a cell of a matrix means a version: itself, or with a last part X every patch of it."""
    if pattern.endswith(".X"):
        return version.split(".")[: pattern.count(".")] == pattern.split(".")[:-1]
    return pattern == version
