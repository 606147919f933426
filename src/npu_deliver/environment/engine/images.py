"""Images at an engine: found again by their content, built when they are not there, and asked what is in them.

The engine's own words are passed on while it builds: the first build takes minutes, and a failed one is only understood
from the step that failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import docker.errors
import requests

from npu_deliver.environment.build import REPOSITORY, Build, transport_arguments, write_context
from npu_deliver.environment.engine.container import SCRATCH, connect
from npu_deliver.environment.image import PROBE, Image, facts_in
from npu_deliver.errors import EngineError
from npu_eval.asked.spec import ImageFacts

LAST_LINES = 12
"""Lines of a failed step that are shown; the whole log is kept."""

_NO_SPACE = ("no space left", "disk quota exceeded")
_NEWS = re.compile(r"(Step \d+/\d+ : .+|install: .+|(Collecting|Downloading|Installing collected) .+|Successfully .+)")
"""Lines of a build that tell a reader how far it is."""

_NOISE = re.compile(r" --->|Step \d+/")

Say = Callable[[str], None]


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """A client of the engine, closed afterwards.

    Raises:
        EngineError: no engine answers, or it fails while it is used.
    """
    client = connect()
    try:
        yield client
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise _translated(str(error)) from error
    finally:
        client.close()


def engine_machine() -> str:
    """The machine for which the engine runs images, as Docker names it (``x86_64``, ``aarch64``).

    Raises:
        EngineError: no engine answers.
    """
    with opened() as client:
        return str(client.info()["Architecture"])


def find(build: Build, soc: str | None = None) -> Image | None:
    """The image of an earlier, identical build, if the engine has it.

    Raises:
        EngineError: no engine answers, or the image is of another machine.
    """
    with opened() as client:
        try:
            found = client.images.get(build.tag)
        except docker.errors.ImageNotFound:
            return None
        if (found.labels or {}).get("npu-deliver.content.sha256") != build.content:
            return None  # somebody gave our name to another image
        return _described(client, found, build, soc)


def find_digest(facts: ImageFacts) -> Image | None:
    """The very image that an earlier run had, if the engine has it and npu-deliver built it.

    The digest may be a stranger's word: no other image of this machine is started on it.

    Raises:
        EngineError: no engine answers.
    """
    with opened() as client:
        try:
            found = client.images.get(facts.digest)
        except docker.errors.ImageNotFound:
            return None
        if "npu-deliver.content.sha256" not in (found.labels or {}):
            return None
        return Image(kind="docker", digest=found.id, python="python", packages=_packages(client, found), facts=facts)


def whereabouts(reference: str) -> str | None:
    """``is here`` or ``can be pulled``; None where the engine knows no way to an image.

    Raises:
        EngineError: no engine answers.
    """
    with opened() as client:
        try:
            client.images.get(reference)
        except docker.errors.ImageNotFound:
            try:
                client.images.get_registry_data(reference)
            except docker.errors.APIError:
                return None
            return "can be pulled"
        return "is here"


def ours() -> tuple[tuple[str, str, str], ...]:
    """The images that npu-deliver built and the engine has, newest of each stack: (name, digest, device).

    Raises:
        EngineError: no engine answers.
    """
    with opened() as client:
        newest: dict[str, tuple[str, str, str]] = {}
        found = client.images.list(filters={"label": "npu-deliver.stack"})
        for image in sorted(found, key=lambda image: str(image.attrs["Created"])):
            stack, device = image.labels["npu-deliver.stack"], image.labels.get("npu-deliver.device", "")
            if any(tag.startswith(f"{REPOSITORY}/") for tag in image.tags):
                newest[stack] = (image.tags[0], image.id, device)
        return tuple(newest.values())


def ask(digest: str, command: list[str]) -> tuple[int, str]:
    """Run a command in a container of an image, without network: its exit code, and everything that it wrote.

    Raises:
        EngineError: no engine answers.
    """
    with opened() as client:
        environment = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}  # a broken torch_npu would break `import torch` itself
        try:
            said = client.containers.run(
                digest,
                command,
                remove=True,
                stderr=True,
                network_mode="none",
                cap_drop=["ALL"],
                read_only=True,
                security_opt=["no-new-privileges"],
                environment=environment,
                tmpfs={SCRATCH: "rw"},
            )
        except docker.errors.ContainerError as error:
            return int(error.exit_status), bytes(error.stderr or b"").decode("utf-8", "replace")
        return 0, bytes(said).decode("utf-8", "replace")


def build_image(build: Build, soc: str | None, *, say: Say, keep: Say) -> Image:
    """Build an image; ``say`` gets the lines that show progress, ``keep`` every line.

    Raises:
        EngineError: a step failed, with its last lines; there is no space, no such base image, or no engine.
    """
    with opened() as client, tempfile.TemporaryFile() as context:
        write_context(build, context)
        context.seek(0)
        lines: list[str] = []
        step = "the build"
        failed: EngineError | None = None
        for line, error in _stream(
            client.api.build(
                fileobj=context,
                custom_context=True,
                tag=build.tag,
                platform=build.platform,
                rm=True,
                forcerm=True,
                buildargs=transport_arguments(os.environ) | build.arguments,
                network_mode="host",
                decode=True,
            )
        ):
            keep(line)
            if line.startswith("Step "):
                step = line
                lines.clear()
            if error:
                failed = failed or _failed(
                    step, line, lines
                )  # read to its end, the engine's answer frees its connection
            lines.append(line)
            if _NEWS.fullmatch(line):
                say(line)
        if failed is not None:
            raise failed
        found = client.images.get(build.tag)
        return _described(client, found, build, soc)


def _stream(events: Any) -> Iterator[tuple[str, bool]]:
    """The lines of a build, each with whether it is the engine's word that the build failed."""
    for event in events:
        if "error" in event:
            yield str(event["error"]).strip(), True
            continue
        text = event.get("stream") or " ".join(filter(None, (event.get("id"), event.get("status"))))
        for line in str(text).splitlines():
            if line.strip():
                yield line.rstrip(), False


def _failed(step: str, said: str, lines: list[str]) -> EngineError:
    if any(words in said.lower() for words in _NO_SPACE) or any(w in "\n".join(lines[-40:]).lower() for w in _NO_SPACE):
        return _translated("no space left")
    ours = next((line for line in reversed(lines) if line.startswith("install: ")), None)
    last = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in lines[-LAST_LINES:] if not _NOISE.match(line)]
    told = ours or (last[-1] if last else said)
    if " : FROM ${BASE_IMAGE}" in step and not last:
        return EngineError(
            f"the base image cannot be had ({said})",
            where=step,
            fix="pull it by hand, name a mirror with --registry, or an image of yours with --base-image",
        )
    detail = "".join(f"\n    {line}" for line in last)
    return EngineError(f"the build failed: {told}", where=step, fix=f"{said}; the step's last lines:{detail}")


def _translated(said: str) -> EngineError:
    if any(words in said.lower() for words in _NO_SPACE):
        return EngineError(
            "there is no space left",
            where="container engine",
            fix="`docker system df` shows what takes it, `docker system prune` frees some",
        )
    return EngineError(f"the engine failed ({said})", where="container engine", fix="`docker info` tells its state")


def _described(client: Any, found: Any, build: Build, soc: str | None) -> Image:
    wanted, has = build.platform, f"{found.attrs['Os']}/{found.attrs['Architecture']}"
    if has.replace("x86_64", "amd64").replace("aarch64", "arm64") != wanted:
        raise EngineError(
            f"the image is for {has}, wanted is {wanted}",
            where=build.tag,
            fix="name a base image of this machine with --base-image",
        )
    facts = ImageFacts(
        name=build.tag,
        digest=found.id,
        platform=wanted,
        stack=build.arguments["STACK"],
        soc=soc,
        base=build.arguments["BASE_IMAGE"],
        base_digest=build.arguments["BASE_DIGEST"],
        content_sha256=build.content,
    )
    return Image(kind="docker", digest=found.id, python="python", packages=_packages(client, found), facts=facts)


def _packages(client: Any, found: Any) -> dict[str, str]:
    """The version of each distribution in an image, asked without loading any of them."""
    where = {"where": found.id[:19], "fix": "remove the image and build it again"}
    try:
        answer = client.containers.run(
            found.id,
            ["python", "-c", PROBE],
            remove=True,
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
        )
    except docker.errors.ContainerError as error:
        raise EngineError(f"Python does not run in the image ({error})", **where) from error
    facts = facts_in(bytes(answer).decode("utf-8", "replace"))
    if facts is None:
        raise EngineError("Python does not run in the image: it told nothing of its packages", **where)
    packages = facts["packages"]
    return {str(name): str(version) for name, version in packages.items()}
