"""What an image is built from, prepared without an engine: the files of the context, the arguments, and the tag.

The tag is a hash over everything that decides the image, so an unchanged build is recognised before it starts, and two
models with the same needs share one image. Where packages come from (indexes, proxies) decides nothing and may be
secret: it is kept apart, in :func:`transport_arguments`, and is neither hashed nor stored.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from npu_deliver.environment.docker_data import docker_folder
from npu_deliver.environment.needed_packages import package_key
from npu_deliver.environment.stacks import BaseImage, Stack, platform_of
from npu_deliver.errors import ConfigError, SpecError
from npu_deliver.spec.profiles import PLATFORM_SUPPLIES
from npu_eval.jsonio import canonical_sha256, file_sha256

REPOSITORY = "npu-deliver"
WHEELHOUSE = "wheelhouse"
DEFAULT_ID = 1000
"""User and group of an image that root builds: containers run as another user all the same."""

ONLY_WHEELS = "--only-binary :all:"
"""A line of a requirements file, as pip documents its format: no source archive is taken, so none is built."""

_RECIPE = ("Dockerfile", ".dockerignore", "add-ca.sh", "entrypoint.sh", "install.sh")
_TRANSPORT = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
_CLAUSE = r"(?:===?|[<>!~]=|[<>])\s*[A-Za-z0-9][A-Za-z0-9.*+!_-]*"
_REQUIREMENT = re.compile(  # name, extras, versions and marker as in PEP 508, and a comment
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[A-Za-z0-9._,\s-]*\]\s*)?"
    rf"(?P<versions>{_CLAUSE}(?:\s*,\s*{_CLAUSE})*)?\s*(?:;[^#]*)?(?:#.*)?"
)


@dataclass(frozen=True, kw_only=True)
class ContextFile:
    """A file of the build context: its bytes, or the file that holds them (wheels are large)."""

    name: str
    content: bytes | Path
    sha256: str
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Build:
    """A build that is ready to be handed to an engine.

    ``arguments`` are those that decide the image. ``platform`` is Docker's name of the machine. ``content`` is the
    sha256 over the files, the arguments and the platform; ``tag`` holds its first 16 digits.
    """

    tag: str
    content: str
    platform: str
    arguments: dict[str, str]
    files: tuple[ContextFile, ...]

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which an engine recognises the image again."""
        return {"npu-deliver.content.sha256": self.content, "npu-deliver.stack": self.arguments["STACK"]}


def prepare(
    stack: Stack,
    base: BaseImage,
    requirements: str,
    *,
    machine: str,
    user: tuple[int, int],
    wheels: Sequence[Path] = (),
    extra_ca: Path | None = None,
    torch_index: str | None = None,
    only_wheels: bool = False,
) -> Build:
    """The build of a stack with a model's requirements on a base image.

    Args:
        requirements: the text of the model's requirements.txt.
        machine: x86_64 or aarch64, by any of their names.
        user: the caller's user and group id. For root it is 1000 and 1000: an image never runs as root by itself.
        wheels: when given, packages come from these files alone and no index is asked.
        extra_ca: certificates in PEM form that pip and the image shall trust in addition.
        torch_index: instead of the stack's index with CPU builds of torch; empty for none.
        only_wheels: take no source archive, whose code would run while it is built.

    Raises:
        SpecError: a requirement is no plain requirement, contradicts the stack, or names what the platform supplies.
        ConfigError: the machine is unknown, two wheels have one name, or a file cannot be read.
    """
    check_requirements(requirements, stack)
    user_id, group_id = user if user[0] else (DEFAULT_ID, DEFAULT_ID)

    def listed(lines: Sequence[str]) -> str:
        named = any(line.strip() and not line.lstrip().startswith("#") for line in lines)
        first = (ONLY_WHEELS,) if only_wheels and named else ()
        return "".join(f"{line}\n" for line in (*first, *lines))

    files = tuple(
        sorted(
            (
                *_recipe(),
                _generated("stack.txt", listed(stack.requirements)),
                _generated("stack-no-deps.txt", listed(stack.requirements_without_dependencies)),
                _generated("requirements.txt", listed(requirements.splitlines())),
                _read("extra-ca.crt", extra_ca) if extra_ca else _generated("extra-ca.crt", ""),
                *_wheels(wheels),
            ),
            key=lambda file: file.name,
        )
    )
    arguments = {
        "BASE_IMAGE": base.reference,
        "BASE_DIGEST": base.pin,
        "STACK": stack.name,
        "DEVICE": stack.device,
        "PYTHON_VERSION": stack.python,
        "TORCH_INDEX": _without_credentials(stack.torch_index if torch_index is None else torch_index),
        "WHEELHOUSE": WHEELHOUSE if wheels else "",
        "USER_ID": str(user_id),
        "GROUP_ID": str(group_id),
        "REQUIREMENTS_SHA256": next(file.sha256 for file in files if file.name == "requirements.txt"),
    }
    platform = platform_of(machine)
    content = canonical_sha256(
        {
            "files": {file.name: [file.sha256, file.executable] for file in files},
            "arguments": arguments,
            "platform": platform,
        }
    )
    return Build(
        tag=f"{REPOSITORY}/{stack.name}:{content[:16]}",
        content=content,
        platform=platform,
        arguments={**arguments, "CONTENT_SHA256": content},
        files=files,
    )


def transport_arguments(environment: Mapping[str, str]) -> dict[str, str]:
    """Build arguments that say where packages come from: pip's indexes and the proxies of an environment.

    They may hold credentials. The Dockerfile declares them only in stages that the image does not consist of, and
    Docker keeps the proxies out of an image's history by itself. Folders of this machine, which a build cannot see,
    are left out.
    """
    found = {name: environment[name] for name in _TRANSPORT if environment.get(name)}
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        remote = [url for url in found.pop(name, "").split() if urlsplit(url).scheme in ("http", "https")]
        if remote:
            found[name] = " ".join(remote)
    for lower in _PROXIES:
        found |= {name: environment[name] for name in (lower, lower.upper()) if environment.get(name)}
    return dict(sorted(found.items()))


def check_requirements(text: str, stack: Stack) -> None:
    """Refuse requirements that could not be installed, would change the stack, or would carry a secret into the image.

    Raises:
        SpecError: naming the line.
    """
    pins = dict(_pin(requirement) for requirement in (*stack.requirements, *stack.requirements_without_dependencies))
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _REQUIREMENT.fullmatch(line.strip())
        if match is None:
            raise SpecError(
                f"'{_hidden(line.strip())}' is no plain requirement",
                where="requirements",
                fix="give a name and versions; addresses, paths and options of pip are not taken",
            )
        name = package_key(match["name"])
        if name in PLATFORM_SUPPLIES:
            raise SpecError(
                f"'{match['name']}' may not be required: the platform supplies it",
                where="requirements",
                fix="leave it out",
            )
        exact = re.fullmatch(r"===?\s*([^\s,*]+)", match["versions"] or "")
        if exact and name in pins and exact[1].partition("+")[0] != pins[name]:
            raise SpecError(
                f"'{line.strip()}' contradicts the stack '{stack.name}', which has {name} {pins[name]}",
                where="requirements",
                fix=f"write {match['name']} without a version, or choose another stack",
            )


def write_context(build: Build, stream: IO[bytes]) -> None:
    """Write the build context as an uncompressed tar. Equal builds give equal bytes.

    Raises:
        ConfigError: a wheel cannot be read any more.
    """
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folder = tarfile.TarInfo(WHEELHOUSE)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for file in build.files:
            entry = tarfile.TarInfo(file.name)
            entry.mode = 0o755 if file.executable else 0o644
            if isinstance(file.content, bytes):
                entry.size = len(file.content)
                archive.addfile(entry, io.BytesIO(file.content))
                continue
            try:
                with file.content.open("rb") as source:
                    entry.size = file.content.stat().st_size
                    archive.addfile(entry, source)
            except OSError as error:
                raise ConfigError(f"cannot be read ({error})", where=str(file.content)) from error


def _recipe() -> tuple[ContextFile, ...]:
    folder = docker_folder()
    return tuple(_read(name, folder / name) for name in _RECIPE)


def _wheels(wheels: Sequence[Path]) -> tuple[ContextFile, ...]:
    found: dict[str, ContextFile] = {}
    for path in wheels:
        if path.suffix != ".whl":
            raise ConfigError("is no wheel", where=str(path), fix="pip wheel makes one of a source archive")
        if path.name in found:
            raise ConfigError(f"two wheels are called '{path.name}'", where="wheelhouse", fix="leave one out")
        try:
            found[path.name] = ContextFile(name=f"{WHEELHOUSE}/{path.name}", content=path, sha256=file_sha256(path))
        except OSError as error:
            raise ConfigError(f"cannot be read ({error})", where=str(path)) from error
    return tuple(found.values())


def _read(name: str, path: Path) -> ContextFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read ({error})", where=str(path)) from error
    return _file(name, content, executable=name.endswith(".sh"))  # an unpacked wheel has lost the mode on disk


def _generated(name: str, text: str) -> ContextFile:
    return _file(name, text.encode("utf-8"))


def _file(name: str, content: bytes, *, executable: bool = False) -> ContextFile:
    return ContextFile(name=name, content=content, sha256=hashlib.sha256(content).hexdigest(), executable=executable)


def _pin(requirement: str) -> tuple[str, str]:
    name, _, version = requirement.partition("==")
    return package_key(name), version


def _hidden(line: str) -> str:
    """A line for a message, without what stands before the @ of an address."""
    return re.sub(r"//[^/\s@]*@", "//…@", line)


def _without_credentials(url: str) -> str:
    """An index that decides the image is named in its tag, so it may hold no secret.

    Raises:
        ConfigError: it does.
    """
    if "@" in urlsplit(url).netloc:
        raise ConfigError(
            "the index of torch may hold no credentials", where=_hidden(url), fix="give them with PIP_EXTRA_INDEX_URL"
        )
    return url
