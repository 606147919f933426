"""What people trip over before a first run, checked one by one, each with what to do about it in one line.

Nothing has to be installed for it: no engine, no torch, no CANN. What is absent is a finding or, where it is not needed
on this machine, no matter. Everything that may hang or end its process is asked in a process of its own.
"""

from __future__ import annotations

import enum
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from npu_deliver.environment import compatibility, hardware, stacks
from npu_deliver.environment.choice import Containers, default_stack
from npu_deliver.environment.image import ask
from npu_deliver.errors import ConfigError, EngineError
from npu_eval.machine import limits as host_limits
from npu_eval.npu import evidence as npu_evidence
from npu_eval.npu import probe as npu_probe
from npu_eval.npu import smi as npu_smi

IMAGE_BYTES = 20 * 2**30
"""Free space for a first image: an NPU image takes about 8 GB, and its stages the same again while it is built."""


class State(enum.StrEnum):
    """How a check came out. ``absent`` is no fault: the thing is not there and need not be."""

    FINE = "fine"
    WARNING = "warning"
    FAULT = "fault"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at. ``fix`` is empty where there is nothing to do."""

    name: str
    state: State
    what: str
    fix: str = ""


def examine(containers: Containers, python: Path) -> Iterator[Check]:
    """Look at everything, one after the other.

    Args:
        python: the interpreter that would run the steps without an engine.
    """
    yield from _engine(containers)
    yield _space(Path.cwd())
    yield from _nodes()
    yield from _smi()
    yield _driver()
    yield from _cann()
    yield from _packages(python)
    yield from _limits()


# --- engine and images -----------------------------------------------------------------------------------------------


def _engine(containers: Containers) -> Iterator[Check]:
    if containers.engine == "local":
        yield Check(name="engine", state=State.ABSENT, what="not asked for (--engine local)")
        return
    try:
        from npu_deliver.environment.engine.container import described
    except ImportError:
        yield Check(
            name="engine", state=State.WARNING, what="the package docker is not installed", fix="pip install docker"
        )
        return
    try:
        said = described()
    except EngineError as error:
        state = State.FAULT if containers.engine == "docker" else State.WARNING
        more = "; without one, runs use this machine's interpreter" if state is State.WARNING else ""
        yield Check(name="engine", state=state, what=f"{error.what} at {error.where}{more}", fix=error.fix)
        return
    yield Check(name="engine", state=State.FINE, what=said)
    from npu_deliver.environment.engine import images

    try:
        yield _base(containers, images.engine_machine())
        for found in images.ours():
            yield _image(found)
    except EngineError as error:
        yield Check(name="engine", state=State.FAULT, what=error.what, fix=error.fix)


def _base(containers: Containers, machine: str) -> Check:
    from npu_deliver.environment.engine import images

    name = containers.stack or default_stack(hardware.present())
    try:
        stack = stacks.choose_stack(name, machine=machine)
        soc = containers.soc or (hardware.detected_soc() if stack.device == "npu" else None)
        base = containers.base_image or stacks.base_image(stack, soc=soc, registry=containers.registry).reference
    except ConfigError as error:
        return Check(name="base image", state=State.FAULT, what=error.what, fix=error.fix)
    where = images.whereabouts(base)
    if where is None:
        mirrors = ", ".join(stacks.registries())
        fix = f"load it with `docker load`, name a mirror with --registry ({mirrors}), or --base-image"
        return Check(name="base image", state=State.FAULT, what=f"{base} is neither here nor to be had", fix=fix)
    return Check(name="base image", state=State.FINE, what=f"{base} {where}")


def _image(found: tuple[str, str, str]) -> Check:
    """Whether an image of ours can start its framework: (name, digest, device)."""
    from npu_deliver.environment.engine import images

    name, digest, device = found
    modules = "torch" if device != "npu" else "torch, torch_npu"
    code, said = images.ask(digest, ["python", "-c", f"import {modules}; print('loaded', torch.__version__)"])
    if code == 0:
        return Check(name="image", state=State.FINE, what=f"{name}: {said.strip().splitlines()[-1]}")
    failure = npu_probe.explain(said)
    fix = "build on a base image that holds CANN" if "CANN" in failure.what else failure.fix
    return Check(name="image", state=State.WARNING, what=f"{name}: {failure.what}", fix=fix)


def _space(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    what = f"{free / 2**30:.0f} GiB free in {folder}"
    if free >= IMAGE_BYTES:
        return Check(name="disk", state=State.FINE, what=what)
    need = f"a first image takes up to {IMAGE_BYTES / 2**30:.0f} GiB"
    return Check(
        name="disk", state=State.WARNING, what=f"{what}; {need}", fix="`docker system df` and `docker system prune`"
    )


# --- the NPU and its software ----------------------------------------------------------------------------------------


def _nodes() -> Iterator[Check]:
    cards = sorted(str(path) for path in Path("/dev").glob("davinci[0-9]*"))
    if not cards:
        inside = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
        what = "no /dev/davinci*: no NPU is visible" + (" in this container" if inside else "")
        fix = "start the container with --device /dev/davinci0 and the manager nodes" if inside else ""
        yield Check(name="device nodes", state=State.ABSENT, what=what, fix=fix)
        return
    missing = [node for node in hardware.MANAGEMENT if not Path(node).exists()]
    closed = [
        node
        for node in (*cards, *hardware.MANAGEMENT)
        if Path(node).exists() and not os.access(node, os.R_OK | os.W_OK)
    ]
    if missing:
        yield Check(
            name="device nodes",
            state=State.FAULT,
            what=f"{', '.join(missing)} missing beside {cards[0]}",
            fix="load the driver on the host, and pass these nodes into a container too",
        )
    if closed:
        group = Path(closed[0]).stat().st_gid
        yield Check(
            name="device nodes",
            state=State.FAULT,
            what=f"this user may not open {', '.join(closed)}",
            fix=f"join the group {group} (HwHiAiUser), or run with --group-add {group}",
        )
    if not missing and not closed:
        yield Check(name="device nodes", state=State.FINE, what=f"{len(cards)}: {', '.join(cards)}")


def _smi() -> Iterator[Check]:
    tool = npu_smi.find()
    if tool is None:
        state = State.WARNING if hardware.present() == "npu" else State.ABSENT
        fix = "mount /usr/local/bin/npu-smi and /usr/local/dcmi into the container" if state is State.WARNING else ""
        yield Check(name="npu-smi", state=state, what="is not installed", fix=fix)
        return
    try:
        said, code = npu_smi.talk(tool)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Check(
            name="npu-smi",
            state=State.FAULT,
            what=f"does not answer ({type(error).__name__})",
            fix="the driver hangs: ask for the card to be reset (npu-smi set -t reset)",
        )
        return
    refused = re.search(r"-(8005|8020)\b", said)
    if refused:
        known = {
            "8005": "the device is busy, or this container lacks the privilege",
            "8020": "the device is in use, or CANN's environment is not set",
        }
        yield Check(
            name="npu-smi",
            state=State.FAULT,
            what=f"dcmi -{refused[1]}: {known[refused[1]]}",
            fix="stop the other container that holds the card, then source CANN's set_env.sh",
        )
        return
    names = npu_smi.names(said)
    if code != 0 or not names:
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it says nothing")
        yield Check(name="npu-smi", state=State.FAULT, what=f"names no card ({last[:120]})", fix="check the driver")
        return
    yield Check(name="npu-smi", state=State.FINE, what=f"sees {', '.join(names)}")
    held = npu_smi.holders(said)
    if held:
        yield Check(
            name="other processes",
            state=State.WARNING,
            what=f"the NPU is held by {', '.join(held)}",
            fix="wait for it or stop it: latencies measured beside it are worthless",
        )


def _driver() -> Check:
    version = npu_evidence.driver_version()
    if version:
        return Check(name="driver", state=State.FINE, what=version)
    if hardware.present() == "npu":
        return Check(
            name="driver",
            state=State.WARNING,
            what="its version is unknown",
            fix="mount /usr/local/Ascend/driver/version.info into the container",
        )
    return Check(name="driver", state=State.ABSENT, what="no Ascend driver")


def _cann() -> Iterator[Check]:
    version = npu_evidence.cann_version()
    scripts = [p for p in _SET_ENV if Path(p).is_file()]
    if version is None and not scripts:
        yield Check(name="CANN", state=State.ABSENT, what="is not installed here")
        return
    if not os.environ.get("ASCEND_HOME_PATH"):
        fix = f"`source {scripts[0]}` in what starts the command; .bashrc is read by interactive shells alone"
        yield Check(
            name="CANN", state=State.FAULT, what=f"{version or 'installed'}, but its environment is not set", fix=fix
        )
        return
    yield Check(
        name="CANN", state=State.FINE, what=f"{version or 'version unknown'} at {os.environ['ASCEND_HOME_PATH']}"
    )


_SET_ENV = (
    "/usr/local/Ascend/ascend-toolkit/set_env.sh",
    "/usr/local/Ascend/cann/set_env.sh",
    str(Path.home() / "Ascend/ascend-toolkit/set_env.sh"),
)


def _packages(python: Path) -> Iterator[Check]:
    try:
        facts = ask(python)
    except EngineError as error:
        yield Check(name="Python", state=State.FAULT, what=f"{error.where}: {error.what}", fix=error.fix)
        return
    packages = facts["packages"]
    torch, torch_npu = packages.get("torch"), packages.get("torch_npu")
    if torch is None:
        yield Check(
            name="torch",
            state=State.ABSENT,
            what=f"is not installed in {python}",
            fix="`make setup` for runs without containers",
        )
    else:
        yield Check(name="torch", state=State.FINE, what=f"{torch}, Python {facts['python']}")
    if torch_npu is None:
        if hardware.present() == "npu":
            yield Check(
                name="torch_npu",
                state=State.FAULT,
                what=f"is not installed in {python}",
                fix="pip install the torch_npu of torch's version, for the CANN that is installed",
            )
        return
    cann = npu_evidence.cann_version()
    if torch is not None and cann is not None:
        answer = compatibility.compatibility(torch, torch_npu, cann, facts["python"])
        against = answer.state is compatibility.State.CONTRADICTED
        state = State.FINE if answer.state.fits else State.FAULT if against else State.WARNING
        what = f"torch {torch}, torch_npu {torch_npu}, CANN {cann}: {answer.state.value}"
        yield Check(name="versions", state=state, what=what, fix="" if answer.state.fits else answer.evidence[0])
    report = npu_probe.probe(str(python))
    if report.failure is None:
        yield Check(
            name="torch_npu", state=State.FINE, what=f"{torch_npu} computes on {report.facts.get('soc', 'npu:0')}"
        )
    else:
        yield Check(
            name="torch_npu", state=State.FAULT, what=f"{torch_npu}: {report.failure.what}", fix=report.failure.fix
        )


# --- limits ----------------------------------------------------------------------------------------------------------


def _limits() -> Iterator[Check]:
    usable, total = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    quota = host_limits.limits().cpu_limit
    what = f"{usable} of {total} CPUs" + (f", a quota of {quota:g}" if quota else "")
    narrow = quota is not None and quota < usable
    fix = f"set OMP_NUM_THREADS={max(1, int(quota))}, or raise the container's --cpus" if narrow and quota else ""
    yield Check(name="CPUs", state=State.WARNING if narrow else State.FINE, what=what, fix=fix)
    nodes = len(list(Path("/sys/devices/system/node").glob("node[0-9]*")))
    if nodes > 1:
        yield Check(
            name="NUMA",
            state=State.WARNING,
            what=f"{nodes} nodes; a process that wanders is slow",
            fix="bind runs: numactl --cpunodebind, or CPU_AFFINITY_CONF=1 with torch_npu",
        )
    shared = _shared_memory()
    if shared is not None and shared < 2**29:
        yield Check(
            name="shared memory",
            state=State.WARNING,
            what=f"there are {shared / 2**20:.0f} MiB of it",
            fix="start the container with --shm-size=1g",
        )


def _shared_memory() -> int | None:
    try:
        return shutil.disk_usage("/dev/shm").total  # noqa: S108  the kernel's own place for shared memory
    except OSError:
        return None
