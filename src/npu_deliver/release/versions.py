"""Which version of this tool made a deliverable, and which one this is.

Versions decide differently: a later one may call undecided what an earlier one called an effect. So a deliverable says
in `spec.json` which version laid it out and measured, and in `summary.json` which one derived what is said there. A
version is its number and the hash of the code that derives statistics, verdicts and pages, because a checkout changes
between two numbers. Whoever forges a folder can write any version there: it decides what can be checked, never what is
true. Standard library only.
"""

from __future__ import annotations

import contextlib
import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import npu_deliver
from npu_deliver.release.travelling import source
from npu_deliver.spec.profiles import layout_of, templates_folder
from npu_eval.asked.layout import NPU_DELIVERABLES, SUMMARY
from npu_eval.asked.spec import ToolVersion
from npu_eval.errors import ConfigError, RecordError
from npu_eval.isolation import PACKAGES
from npu_eval.jsonio import canonical_sha256, file_sha256, from_json, loads
from npu_eval.limits import MAX_DOCUMENT_BYTES, read_text

_DECIDE_NOTHING = (
    "_docker/",
    "_templates/",
    "cli.py",
    "commands/",
    "environment/doctor.py",
    "environment/engine/",
    "lint/",
    "review/",
    "schemas.py",
    "seal/signing.py",
)
"""Parts of the host that neither derive nor draw nor write what a deliverable says; whatever is not named here does."""

_NUMBER = re.compile(r"[0-9][0-9A-Za-z.+!-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9A-Za-z._+/-]{0,80}")


@dataclass(frozen=True, kw_only=True)
class Told:
    """Which versions a folder names: that which measured, and that which derived what it says. None: it names none."""

    measured: ToolVersion | None
    derived: ToolVersion | None

    @property
    def ours(self) -> bool:
        """Whether what the folder says was derived by the rules of this version."""
        return is_current(self.derived)


@functools.cache
def current() -> ToolVersion:
    """This version."""
    files = {name: file_sha256(path) for name, path in rules().items()}
    return ToolVersion(version=npu_deliver.__version__, rules_sha256=canonical_sha256(files), commit=_commit())


def is_current(version: ToolVersion | None) -> bool:
    """Whether a version goes by the rules of this one."""
    return version is not None and version.rules_sha256 == current().rules_sha256


def rules() -> dict[str, Path]:
    """The files that decide what a deliverable says, by a name that is the same in a checkout and when installed."""
    host = Path(str(npu_deliver.__file__)).parent
    pages = templates_folder(NPU_DELIVERABLES.name).parent
    found: dict[str, Path] = {}
    for package in PACKAGES:
        folder = source(package)
        found |= {f"{package}/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*.py")}
    for path in (*host.rglob("*.py"), *host.rglob("*.j2")):
        name = path.relative_to(host).as_posix()
        if not name.startswith(_DECIDE_NOTHING):
            found[f"npu_deliver/{name}"] = path
    for path in pages.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            found[f"templates/{path.relative_to(pages).as_posix()}"] = path
    return dict(sorted((name, path) for name, path in found.items() if not path.name.startswith(".")))  # an editor's


def _commit() -> str:
    """What git calls the state of a checkout; empty for an installed package and where git does not answer."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists() or not (root / "pyproject.toml").is_file():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--tags", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    said = done.stdout.strip()
    return said if done.returncode == 0 and _COMMIT.fullmatch(said) else ""


def told(folder: Path) -> Told:
    """Which versions a folder names; what is not written as a version is none."""
    spec, summary = _object(folder / "spec.json") or {}, said(folder) or {}
    return Told(measured=_version(spec.get("measured_with")), derived=_version(summary.get("derived_with")))


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """While a folder's spec and records are read: what cannot be read of another version is told with its name."""
    try:
        yield
    except (ConfigError, RecordError) as error:
        if not (folder / "spec.json").is_file() or is_current(measured := told(folder).measured):
            raise
        what = f"{error.what}; it was measured with {named(measured)}, and this is {named(current())}"
        raise type(error)(what, where=error.where, fix=error.fix) from error


def said(folder: Path) -> dict[str, Any] | None:
    """The summary.json of a folder, whatever version wrote it; None where none can be read."""
    if not (folder / "spec.json").is_file():  # it says where the summary lies
        return None
    return _object(folder / layout_of(folder).at(SUMMARY))


def _object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none. A pipe is not waited for."""
    try:
        value = loads(read_text(path, MAX_DOCUMENT_BYTES), path.name) if path.is_file() else None
    except (OSError, ValueError, RecordError):
        return None
    return value if isinstance(value, dict) else None


def _version(value: Any) -> ToolVersion | None:
    try:
        found = from_json(ToolVersion, value)
    except RecordError:
        return None
    whole = _NUMBER.fullmatch(found.version) and _HASH.fullmatch(found.rules_sha256) and _COMMIT.fullmatch(found.commit)
    return found if whole else None


def named(version: ToolVersion | None) -> str:
    """A version in words."""
    if version is None:
        return "a version of npu-deliver that does not name itself"
    commit = f", commit {version.commit}" if version.commit else ""
    return f"npu-deliver {version.version} (rules {version.rules_sha256[:12]}{commit})"
