"""Which image a model runs in: the base image by chip, CANN, Python and OS, and the stack of packages on top of it.

The answers are data, `docker/images.toml` and `docker/compatibility.toml`; this module reads them and never guesses. A
base image of a neighbouring chip starts, and then finds no kernel, so the tag is derived from the name that the chip
itself reports, and a name that does not tell the chip is refused.
"""

from __future__ import annotations

import enum
import fnmatch
import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npu_deliver.errors import ConfigError, nearest

DEFAULT_NPU_STACK = "npu"
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A kind of Ascend chip. ``tag`` is its part of an image tag (``910b``), ``family`` its usual name (``A2``)."""

    tag: str
    family: str


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """An image to build on. ``digest`` is ``sha256:…`` of the registry's index, or None: the tag alone names it."""

    name: str
    digest: str | None

    @property
    def reference(self) -> str:
        """What a Dockerfile's FROM takes: the name, with the digest where it is known."""
        return f"{self.name}@{self.digest}" if self.digest else self.name

    @property
    def pin(self) -> str:
        """The digest, or the word ``unpinned``."""
        return self.digest or "unpinned"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The platform's part of an image: everything but the model's own requirements.

    ``torch``, ``torchvision`` and ``torch_npu`` are versions, or None where the stack has none. ``packages`` are
    further pinned requirements. ``torch_index`` is an index with CPU builds of torch, empty for none.
    """

    name: str
    device: str
    why: str
    python: str
    os: str
    cann: str | None
    torch: str | None
    torchvision: str | None
    torch_npu: str | None
    torch_index: str
    machines: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        """What is installed with its dependencies."""
        own = {"torch": self.torch, "torchvision": self.torchvision}
        return (*(f"{name}=={version}" for name, version in own.items() if version), *self.packages)

    @property
    def requirements_without_dependencies(self) -> tuple[str, ...]:
        """What is installed without them: the x86_64 wheels of torch_npu require a torch that PyPI does not have."""
        return (f"torch_npu=={self.torch_npu}",) if self.torch_npu else ()


class State(enum.Enum):
    """What is known about a set of versions."""

    LISTED = "listed"
    PATCH_COMPATIBLE = "patch-compatible"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``evidence`` are sentences, each ending with its source."""

    state: State
    evidence: tuple[str, ...]


def docker_folder() -> Path:
    """The Dockerfile and its data: inside an installed package, or at the top of the repository.

    Raises:
        ConfigError: there is no such folder.
    """
    package = Path(__file__).parent
    for folder in (package / "_docker", package.parents[1] / "docker"):
        if (folder / "images.toml").is_file():
            return folder
    raise ConfigError("the Dockerfile is missing", where=str(package), fix="reinstall npu-deliver")


def normal_machine(machine: str) -> str:
    """``x86_64`` or ``aarch64`` for any name that `platform.machine`, Docker or a registry uses.

    Raises:
        ConfigError: the machine is another one.
    """
    found = _MACHINES.get(machine.lower())
    if found is None:
        raise ConfigError(f"there is no image for the machine '{machine}'", fix=f"known: {', '.join(_PLATFORMS)}")
    return found


def platform_of(machine: str) -> str:
    """Docker's name of a machine: ``linux/amd64``.

    Raises:
        ConfigError: no image is made for the machine.
    """
    return _PLATFORMS[normal_machine(machine)]


def soc_family(soc_name: str) -> Chip:
    """The chip of a SoC name as torch_npu or npu-smi prints it (``Ascend910B4``, ``910B4``), or of a family (``A2``).

    Raises:
        ConfigError: the name is unknown, or does not tell the chip; the message lists the known ones.
    """
    data = _images()
    name = soc_name.strip().upper().removeprefix("ASCEND")
    name = re.sub(r"VIR\d\w*$", "", name)  # a slice of a chip (310P3vir04) is that chip
    if name in data["unclear"]:
        raise ConfigError(f"'{soc_name}' does not tell which image fits", fix=str(data["unclear"][name]))
    for tag, chip in data["chips"].items():
        if name == chip["family"].upper() or any(fnmatch.fnmatchcase(name, soc.upper()) for soc in chip["soc"]):
            return Chip(tag=tag, family=chip["family"])
    known = "; ".join(f"{chip['family']}: {' '.join(chip['soc'])}" for chip in data["chips"].values())
    raise ConfigError(f"the SoC '{soc_name}' is unknown", fix=f"known: {known}")


def registries() -> tuple[str, ...]:
    """The names of the registries that base images can come from, the default first."""
    data = _images()
    return (data["default_registry"], *sorted(set(data["registries"]) - {data["default_registry"]}))


def base_image(stack: Stack, *, soc: str | None = None, registry: str | None = None) -> BaseImage:
    """The base image of a stack. ``soc`` is needed for an NPU stack and refused for another.

    Raises:
        ConfigError: the SoC is unknown, missing or of no use, the registry is unknown, or no such image is published.
    """
    data = _images()
    names = data["registries"].get(registry or data["default_registry"])
    if names is None:
        raise ConfigError(f"there is no registry '{registry}'", fix=f"known: {', '.join(registries())}")
    if stack.cann is None:
        if soc is not None:
            raise ConfigError(f"the stack '{stack.name}' is for {stack.device}, not for the SoC '{soc}'",
                              fix=f"use the stack {DEFAULT_NPU_STACK}")  # fmt: skip
        image, tag = names["python"], f"{stack.python}-slim-{stack.os}"
    else:
        if soc is None:
            raise ConfigError(f"the stack '{stack.name}' needs the name of the SoC",
                              fix="ask npu-smi info, or torch_npu.npu.get_device_name()")  # fmt: skip
        image, tag = names["cann"], _cann_tag(stack, stack.cann, soc_family(soc))
    return BaseImage(name=f"{image}:{tag}", digest=data["digests"].get(f"{image}:{tag}"))


def _cann_tag(stack: Stack, cann: str, chip: Chip) -> str:
    published = _images()["published"]
    for entry in published:
        if (entry["cann"] == cann and chip.tag in entry["chips"] and stack.os in entry["os"]
                and stack.python in entry["python"]):  # fmt: skip
            return f"{cann}-{chip.tag}-{stack.os}-py{stack.python}"
    known = sorted({entry["cann"] for entry in published if chip.tag in entry["chips"]})
    raise ConfigError(
        f"no image of CANN {cann} for {chip.family} with {stack.os} and Python {stack.python} is known",
        where="images.toml",
        fix=f"for {chip.family} there is CANN {', '.join(known)}; or name a base image yourself",
    )


def load_stacks() -> dict[str, Stack]:
    """The stacks by name."""
    return {
        name: Stack(
            name=name,
            device=entry["device"],
            why=entry["why"],
            python=entry["python"],
            os=entry["os"],
            cann=entry.get("cann"),
            torch=entry.get("torch"),
            torchvision=entry.get("torchvision"),
            torch_npu=entry.get("torch_npu"),
            torch_index=entry["torch_index"],
            machines=tuple(entry["machines"]),
            packages=tuple(entry["packages"]),
        )
        for name, entry in _images()["stacks"].items()
    }


def choose_stack(name: str | None = None, *, soc: str | None = None, machine: str) -> Stack:
    """The stack of a name, or the default NPU stack for a SoC.

    Raises:
        ConfigError: neither is given, the stack or the SoC is unknown, they do not fit, or the stack is not made for
            the machine.
    """
    stacks = load_stacks()
    if name is None and soc is None:
        raise ConfigError("neither a stack nor a SoC is named", fix=f"stacks: {', '.join(stacks)}")
    if soc is not None:
        soc_family(soc)
    wanted = name or DEFAULT_NPU_STACK
    stack = stacks.get(wanted)
    if stack is None:
        raise ConfigError(f"there is no stack '{wanted}'", fix=nearest(wanted, stacks))
    if soc is not None and stack.device != "npu":
        raise ConfigError(f"the stack '{wanted}' is for {stack.device}, not for the SoC '{soc}'",
                          fix=f"use the stack {DEFAULT_NPU_STACK}")  # fmt: skip
    if normal_machine(machine) not in stack.machines:
        raise ConfigError(f"the stack '{wanted}' is not made for {normal_machine(machine)}",
                          fix=f"it is for {', '.join(stack.machines)}")  # fmt: skip
    return stack


def compatibility(torch: str, torch_npu: str, cann: str, python: str) -> Answer:
    """What the makers' tables say about a set of versions.

    ``listed``: the table has exactly this pair of CANN and torch_npu. ``patch-compatible``: a release of vllm-ascend
    was tested with it, or the pair differs from a listed one in the patch of CANN or in the ``.postN`` of torch_npu; a
    ``.postN`` that the table leaves out counts as its next older listed one, which is how the releases are numbered.
    ``contradicted``: the table has torch_npu with another CANN only, or torch or Python do not fit. ``unknown``: the
    tables do not reach this torch or this CANN, which proves nothing either way.

    Args:
        torch: such as ``2.9.0`` or ``2.9.0+cpu``.
        torch_npu: such as ``2.9.0.post1+gitee7ba04``.
        cann: such as ``8.5.1``, ``8.3.RC1`` or ``8.3.rc1``.
        python: such as ``3.11`` or ``3.11.14``.
    """
    torch, torch_npu, cann = torch.partition("+")[0], torch_npu.partition("+")[0], cann.upper()
    python = ".".join(python.split(".")[:2])
    against = _misfits(torch, torch_npu, python)
    if against:
        return Answer(state=State.CONTRADICTED, evidence=against)
    data = _compatibility()
    listed = {release: version for version, releases in data["table"].items() for release in releases}
    if listed.get(torch_npu) == cann:
        return Answer(state=State.LISTED, evidence=(_sentence(f"torch_npu {torch_npu} is listed with CANN {cann}"),))
    for entry in data["tested"]:
        if entry["cann"].upper() == cann and torch_npu in entry["torch_npu"]:
            text = f"{entry['release']} is built with torch_npu {torch_npu} and CANN {cann}"
            return Answer(state=State.PATCH_COMPATIBLE, evidence=(_sentence(text, entry["source"]),))
    return _nearby(torch_npu, cann, listed)


def _misfits(torch: str, torch_npu: str, python: str) -> tuple[str, ...]:
    """What torch and Python have against torch_npu, whatever the CANN."""
    against = []
    if torch != _torch_of(torch_npu):
        against.append(_sentence(f"torch_npu {torch_npu} is built for torch {_torch_of(torch_npu)}, not for {torch}"))
    pythons = _compatibility()["python"].get(_torch_of(torch_npu))
    if pythons is not None and python not in pythons:
        against.append(_sentence(f"torch_npu {torch_npu} goes with Python {', '.join(pythons)}, not with {python}"))
    return tuple(against)


def _nearby(torch_npu: str, cann: str, listed: dict[str, str]) -> Answer:
    """The answer for a pair that no table has: by the listed release that this one is a patch of, and its CANN."""
    torch = _torch_of(torch_npu)
    siblings = [release for release in listed if _torch_of(release) == torch]
    older = [release for release in siblings if _post(release) <= _post(torch_npu)]
    if not siblings:
        return _unknown(f"no release for torch {torch} is listed")
    if _minor(cann) not in map(_minor, listed.values()):
        return _unknown(f"no CANN {'.'.join(_minor(cann))} is listed")
    if not older:
        return _unknown(f"torch_npu {torch_npu} is older than the releases for its torch that are listed")
    base = max(older, key=_post)
    text = f"torch_npu {base} is listed with CANN {listed[base]}"
    if base != torch_npu:
        text = f"torch_npu {torch_npu} is not listed, its next older release {base} is, with CANN {listed[base]}"
    if _minor(listed[base]) == _minor(cann):
        same = "" if cann == listed[base] else f", which has the minor version of {cann}"
        return Answer(state=State.PATCH_COMPATIBLE, evidence=(_sentence(text + same),))
    here = [f"{release} with CANN {listed[release]}" for release in siblings if _minor(listed[release]) == _minor(cann)]
    known = f"torch_npu {' and '.join(here)} is listed" if here else f"CANN {cann} has none for torch {torch}"
    return Answer(state=State.CONTRADICTED, evidence=(_sentence(text), _sentence(known)))


def _unknown(text: str) -> Answer:
    return Answer(state=State.UNKNOWN, evidence=(_sentence(text),))


def _sentence(text: str, source: str = "table") -> str:
    return f"{text} ({_compatibility()['sources'][source]})"


def _torch_of(torch_npu: str) -> str:
    """The torch of a torch_npu release: 2.9.0.post1 and 2.9.0rc1 are for 2.9.0."""
    return re.sub(r"\.?(post|rc)\d+$", "", torch_npu)


def _post(torch_npu: str) -> int:
    """The number of a .postN; 0 for a release without one, less for a release candidate."""
    found = re.search(r"(post|rc)(\d+)$", torch_npu)
    if found is None:
        return 0
    return int(found[2]) if found[1] == "post" else -1


def _minor(cann: str) -> tuple[str, ...]:
    return tuple(cann.split(".")[:2])


@functools.cache
def _images() -> dict[str, Any]:
    return tomllib.loads((docker_folder() / "images.toml").read_text(encoding="utf-8"))


@functools.cache
def _compatibility() -> dict[str, Any]:
    return tomllib.loads((docker_folder() / "compatibility.toml").read_text(encoding="utf-8"))
