"""What the sources say of a release of TorchNPU, or of a torch_npu package, together with a CANN.

The table of releases, the matrices of the release notes and tested pairs are asked in that order; each sentence names
its source and the source's date.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

from npu_deliver.environment import plugin_releases as known
from npu_deliver.environment.plugin_releases import Source
from npu_deliver.environment.version_names import Cann, covers, read_cann, torch_of


class State(enum.Enum):
    """What is known about a set of versions.

    ``listed``: a source lists exactly this pair of torch_npu and CANN as released together. ``compatible``: a matrix of
    the release notes has it. ``patch-compatible``: a release of vllm-ascend was built with it, or it differs from a
    pair of the others in a patch of CANN or of TorchNPU, in torch_npu's ``.postN``, or (a tested one) in torch.
    ``contradicted``: every source is against it. ``unknown``: no source reaches it.
    """

    LISTED = "listed"
    COMPATIBLE = "compatible"
    PATCH_COMPATIBLE = "patch-compatible"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"

    @property
    def fits(self) -> bool:
        """Whether a source speaks for the set of versions."""
        return self in (State.LISTED, State.COMPATIBLE, State.PATCH_COMPATIBLE)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One sentence in both languages, and where its fact stands."""

    zh: str
    en: str
    source: Source

    def said(self, lang: str) -> str:
        """The sentence in ``zh`` or ``en``, with the source and its date."""
        return f"{self.zh}（{self.source.url}，{self.source.date}）" if lang == "zh" else f"{self.en} ({self.source})"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A state, and why: at least one fact, the one that decides first."""

    state: State
    facts: tuple[Evidence, ...]

    @property
    def evidence(self) -> tuple[str, ...]:
        """The facts in English, each ending with its source and its date."""
        return self.said("en")

    def said(self, lang: str) -> tuple[str, ...]:
        """The facts in ``zh`` or ``en``."""
        return tuple(fact.said(lang) for fact in self.facts)


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What the question is about: torch_npu or TorchNPU by its ``name``, the ``versions`` of TorchNPU that it can be.

    ``packages`` are those that are meant; empty for all of the versions.
    """

    name: str
    packages: tuple[str, ...]
    versions: tuple[str, ...]

    def called(self, version: str, base: str) -> tuple[str, str]:
        """Its name in Chinese and English, with the release and the one that this patches."""
        own = "" if self.name == f"TorchNPU {version}" else f"TorchNPU {version}"
        zh = "，".join(filter(None, (own, f"{base} 的补丁版本" if base != version else "")))
        en = ", ".join(filter(None, (own, f"a patch of {base}" if base != version else "")))
        return (f"{self.name}（{zh}）", f"{self.name} ({en})") if en else (f"{self.name} ", self.name)


def pair(plugin: Plugin, cann: Cann) -> Answer:
    """The strongest that a source says for a pair, or what stands against it."""
    for state, find in (
        (State.LISTED, _listed),
        (State.COMPATIBLE, _in_matrix),
        (State.PATCH_COMPATIBLE, is_tested),
        (State.PATCH_COMPATIBLE, _near_listed),
        (State.PATCH_COMPATIBLE, _near_matrix),
        (State.PATCH_COMPATIBLE, _near_tested),
    ):
        fact = find(plugin, cann)
        if fact is not None:
            return Answer(state=state, facts=(fact,))
    return _outside(plugin, cann)


def _listed(plugin: Plugin, cann: Cann) -> Evidence | None:
    for row in known.rows():
        if row.version in plugin.versions and _same(row.cann, cann) and _meant(plugin, row.packages):
            zh, en = plugin.called(row.version, row.version)
            return Evidence(
                zh=f"{zh}的配套 CANN 是 {row.cann}", en=f"{en} is listed with CANN {row.cann}", source=row.source
            )
    return None


def _in_matrix(plugin: Plugin, cann: Cann) -> Evidence | None:
    for version, row, cell in _cells(plugin.versions):
        if covers(cell, cann.text):
            return _cell_fact(plugin, version, version, row, cell)
    return None


def is_tested(plugin: Plugin, cann: Cann) -> Evidence | None:
    """The release of another project that was built with exactly this pair."""
    for row in known.tested():
        if _same(row.cann, cann) and (both := set(row.packages) & set(plugin.packages)):
            return _tested_fact(row, both.pop())
    return None


def _near_listed(plugin: Plugin, cann: Cann) -> Evidence | None:
    for version in plugin.versions:
        for row in known.rows():
            if row.version in (version, known.patched(version)) and row.cann and _same_minor(row.cann, cann):
                zh, en = plugin.called(version, row.version)
                same = _same(row.cann, cann)
                return Evidence(
                    zh=f"{zh}的配套 CANN 是 {row.cann}" + ("" if same else f"，与 {cann.text} 的次版本相同"),
                    en=f"{en} is listed with CANN {row.cann}"
                    + ("" if same else f", of the minor version of {cann.text}"),
                    source=row.source,
                )
    return None


def _near_matrix(plugin: Plugin, cann: Cann) -> Evidence | None:
    """A patch of a release of a matrix, with a CANN of it or a later patch of one: an earlier one was left out."""
    for version in plugin.versions:
        base = known.patched(version)
        for _, row, cell in _cells((base,)):
            exact = read_cann(cell)
            later = exact and exact.minor == cann.minor and (cann.patch is None or cann.order >= exact.order)
            if covers(cell, cann.text) or later:
                return _cell_fact(plugin, version, base, row, cell)
    return None


def _near_tested(plugin: Plugin, cann: Cann) -> Evidence | None:
    """A tested pair that differs in patches, or in torch: matrices, too, name TorchNPU's version for every torch."""
    bases = {known.patched(version) for version in plugin.versions}
    for row in known.tested():
        for name in row.packages:
            if bases & {known.patched(version) for version in known.releases_of(name)} and _same_minor(row.cann, cann):
                return _tested_fact(row, name)
    return None


def _outside(plugin: Plugin, cann: Cann) -> Answer:
    """The answer for a pair that no source has: unknown where the sources end, contradicted where they go on."""
    newest, source = known.known_canns()[-1]
    if cann.order > newest.order:
        return unknown(
            f"CANN {cann.text} 比已知最新的 {newest.text} 更新",
            f"CANN {cann.text} is newer than {newest.text}, the newest that is known",
            source,
        )
    if cann.minor not in {each.minor for each, _ in known.known_canns()}:
        return unknown(f"没有列出 CANN {cann.minor_text}", f"no CANN {cann.minor_text} is listed")
    candidate = _of_final(plugin, cann)
    if candidate is not None:
        return Answer(state=State.UNKNOWN, facts=(candidate,))
    return Answer(state=State.CONTRADICTED, facts=tuple(_against(plugin, cann)))


def _of_final(plugin: Plugin, cann: Cann) -> Evidence | None:
    """What matrices say of the release to which a candidate (6.0.rc3) led; they leave the candidates out."""
    for version in plugin.versions:
        final = f"{version.partition('.rc')[0]}.0"
        fits = _near_matrix(replace(plugin, versions=(final,)), cann) if ".rc" in version else None
        if fits is not None:
            return Evidence(
                zh=f"TorchNPU {final} 与 CANN {cann.text} 兼容，但没有来源提到其候选版本 {version}",
                en=f"TorchNPU {final} is compatible with CANN {cann.text}, nothing is said of its candidate {version}",
                source=fits.source,
            )
    return None


def _against(plugin: Plugin, cann: Cann) -> Iterator[Evidence]:
    """What the sources say instead: the CANN of the release, those of the matrices, and what this CANN goes with."""
    yield _own_cann(plugin, f"，没有来源把它与 CANN {cann.text} 配套", f", and no source has it with CANN {cann.text}")
    for matrix in known.matrices():
        bases = (base for version in plugin.versions for base in (version, known.patched(version)))
        version = next((base for base in bases for pattern in matrix.plugins if covers(pattern, base)), None)
        if version is not None:
            yield Evidence(
                zh=f"TorchNPU {version} 与 CANN {'、'.join(matrix.canns)} 兼容",
                en=f"TorchNPU {version} is compatible with CANN {', '.join(matrix.canns)}",
                source=matrix.source,
            )
    torches = {torch_of(name) for name in plugin.packages}
    for row in known.rows():
        here = ", ".join(name for name in row.packages if torch_of(name) in torches)
        if here and row.cann and _same_minor(row.cann, cann):
            yield Evidence(
                zh=f"CANN {row.cann} 配套的是 torch_npu {here}",
                en=f"torch_npu {here} is listed with CANN {row.cann}",
                source=row.source,
            )


# --- Facts -----------------------------------------------------------------------------------------------------------


def _cells(versions: tuple[str, ...]) -> Iterator[tuple[str, known.Matrix, str]]:
    for version in versions:
        for row in known.matrices():
            if any(covers(pattern, version) for pattern in row.plugins):
                yield from ((version, row, cell) for cell in row.canns)


def _cell_fact(plugin: Plugin, version: str, base: str, row: known.Matrix, cell: str) -> Evidence:
    zh, en = plugin.called(version, base)
    pattern = next(pattern for pattern in row.plugins if covers(pattern, base))
    return Evidence(
        zh=f"{zh.strip()}：TorchNPU {pattern} 与 CANN {cell} 兼容",
        en=f"{en}: TorchNPU {pattern} is compatible with CANN {cell}",
        source=row.source,
    )


def _tested_fact(row: known.Tested, name: str) -> Evidence:
    versions = known.releases_of(name)
    zh, en = (f"（TorchNPU {versions[0]}）", f" (TorchNPU {versions[0]})") if versions else (" ", "")
    return Evidence(
        zh=f"{row.release} 使用 torch_npu {name}{zh}与 CANN {row.cann} 构建",
        en=f"{row.release} is built with torch_npu {name}{en} and CANN {row.cann}",
        source=row.source,
    )


def without_cann(plugin: Plugin) -> Answer:
    """The answer where no CANN can be read: what the release was listed with."""
    fact = _own_cann(plugin, "，而这里的 CANN 版本不详", ", and the CANN here is not known")
    return Answer(state=State.UNKNOWN, facts=(fact,))


def _own_cann(plugin: Plugin, zh: str, en: str) -> Evidence:
    """The CANN that a release, or the one that it patches, was listed with, and an end of the sentence."""
    pairs = [(version, base) for version in plugin.versions for base in (version, known.patched(version))]
    version, row = next(
        (version, row) for version, base in pairs for row in known.rows() if row.version == base and row.cann
    )
    called_zh, called_en = plugin.called(version, row.version)
    return Evidence(
        zh=f"{called_zh}的配套 CANN 是 {row.cann}{zh}",
        en=f"{called_en} is listed with CANN {row.cann}{en}",
        source=row.source,
    )


def _meant(plugin: Plugin, packages: tuple[str, ...]) -> bool:
    return not plugin.packages or bool(set(plugin.packages) & set(packages))


def _same(text: str | None, cann: Cann) -> bool:
    found = read_cann(text) if text else None
    return found is not None and found.text == cann.text


def _same_minor(text: str, cann: Cann) -> bool:
    found = read_cann(text)
    return found is not None and found.minor == cann.minor


def source_of(name: str) -> Source:
    """Where a package is listed; the table for one that is not."""
    return next((row.source for row in known.rows() if name in row.packages), known.sources()["table"])


def unknown(zh: str, en: str, source: Source | None = None) -> Answer:
    """The answer where the sources end; without a source the table is the one that does not say."""
    return Answer(state=State.UNKNOWN, facts=(Evidence(zh=zh, en=en, source=source or known.sources()["table"]),))
