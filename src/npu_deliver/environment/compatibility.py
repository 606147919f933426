"""Whether versions of torch, torch_npu (or TorchNPU itself), CANN and Python go together, by what their makers say.

A set of versions is called contradicted only where every source is against it: the table of releases, the matrices of
the release notes, and pairs that were tested. What is newer than the newest that any source names is unknown, because
the next release may well go with it. Each sentence names its source and the source's date.
"""

from __future__ import annotations

import re

from npu_deliver.environment import plugin_releases as known
from npu_deliver.environment.pairing import (
    Answer,
    Evidence,
    Plugin,
    State,
    is_tested,
    pair,
    source_of,
    unknown,
    without_cann,
)
from npu_deliver.environment.plugin_releases import PluginRelease
from npu_deliver.environment.version_names import (
    Package,
    family,
    package,
    plugin_names,
    read_cann,
    same_torch,
    torch_of,
)

__all__ = ["Answer", "Evidence", "State", "compatibility"]


def compatibility(
    torch: str | None,
    torch_npu: str | None,
    cann: str | None,
    python: str | None = None,
    *,
    plugin: str | None = None,
) -> Answer:
    """What the makers say about a set of versions. None stands for a version that is not known.

    Without a CANN, or without both torch_npu and TorchNPU, nothing can be confirmed: the answer is ``unknown``, or
    ``contradicted`` where the others do not fit each other. torch never stands in for torch_npu.

    Args:
        torch: such as ``2.9.0``, ``2.9.0+cpu`` or ``2.9``.
        torch_npu: pip's version, such as ``2.9.0.post1+gitee7ba04``. One that is TorchNPU's own (``7.0.0``, ``26.0.0``)
            is taken for ``plugin``, for reports often call it so.
        cann: such as ``8.5.1``, ``8.3.RC1`` or ``8.0.0.beta1``.
        python: such as ``3.11`` or ``3.11.14``.
        plugin: TorchNPU's own version in any form that `plugin_releases.plugin_release` reads.
    """
    if torch_npu and _is_own_version(torch_npu, torch):
        torch_npu, plugin = None, plugin or torch_npu
    read = package(torch_npu) if torch_npu else None
    if plugin is not None:
        release = known.plugin_release(plugin)
        if release is None:
            return _unlisted_release(plugin)
        if read is None or not _belongs(read, release):
            return _of_another(torch, read, release, cann, python)
    if read is None:
        return unknown(
            "配套关系按 torch_npu 的版本列出，而这里没有可读的版本",
            "what goes together is listed by torch_npu's version, and none can be read here",
        )
    return _of_package(torch, read, cann, python)


def _is_own_version(torch_npu: str, torch: str | None) -> bool:
    """Whether what is called torch_npu's version is TorchNPU's: packages are numbered like torch, 1.x and 2.x."""
    names = plugin_names(torch_npu)
    if any(name.torch for name in names):
        return True
    found = package(torch_npu)
    major = (found.torch if found else names[0].version if names else "0").split(".")[0]
    like_torch = torch is not None and torch.strip().lower().removeprefix("v").split(".")[0] == major
    return int(major) >= 3 and not like_torch


def _belongs(read: Package, release: PluginRelease) -> bool:
    """Whether a listed package is of a release, or of a patch of it."""
    return any(family(version) == family(release.version) for version in known.releases_of(read.text))


# --- By TorchNPU's own version ---------------------------------------------------------------------------------------


def _unlisted_release(text: str) -> Answer:
    names = plugin_names(text)
    if names and known.newer_than_known(names[0]):
        newest = max(known.rows(), key=lambda row: family(row.version))
        return unknown(
            f"TorchNPU {names[0].version} 比已知最新的 {newest.version} 更新",
            f"TorchNPU {names[0].version} is newer than {newest.version}, the newest that is known",
            newest.source,
        )
    return unknown(f"没有列出名为“{text}”的 TorchNPU 版本", f"no TorchNPU '{text}' is listed")


def _of_another(
    torch: str | None, read: Package | None, release: PluginRelease, cann: str | None, python: str | None
) -> Answer:
    """The answer where TorchNPU's own version decides: torch_npu is not named, or not with a package of that release.

    A bare ``2.1.0`` beside TorchNPU 7.0.0 most often means the torch that the release is for, and a release that is not
    listed may have any package: neither accuses anybody.
    """
    if read is None:
        return _of_release(torch, release, cann, python)
    loose = read.rank == (0, 0, 0) and bool(release.packages_for(read.torch))
    versions = known.releases_of(read.text)
    if loose or not versions:
        return _of_release(torch or read.torch, release, cann, python)
    if not release.exact:
        return _of_package(torch, read, cann, python)
    fact = Evidence(
        zh=f"torch_npu {read.text} 属于 TorchNPU {versions[0]}，不属于 {release.version}",
        en=f"torch_npu {read.text} is TorchNPU {versions[0]}, not {release.version}",
        source=source_of(read.text),
    )
    return Answer(state=State.CONTRADICTED, facts=(fact,))


def _of_release(torch: str | None, release: PluginRelease, cann: str | None, python: str | None) -> Answer:
    wanted = torch or release.torch
    packages = release.packages_for(wanted) if wanted else release.packages
    other = torch is not None and release.torch is not None and not same_torch(torch, release.torch)
    if not packages or other:
        return _not_served(str(torch or wanted), release)
    plugin = Plugin(name=f"TorchNPU {release.version}", packages=packages, versions=(release.version,))
    answer = _with_python(plugin, torch_of(packages[0]) if wanted else None, cann, python)
    if release.exact or answer.state is State.UNKNOWN:
        return answer
    fact = Evidence(
        zh=f"没有列出 TorchNPU {release.named}，与它最近的是 {release.version}",
        en=f"TorchNPU {release.named} is not listed, {release.version} is the nearest that is",
        source=release.sources[0],
    )
    state = State.PATCH_COMPATIBLE if answer.state.fits else State.UNKNOWN
    return Answer(state=state, facts=(*answer.facts, fact))


def _not_served(torch: str, release: PluginRelease) -> Answer:
    served = [release.torch] if release.torch else list(dict.fromkeys(torch_of(name) for name in release.packages))
    fact = Evidence(
        zh=f"TorchNPU {release.version} 对应的 torch 是 {'、'.join(served)}，不是 {torch}",
        en=f"TorchNPU {release.version} is for torch {', '.join(served)}, not for {torch}",
        source=release.sources[0],
    )
    return Answer(state=State.CONTRADICTED if release.exact else State.UNKNOWN, facts=(fact,))


# --- By torch_npu's version ------------------------------------------------------------------------------------------


def _of_package(torch: str | None, read: Package, cann: str | None, python: str | None) -> Answer:
    candidates, why = _candidates(read)
    if not candidates:
        return why
    misfit = _torch_misfit(torch, read, candidates)
    if misfit is not None:
        python_misfit, _ = _python_misfit(read.torch, python)
        return Answer(state=State.CONTRADICTED, facts=(misfit, *filter(None, (python_misfit,))))
    answers = [
        _with_python(
            Plugin(name=f"torch_npu {name}", packages=(name,), versions=known.releases_of(name)),
            torch_of(name),
            cann,
            python,
        )
        for name in candidates
    ]
    if candidates == (read.text,):
        return answers[0]
    return _between(read, candidates, answers, cann)


def _candidates(read: Package) -> tuple[tuple[str, ...], Answer]:
    """The listed packages that a version is or lies between; none, and why, where the list does not reach it."""
    nothing = unknown(f"没有列出用于 torch {read.torch} 的版本", f"no release for torch {read.torch} is listed")
    if read.short:
        named = tuple(each.text for each in known.known_packages() if same_torch(each.torch, read.text))
        return named[::-1], nothing
    siblings = [each for each in known.known_packages() if each.torch == read.torch]
    if not siblings:
        return (), nothing
    if any(each.text == read.text for each in siblings):
        return (read.text,), nothing
    older = [each for each in siblings if each.rank < read.rank]
    newer = [each for each in siblings if each.rank > read.rank]
    if not newer:
        newest = siblings[-1].text
        return (), unknown(
            f"torch_npu {read.text} 比已知最新的 {newest} 更新",
            f"torch_npu {read.text} is newer than {newest}, the newest for its torch that is known",
            source_of(newest),
        )
    if not older and read.text not in {name for row in known.tested() for name in row.packages}:
        return (), unknown(
            f"torch_npu {read.text} 比已列出的 {newer[0].text} 更早",
            f"torch_npu {read.text} is older than {newer[0].text}, the oldest for its torch that is listed",
            source_of(newer[0].text),
        )
    return tuple(each.text for each in (*older[-1:], *newer[:1])), nothing


def _between(read: Package, candidates: tuple[str, ...], answers: list[Answer], cann: str | None) -> Answer:
    """The answer for a version that is not listed, by those that it lies between: contradicted only where all are."""
    exact = read_cann(cann) if cann else None
    built = exact and is_tested(Plugin(name=f"torch_npu {read.text}", packages=(read.text,), versions=()), exact)
    if built:
        return Answer(state=State.PATCH_COMPATIBLE, facts=(built,))
    order = (State.LISTED, State.COMPATIBLE, State.PATCH_COMPATIBLE, State.UNKNOWN, State.CONTRADICTED)
    best = min(answers, key=lambda answer: order.index(answer.state))
    near = candidates[answers.index(best)]
    fact = Evidence(
        zh=f"没有列出 torch_npu {read.text}，与它最近的是 {near}",
        en=f"torch_npu {read.text} is not listed, {near} is the nearest that is",
        source=source_of(near),
    )
    state = State.PATCH_COMPATIBLE if best.state.fits else best.state
    return Answer(state=state, facts=(*best.facts, fact))


def _torch_misfit(torch: str | None, read: Package, candidates: tuple[str, ...]) -> Evidence | None:
    named = {row.torch for row in known.rows() if row.torch and set(candidates) & set(row.packages)}
    if torch is None or any(same_torch(torch, each) for each in (read.text if read.short else read.torch, *named)):
        return None
    plain = torch.partition("+")[0]
    return Evidence(
        zh=f"torch_npu {read.text} 是为 torch {read.torch} 构建的，不是为 {plain}",
        en=f"torch_npu {read.text} is built for torch {read.torch}, not for {plain}",
        source=source_of(candidates[0]),
    )


# --- Python, and CANN -------------------------------------------------------------------------------------------------


def _python_misfit(torch: str | None, python: str | None) -> tuple[Evidence | None, bool]:
    """What is said against a Python, and whether it is one that is newer than every listed one."""
    numbers = (python or "").strip().split(".")
    listed = known.pythons(torch) if torch else None
    if listed is None or len(numbers) < 2 or not all(re.fullmatch(r"\d{1,3}", part) for part in numbers[:2]):
        return None, False
    minor = ".".join(numbers[:2])
    versions, source = listed
    if minor in versions:
        return None, False
    fact = Evidence(
        zh=f"torch {torch} 对应的 Python 是 {'、'.join(versions)}，不是 {minor}",
        en=f"torch {torch} goes with Python {', '.join(versions)}, not with {minor}",
        source=source,
    )
    return fact, numbers[0] == "3" and int(numbers[1]) > known.newest_python()


def _with_python(plugin: Plugin, torch: str | None, cann: str | None, python: str | None) -> Answer:
    against, newer = _python_misfit(torch, python)
    if against and not newer:
        return Answer(state=State.CONTRADICTED, facts=(against,))
    exact = read_cann(cann) if cann else None
    if exact is None:
        return without_cann(plugin)
    answer = pair(plugin, exact)
    if against and answer.state is not State.CONTRADICTED:
        return Answer(state=State.UNKNOWN, facts=(against, *answer.facts))
    return answer
