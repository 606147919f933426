"""TorchNPU's releases: their own version, the CANN that each was released with, and the torch_npu packages of each.

A report may name the plugin by its own version ("FrameworkPTAdapter 7.0.0", "TorchNPU 26.0.0", a branch `v2.1.0-7.0.0`)
instead of pip's (2.1.0.post12). Both are data of `docker/compatibility.toml`, and this module reads them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from npu_deliver.environment import docker_data
from npu_deliver.environment.version_names import (
    Cann,
    Package,
    PluginName,
    family,
    package,
    plugin_names,
    read_cann,
    same_torch,
    torch_of,
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a fact stands, and ``date``: of the commit, or of the day when the address was read."""

    url: str
    date: str

    def __str__(self) -> str:
        return f"{self.url}, {self.date}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one source says of a release. ``of`` is the release that this one patches, ``cann`` what it came with.

    ``torch`` is only there where the source names another torch than the package does.
    """

    version: str
    of: str | None
    cann: str | None
    source: Source
    packages: tuple[str, ...]
    torch: str | None


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Release notes: every TorchNPU of ``plugins`` goes with every CANN of ``canns``; ``7.3.X`` is any patch."""

    plugins: tuple[str, ...]
    canns: tuple[str, ...]
    source: Source


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A pair that another project's release was built with."""

    release: str
    cann: str
    packages: tuple[str, ...]
    source: Source


@dataclass(frozen=True, kw_only=True)
class PluginRelease:
    """A release of TorchNPU that a text names.

    ``named`` is the version as written; not ``exact``: it is not listed, and ``version`` is the release of its family
    (the same first two numbers) that comes nearest. ``torch`` is what a branch name or a tag says beside it.
    """

    version: str
    named: str
    exact: bool
    torch: str | None
    cann: str | None
    packages: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches of the release, ``v<torch>-<TorchNPU>``; releases before 3.0 have one named like themselves."""
        if ".tr" in self.version:
            return (self.version,)
        return tuple(dict.fromkeys(f"v{torch_of(name)}-{self.version}" for name in self.packages))

    def packages_for(self, torch: str) -> tuple[str, ...]:
        """The release's packages for a torch: one, or two where the sources differ, or none."""
        return tuple(name for name in self.packages if same_torch(torch_of(name), torch))


def plugin_release(text: str) -> PluginRelease | None:
    """The release that a text names by TorchNPU's own version; None where it names none that is known.

    Args:
        text: ``7.0.0``, ``FrameworkPTAdapter 7.0.RC1``, ``TorchNPU 26.0.0``, ``v2.1.0-7.0.0``,
            ``v26.1.0-pytorch2.12.0``. A pip version (``2.1.0.post12``) names none.
    """
    return next((found for name in plugin_names(text) if (found := _release(name)) is not None), None)


def newer_than_known(name: PluginName) -> bool:
    """Whether a version of TorchNPU is of a family that is newer than every listed one."""
    return family(name.version) > max(family(row.version) for row in rows())


@functools.cache
def rows() -> tuple[Row, ...]:
    """What the sources say of the releases, the table's order first."""
    return tuple(
        Row(
            version=entry["version"],
            of=entry.get("of"),
            cann=entry.get("cann"),
            source=sources()[entry["source"]],
            packages=tuple(entry["packages"]),
            torch=entry.get("torch"),
        )
        for entry in docker_data.table("compatibility.toml")["release"]
    )


@functools.cache
def matrices() -> tuple[Matrix, ...]:
    """What release notes call compatible."""
    return tuple(
        Matrix(plugins=tuple(entry["torch_npu"]), canns=tuple(entry["cann"]), source=sources()[entry["source"]])
        for entry in docker_data.table("compatibility.toml")["matrix"]
    )


@functools.cache
def tested() -> tuple[Tested, ...]:
    """Pairs that were tested."""
    return tuple(
        Tested(
            release=entry["release"],
            cann=entry["cann"],
            packages=tuple(entry["torch_npu"]),
            source=sources()[entry["source"]],
        )
        for entry in docker_data.table("compatibility.toml")["tested"]
    )


@functools.cache
def sources() -> dict[str, Source]:
    """The sources by the name that rows call them."""
    data = docker_data.table("compatibility.toml")["sources"]
    return {name: Source(url=entry["url"], date=entry["date"]) for name, entry in data.items()}


@functools.cache
def pythons(torch: str) -> tuple[tuple[str, ...], Source] | None:
    """The Pythons of a torch that any source lists, with the first of them; None where none lists that torch."""
    found = [
        (entry["torch"][torch], sources()[entry["source"]])
        for entry in docker_data.table("compatibility.toml")["python"]
        if torch in entry["torch"]
    ]
    if not found:
        return None
    every = sorted({version for versions, _ in found for version in versions}, key=_minor_python)
    return tuple(every), found[0][1]


@functools.cache
def newest_python() -> int:
    """The newest 3.N that any source lists for any torch."""
    every = (entry["torch"] for entry in docker_data.table("compatibility.toml")["python"])
    return max(_minor_python(version) for torch in every for versions in torch.values() for version in versions)


@functools.cache
def known_canns() -> tuple[tuple[Cann, Source], ...]:
    """Every CANN that a source names, the newest last."""
    named = [(row.cann, row.source) for row in rows() if row.cann]
    named += [(text, matrix.source) for matrix in matrices() for text in matrix.canns if not text.endswith(".X")]
    named += [(each.cann, each.source) for each in tested()]
    read = {found.text: (found, source) for text, source in reversed(named) if (found := read_cann(text)) is not None}
    return tuple(sorted(read.values(), key=lambda pair: pair[0].order))


@functools.cache
def known_packages() -> tuple[Package, ...]:
    """Every torch_npu that a row lists, for one torch the newest last."""
    names = dict.fromkeys(name for row in rows() for name in row.packages)
    return tuple(sorted((found for name in names if (found := package(name))), key=lambda each: each.rank))


def releases_of(name: str) -> tuple[str, ...]:
    """The releases of TorchNPU that have a package, the table's first."""
    return tuple(dict.fromkeys(row.version for row in rows() if name in row.packages))


def patched(version: str) -> str:
    """The release that one patches; itself for one that is no patch."""
    return next((row.of for row in rows() if row.version == version and row.of), version)


def _release(name: PluginName) -> PluginRelease | None:
    version = _listed_name(name.version)
    if version is None:
        return None
    mine = [row for row in rows() if row.version == version]
    canns = [row.cann for each in (version, patched(version)) for row in rows() if row.version == each and row.cann]
    return PluginRelease(
        version=version,
        named=name.version,
        exact=version == name.version and not name.preview,
        torch=name.torch,
        cann=canns[0] if canns else None,
        packages=tuple(dict.fromkeys(package for row in mine for package in row.packages)),
        sources=tuple(dict.fromkeys(row.source for row in mine)),
    )


def _listed_name(version: str) -> str | None:
    """The listed release of a version: itself, what it extends (6.0.rc3 of 6.0.rc3.5), or the .0 of its family."""
    listed = {row.version for row in rows()}
    parts = version.split(".")
    for length in range(len(parts), 1, -1):
        if (stem := ".".join(parts[:length])) in listed:
            return stem
    nearest = f"{parts[0]}.{parts[1]}.0"
    return nearest if nearest in listed else None


def _minor_python(version: str) -> int:
    return int(version.split(".")[1])
