"""Runs steps in containers: only the deliverable writable, no network, no privilege, nothing left behind.

The only importer of `docker` (docker-py), which speaks to Docker and to Podman's compatible socket alike.

A container must not outlive the command that started it, even one that was killed without warning. So its main process
waits on standard input: when this side of the connection is gone, the input ends, and everything in the container ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker
import docker.errors
import docker.types
import requests

from npu_deliver.environment import hardware
from npu_deliver.environment.engine import attached
from npu_deliver.environment.engine.base import Tell, isolated
from npu_deliver.environment.image import Image
from npu_deliver.environment.step import Mount, Step
from npu_deliver.errors import EngineError, StepError

OLDEST_API = (1, 40)
"""Docker 19.03: the first with device requests, which `--gpus` needs."""

FOLDER = "/deliverable"
SCRATCH = "/tmp"  # noqa: S108  the container's own, in memory: nothing else in it is writable
LABEL = "npu-deliver.folder"
OUT_OF_MEMORY = 137
"""Exit code of a container whose main process was killed with SIGKILL (128 + 9), as the kernel does for memory."""

ASCEND_FILES = (
    "/usr/local/dcmi",
    "/usr/local/bin/npu-smi",
    "/usr/local/sbin/npu-smi",
    "/usr/local/Ascend/driver/lib64",
    "/usr/local/Ascend/driver/version.info",
    "/etc/ascend_install.info",
)
"""The driver's files that belong to the host and not to the image; those that exist are mounted read-only."""

_WATCH = 'exec 3<&0; { cat <&3 >/dev/null; kill -KILL -1; } & exec "$@" </dev/null 3<&-'
"""Ends everything in the container when standard input ends; then becomes the step's command."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a container may use. ``memory_bytes`` None leaves all of the machine's memory."""

    memory_bytes: int | None = None
    processes: int = 4096
    shared_memory: str = "1g"


class DockerEngine:
    """Runs steps in containers of one image."""

    name = "docker"

    def __init__(self, image: Image, *, limits: Limits | None = None) -> None:
        self._image = image
        self._limits = limits or Limits()
        self._client: Any = None

    def __enter__(self) -> Self:
        self._client = connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def shell_line(self, step: Step, folder: Path) -> str:
        """The `docker run` line that does the same."""
        return shell_line(step, folder, self._image, self._limits)

    def run(self, step: Step, folder: Path, tell: Tell) -> int:
        """Run one step in a container of its own; it is gone afterwards, whatever happens.

        Raises:
            StepError: the step ran longer than its timeout, or its container was killed.
            EngineError: the engine failed, or went away.
        """
        try:
            return self._run(step, folder, tell)
        except docker.errors.APIError as error:  # a RequestException too: the engine answered, with a refusal
            raise EngineError(f"the engine failed ({error})", where=step.experiment, fix="see `docker info`") from error
        except requests.exceptions.RequestException as error:
            raise _went_away(step) from error

    def _run(self, step: Step, folder: Path, tell: Tell) -> int:
        api = self._client.api
        sweep(self._client, folder)
        created = _Created(api, arguments(step, folder, self._image, self._limits, api=api))
        try:
            created.start()
            return self._follow(created.identity(), step, tell)
        finally:
            created.remove()

    def _follow(self, identity: str, step: Step, tell: Tell) -> int:
        api = self._client.api
        ended = _Ended(api, identity)
        stream = api.attach_socket(identity, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        try:
            ended.start()
            api.start(identity)
            for line in attached.lines(stream, time.monotonic() + step.timeout_s, step):
                tell(line)
            code = ended.code()
        finally:
            attached.close(stream)
        if code is None:
            raise _went_away(step)
        if code == OUT_OF_MEMORY:
            raise StepError(
                "was killed in its container",
                where=step.experiment,
                fix="most often for memory: give it more, or smaller batch sizes",
            )
        return code


class _Created(threading.Thread):
    """Creates a container beside the caller, whom an interrupt may stop while the engine goes on creating it.

    Who waits for it waits for the future: a `join` that was interrupted takes a running thread for one that ended.
    """

    def __init__(self, api: Any, arguments: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._api = api
        self._arguments = arguments
        self._made: Future[str] = Future()

    def run(self) -> None:
        """Ask for the container, unless it is not wanted any more; a refusal is the caller's to hear."""
        if not self._made.set_running_or_notify_cancel():
            return
        try:
            self._made.set_result(self._api.create_container(**self._arguments)["Id"])
        except Exception as error:  # noqa: BLE001  whatever it is: the caller raises it
            self._made.set_exception(error)

    def identity(self) -> str:
        """The container's identity, once it is there."""
        return self._made.result()

    def remove(self) -> None:
        """Remove the container, of whose creation the caller may not have heard; it is gone when it ended by itself."""
        if not self._made.cancel() and self._made.exception() is None:
            with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
                self._api.remove_container(self._made.result(), force=True)


def _went_away(step: Step) -> EngineError:
    fix = "start it and run the same command again: finished steps are kept"
    return EngineError("the engine went away while the step ran", where=step.experiment, fix=fix)


class _Ended(threading.Thread):
    """Waits for a container's end beside the reading of its output, because it removes itself when it ends."""

    def __init__(self, api: Any, identity: str) -> None:
        super().__init__(daemon=True)
        self._api = api
        self._identity = identity
        self._code: int | None = None

    def run(self) -> None:
        """Ask for the exit code; an engine that goes away gives none."""
        with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException, ValueError):
            self._code = int(self._api.wait(self._identity, condition="next-exit", timeout=None)["StatusCode"])

    def code(self) -> int | None:
        """The exit code; None when the engine went away."""
        self.join(timeout=30)
        return self._code


def connect() -> Any:
    """A client of the engine that DOCKER_HOST names, or of the usual socket.

    Raises:
        EngineError: no engine answers, this user may not ask it, or it is too old.
    """
    where = _where()
    client = None
    try:
        client = docker.from_env(version="auto")
        version = client.version()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        if client is not None:
            client.close()
        if "Permission denied" in str(error):
            fix = "add the user to the group 'docker'"
            raise EngineError("this user may not use the engine", where=where, fix=fix) from error
        raise EngineError("no container engine answers", where=where, fix="start Docker or Podman") from error
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    if api < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        what = f"speaks API {version['ApiVersion']}; {oldest} is the oldest that serves"
        raise EngineError(what, where=where, fix="update to Docker 19.03 or Podman 4")
    return client


def described() -> str:
    """The engine in words, such as ``Docker 20.10.24 at unix:///var/run/docker.sock``.

    Raises:
        EngineError: no engine answers, this user may not ask it, or it is too old.
    """
    client = connect()
    try:
        version = client.version()
    finally:
        client.close()
    names = " ".join(part.get("Name", "") for part in version.get("Components") or ())
    kind = "Podman" if "podman" in names.lower() else "Docker"
    return f"{kind} {version['Version']} at {_where()}"


def _where() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def arguments(step: Step, folder: Path, image: Image, limits: Limits, *, api: Any) -> dict[str, Any]:
    """How a step's container is created: the least it needs. :func:`shell_line` prints the same for people."""
    runtime = "ascend" if _npus(step.devices) and "ascend" in api.info().get("Runtimes", {}) else None
    nodes, files = ([], []) if runtime else ascend(step.devices)
    gpus = [docker.types.DeviceRequest(device_ids=[card], capabilities=[["gpu"]]) for card in _gpus(step)]
    return {
        "image": image.digest,
        "command": ["sh", "-c", _WATCH, "step", "python", *isolated(step)],
        "user": f"{os.getuid()}:{os.getgid()}",
        "working_dir": FOLDER,
        "environment": environment(step) | (_visible(step.devices) if runtime else {}),
        "stdin_open": True,
        "use_config_proxy": False,  # of no use without a network, and its addresses may hold a password
        "labels": {LABEL: folder_label(folder)},
        "host_config": api.create_host_config(
            binds=[f"{folder}:{FOLDER}:rw", *_mounts(step), *(f"{path}:{path}:ro" for path in files)],
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=limits.processes,
            mem_limit=limits.memory_bytes,
            shm_size=limits.shared_memory,
            read_only=True,
            tmpfs={SCRATCH: "rw,exec"},
            init=True,
            auto_remove=True,
            runtime=runtime,
            devices=[f"{node}:{node}:rw" for node in nodes],
            group_add=_groups(nodes),
            device_requests=gpus or None,
        ),
    }


def environment(step: Step) -> dict[str, str]:
    """The variables that a step gets; each mount's variable names its place inside."""
    return {
        "NPU_DELIVER_IMAGE": step.image,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "HOME": SCRATCH,
        **{mount.variable: _named(number, mount) for number, mount in enumerate(step.mounts)},
    }


def _inside(number: int, mount: Mount) -> str:
    return f"/mnt/{number}/{Path(mount.source).name}"


def _named(number: int, mount: Mount) -> str:
    """What the step is told of a mount."""
    return str(Path(_inside(number, mount), mount.entry))


def _mounts(step: Step) -> list[str]:
    mounts = enumerate(step.mounts)
    return [f"{m.source}:{_inside(number, m)}:{'ro' if m.read_only else 'rw'}" for number, m in mounts]


def _gpus(step: Step) -> list[str]:
    return [device.partition(":")[2] or "0" for device in step.devices if device.startswith("cuda")]


def _npus(devices: tuple[str, ...]) -> list[str]:
    """The numbers of the cards that a step is given; of ``auto`` those that are there."""
    if "auto" in devices:
        return sorted(path.name.removeprefix("davinci") for path in Path("/dev").glob("davinci[0-9]*"))
    return [device.partition(":")[2] or "0" for device in devices if device.startswith("npu")]


def _visible(devices: tuple[str, ...]) -> dict[str, str]:
    """What ascend-docker-runtime reads when a container starts; inside, the cards are numbered as on the host."""
    return {"ASCEND_VISIBLE_DEVICES": ",".join(_npus(devices))}


def _groups(nodes: list[str]) -> list[str]:
    """The groups that may open the device nodes: the driver gives them to a group of its own, not to everybody."""
    return sorted({str(Path(node).stat().st_gid) for node in nodes if Path(node).exists()})


def ascend(devices: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(device nodes, driver files) that a step on NPUs needs; of ``auto`` whatever cards there are."""
    cards = [f"/dev/davinci{number}" for number in _npus(devices)]
    if not cards:
        return [], []
    return [*cards, *hardware.MANAGEMENT], [path for path in ASCEND_FILES if Path(path).exists()]


def folder_label(folder: Path) -> str:
    """Marks the containers of one deliverable's folder, without telling its path."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]


def sweep(client: Any, folder: Path) -> None:
    """Remove what an engine that was killed may have left of this folder's containers."""
    for left in client.containers.list(all=True, sparse=True, filters={"label": f"{LABEL}={folder_label(folder)}"}):
        with contextlib.suppress(docker.errors.APIError):
            left.remove(force=True)


def shell_line(step: Step, folder: Path, image: Image, limits: Limits) -> str:
    """The `docker run` line that does the same, for people who want to see or to repeat it."""
    nodes, files = ascend(step.devices)
    options = {
        "network": ["none"],
        "cap-drop": ["ALL"],
        "security-opt": ["no-new-privileges"],
        "tmpfs": [f"{SCRATCH}:rw,exec"],
        "shm-size": [limits.shared_memory],
        "pids-limit": [str(limits.processes)],
        "memory": [] if limits.memory_bytes is None else [str(limits.memory_bytes)],
        "user": [f"{os.getuid()}:{os.getgid()}"],
        "volume": [f"{folder}:{FOLDER}", *_mounts(step), *(f"{path}:{path}:ro" for path in files)],
        "workdir": [FOLDER],
        "env": [f"{name}={value}" for name, value in environment(step).items()],
        "device": nodes,
        "group-add": _groups(nodes),
        "gpus": [f"device={card}" for card in _gpus(step)],
    }
    words = [f"--{name}={value}" for name, values in options.items() for value in values]
    return shlex.join(
        ["docker", "run", "--rm", "--init", "--read-only", *words, image.digest, "python", *isolated(step)]
    )
