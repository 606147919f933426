"""Which image a model runs in: the base image by chip, CANN, Python and OS, and the stack of packages on top of it.

The answers are data, `docker/images.toml`; this module reads them and never guesses. A base image of a neighbouring
chip starts, and then finds no kernel, so the tag is derived from the name that the chip itself reports, and a name that
does not tell the chip is refused.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import Any

from npu_deliver.environment.docker_data import table
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
            raise ConfigError(
                f"the stack '{stack.name}' is for {stack.device}, not for the SoC '{soc}'",
                fix=f"use the stack {DEFAULT_NPU_STACK}",
            )
        image, tag = names["python"], f"{stack.python}-slim-{stack.os}"
    else:
        if soc is None:
            raise ConfigError(
                f"the stack '{stack.name}' needs the name of the SoC",
                fix="ask npu-smi info, or torch_npu.npu.get_device_name()",
            )
        image, tag = _npu_image(stack, stack.cann, soc_family(soc), names)
    return BaseImage(name=f"{image}:{tag}", digest=data["digests"].get(f"{image}:{tag}"))


def _npu_image(stack: Stack, cann: str, chip: Chip, names: dict[str, str]) -> tuple[str, str]:
    """The repository and the tag: of CANN's image; where none is published, of TorchNPU's with the stack's versions."""
    if _published("published", stack, cann, chip):
        return names["cann"], f"{cann}-{chip.tag}-{stack.os}-py{stack.python}"
    if stack.torch_npu and "torch_npu" in names:
        for entry in _published("published_torch_npu", stack, cann, chip):
            if stack.torch_npu in entry["torch_npu"]:
                return names["torch_npu"], f"{stack.torch_npu}-cann{cann}-{chip.tag}-{stack.os}-py{stack.python}"
    known = sorted({entry["cann"] for entry in _images()["published"] if chip.tag in entry["chips"]})
    stacks = load_stacks().values()
    others = [other.name for other in stacks if other.cann and _published("published", other, other.cann, chip)]
    raise ConfigError(
        f"no image of CANN {cann} for {chip.family} with {stack.os} and Python {stack.python} is known",
        where="images.toml",
        fix=f"for {chip.family} there is CANN {', '.join(known)}; or use the stack {' or '.join(others)}, "
        "or name a base image yourself",
    )


def _published(kind: str, stack: Stack, cann: str, chip: Chip) -> list[dict[str, Any]]:
    return [
        entry
        for entry in _images()[kind]
        if entry["cann"] == cann
        and chip.tag in entry["chips"]
        and stack.os in entry["os"]
        and stack.python in entry["python"]
    ]


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
        raise ConfigError(
            f"the stack '{wanted}' is for {stack.device}, not for the SoC '{soc}'",
            fix=f"use the stack {DEFAULT_NPU_STACK}",
        )
    if normal_machine(machine) not in stack.machines:
        raise ConfigError(
            f"the stack '{wanted}' is not made for {normal_machine(machine)}",
            fix=f"it is for {', '.join(stack.machines)}",
        )
    return stack


def _images() -> dict[str, Any]:
    return table("images.toml")
