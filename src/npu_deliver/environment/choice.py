"""Where the steps run: the choice between a container engine and this machine's interpreter, and the image for it.

A container is what makes a result repeatable, so where an engine answers it is taken. A contest's notebook has an NPU
and no engine: there the interpreter is the way, and nothing about it is second-rate.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from npu_deliver.environment import build, hardware, requirements, stacks
from npu_deliver.environment.build import Build
from npu_deliver.environment.compatibility import compatibility
from npu_deliver.environment.engine import Engine, LocalEngine, ReplayEngine
from npu_deliver.environment.image import Image, local_image, replayed_image
from npu_deliver.errors import ConfigError, EngineError
from npu_deliver.spec.spec import Spec
from npu_eval.asked.spec import ImageFacts
from npu_eval.records.record import Record

Say = Callable[[str], None]

_SIZE = re.compile(r"(\d+)([kmgt]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, kw_only=True)
class Containers:
    """How containers are used; None leaves the choice to the spec, the machine and the defaults.

    ``engine`` is auto, docker or local. ``wheelhouse`` is a folder of wheels for machines without a network,
    ``extra_ca`` a file of certificates, ``torch_index`` an index with CPU builds of torch (empty for none), ``memory``
    a limit such as ``8g``.
    """

    engine: str = "auto"
    stack: str | None = None
    soc: str | None = None
    base_image: str | None = None
    registry: str | None = None
    wheelhouse: Path | None = None
    extra_ca: Path | None = None
    torch_index: str | None = None
    memory: str | None = None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where steps run, and what carries them out."""

    image: Image
    engine: Engine


def replay(source: Path, read: Callable[[Path], Record]) -> Environment:
    """The environment of an earlier deliverable, whose records are replayed.

    Raises:
        RecordError: it has no readable record.
    """
    return Environment(image=replayed_image(source, read), engine=ReplayEngine(source, read))


def local(python: Path) -> Environment:
    """An interpreter of this machine.

    Raises:
        EngineError: it does not run, or has no torch.
    """
    image = local_image(python)
    return Environment(image=image, engine=LocalEngine(image))


def container(image: Image, containers: Containers) -> Environment:
    """Containers of an image."""
    from npu_deliver.environment.engine.container import DockerEngine, Limits

    return Environment(image=image, engine=DockerEngine(image, limits=Limits(memory_bytes=_bytes(containers.memory))))


def choose(containers: Containers, say: Say) -> str:
    """``docker`` or ``local``; what ``auto`` comes to is said, with the reason.

    Raises:
        EngineError: Docker is asked for and no engine answers.
    """
    if containers.engine == "local":
        return "local"
    from npu_deliver.environment.engine.container import described

    try:
        engine = described()
    except EngineError as error:
        if containers.engine == "docker":
            raise
        say(f"engine: local, because {error.what} (at {error.where})")
        return "local"
    why = f"{engine} answers" if containers.engine == "auto" else engine
    say(f"engine: docker ({why})")
    return "docker"


def prepare(spec: Spec, containers: Containers, *, say: Say, keep: Say) -> Image:
    """The image of a spec: the one that is there, else a new one.

    Args:
        say: gets what a user wants to know while it is built.
        keep: gets every line of the build.

    Raises:
        SpecError: the requirements do not fit the stack.
        ConfigError: the stack, the SoC, the registry or a file is unknown.
        EngineError: no engine answers, or the build fails.
    """
    from npu_deliver.environment.engine import images

    planned, soc = planned_build(spec, containers, machine=images.engine_machine())
    found = images.find(planned, soc)
    if found is not None:
        say(f"image: {planned.tag} is there ({found.digest[:19]})")
        return found
    say(f"image: building {planned.tag} on {planned.arguments['BASE_IMAGE']}")
    made = images.build_image(planned, soc, say=say, keep=keep)
    say(f"image: built {planned.tag} ({made.digest[:19]})")
    return made


def planned_image(spec: Spec, containers: Containers) -> Image:
    """The image that would be used, named by its tag, without an engine being asked to build anything."""
    from npu_deliver.environment.engine import images

    planned, soc = planned_build(spec, containers, machine=images.engine_machine())
    found = images.find(planned, soc)
    return found or Image(kind="docker", digest=planned.tag, python="python", packages={})


def planned_build(spec: Spec, containers: Containers, *, machine: str) -> tuple[Build, str | None]:
    """The build of a spec's image on a machine, and the SoC that it is for.

    Raises:
        SpecError: the requirements do not fit the stack.
        ConfigError: the stack, the SoC, the registry or a file is unknown.
    """
    device = spec.evaluation.device.partition(":")[0]
    name = containers.stack or spec.image.stack or default_stack(hardware.present() if device == "auto" else device)
    soc = containers.soc or spec.image.soc
    own = containers.base_image or spec.image.base
    stack = stacks.choose_stack(name, machine=machine)
    if stack.device == "npu" and soc is None and own is None:
        soc = hardware.detected_soc()
    base = _own_base(own) if own else stacks.base_image(stack, soc=soc, registry=containers.registry)
    text = "".join(f"{name}\n" for name in requirements.names(spec))
    return _prepared(stack, base, text, containers, machine), soc


def rebuilt(
    facts: ImageFacts | None, device: str, text: str, containers: Containers, *, machine: str, only_wheels: bool
) -> tuple[Build, str | None]:
    """The build that comes nearest to the environment of an earlier run, and the SoC that it is for.

    The base comes from this project's own table, never from the facts: they may be a stranger's. Of the stack for CPU
    and CUDA the versions give way to those of the run; the versions of an NPU stack belong together and stay.

    Args:
        facts: the image of the run; None where it had none, and ``device`` then says which stack it needs.
        text: the run's requirements.txt, every line ``name==version``.
        only_wheels: take no source archive, whose code would run while it is built.

    Raises:
        SpecError: a requirement is none that may be installed.
        ConfigError: the stack or the SoC is unknown here.
    """
    kind = device.partition(":")[0]
    name = containers.stack or (facts.stack if facts else default_stack("cpu" if kind == "auto" else kind))
    stack = stacks.choose_stack(name, machine=machine)
    soc = containers.soc or (facts.soc if facts else None)
    if stack.device == "npu" and soc is None and containers.base_image is None:
        soc = hardware.detected_soc()
    own = containers.base_image
    base = _own_base(own) if own else stacks.base_image(stack, soc=soc, registry=containers.registry)
    if stack.device != "npu":
        stack = _with_versions(stack, text)
    return _prepared(stack, base, text, containers, machine, only_wheels=only_wheels), soc


def _with_versions(stack: stacks.Stack, text: str) -> stacks.Stack:
    """A stack with the versions that a requirements.txt pins."""
    pins = dict(line.split("==", 1) for line in text.split() if "==" in line)
    packages = tuple(
        f"{name}=={pins.get(name, version)}" for name, _, version in (p.partition("==") for p in stack.packages)
    )
    return replace(
        stack,
        packages=packages,
        torch=pins.get("torch", stack.torch),
        torchvision=pins.get("torchvision") if "torch" in pins else stack.torchvision,
    )


def default_stack(device: str) -> str:
    """The stack for a kind of device."""
    return stacks.DEFAULT_NPU_STACK if device == "npu" else device


def _prepared(
    stack: stacks.Stack,
    base: stacks.BaseImage,
    text: str,
    containers: Containers,
    machine: str,
    *,
    only_wheels: bool = False,
) -> Build:
    return build.prepare(
        stack,
        base,
        text,
        machine=machine,
        user=(os.getuid(), os.getgid()),
        wheels=_wheels(containers.wheelhouse),
        extra_ca=containers.extra_ca,
        torch_index=containers.torch_index,
        only_wheels=only_wheels,
    )


def warnings_of(stack_name: str) -> tuple[str, ...]:
    """What the makers' tables have against a stack's versions; empty where one of them speaks for it."""
    stack = stacks.load_stacks()[stack_name]
    if stack.torch is None or stack.torch_npu is None or stack.cann is None:
        return ()
    answer = compatibility(stack.torch, stack.torch_npu, stack.cann, stack.python)
    return () if answer.state.fits else (f"{answer.state.value}: {answer.evidence[0]}",)


def _own_base(name: str) -> stacks.BaseImage:
    image, _, digest = name.partition("@")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/-]*", image) or (digest and not digest.startswith("sha256:")):
        raise ConfigError(f"'{name}' is no image", where="base image", fix="write name:tag or name@sha256:…")
    return stacks.BaseImage(name=image, digest=digest or None)


def _wheels(folder: Path | None) -> tuple[Path, ...]:
    if folder is None:
        return ()
    found = tuple(sorted(folder.glob("*.whl")))
    if not found:
        raise ConfigError("holds no wheel", where=str(folder), fix="fill it with `pip download -d`, see the how-to")
    return found


def _bytes(size: str | None) -> int | None:
    if size is None:
        return None
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise ConfigError(f"'{size}' is no size", where="memory", fix="write 512m or 8g")
    return int(match[1]) * _UNITS[match[2].lower()]
