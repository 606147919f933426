"""Look at a deliverable from anybody before anything of it runs: what could reach beyond its folder is refused.

A rerun executes a stranger's scripts. They run in a container without network and privileges; what is checked here is
everything that this program itself reads, copies, mounts, fetches or installs on the stranger's word.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from npu_deliver.environment import build, stacks
from npu_deliver.environment.needed_packages import package_key
from npu_deliver.errors import ConfigError, VerifyError
from npu_deliver.seal import manifest, strays
from npu_deliver.spec.profiles import layout_of
from npu_eval import limits
from npu_eval.asked.spec import ImageFacts, SpecFile, read_spec_file
from npu_eval.weights.naming import parse

MAX_LEFT_FILE_BYTES = 2**30
MAX_LEFT_BYTES = 4 * 2**30
"""What a step may leave: beside what a deliverable holds, tensors that are compared outside its container."""

KNOWN_PACKAGES = frozenset(
    {
        "torch",
        "torchvision",
        "numpy",
        "pillow",
        "timm",
        "transformers",
        "safetensors",
        "pycocotools",
        "hotcoco",
        "huggingface_hub",
        "pyyaml",
        "scipy",
        "opencv_python_headless",
        "tokenizers",
        "matplotlib",
        "pandas",
        "uvicorn",
    }
)
"""Packages that are installed on a stranger's word alone: an installed package runs code while it is installed."""

_DEVICE = re.compile(r"auto|cpu|(cuda|npu)(:\d{1,2})?")
_SCRIPTS = ("inference.py", "evaluation/eval_precision.py", "evaluation/eval_performance.py")
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==[A-Za-z0-9][A-Za-z0-9.+!_-]*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What was found to be harmless to read. ``unknown_packages`` may be installed only when the user says so."""

    folder: Path
    spec: SpecFile
    requirements: str
    unknown_packages: tuple[str, ...]


def inspect(folder: Path) -> Intake:
    """Look at a folder.

    Raises:
        ConfigError: there is no such folder, or its spec.json is none.
        VerifyError: it holds links or special files, too much, names that escape, or asks for more than a device; or
            its files are not those of its manifest.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise ConfigError("there is no such folder", where=str(folder), fix="name the folder of a deliverable")
    _check_files(folder)
    _check_there(folder, ("spec.json", "MANIFEST.json", "requirements.txt"))
    _check_there(folder, tuple(map(layout_of(folder).at, _SCRIPTS)))
    if changed := manifest.differences(folder):
        name, what = changed[0]
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise VerifyError(f"{what}{more}", where=_printable(name), fix="ask its maker for the folder as it was sealed")
    spec = read_spec_file(folder / "spec.json")
    _check_spec(folder, spec)
    for name, what in strays.in_the_way(manifest.files_of(folder), spec.evaluation.adapter):
        raise _refused(_printable(name), what.partition(";")[0])
    text = limits.read_bytes(folder / "requirements.txt", limits.MAX_TEXT_BYTES).decode("utf-8", "replace")
    return Intake(folder=folder, spec=spec, requirements=text, unknown_packages=_unknown(text))


def _check_there(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path = folder / name
        if not path.is_file():
            raise VerifyError("is missing", where=name, fix="ask for a complete deliverable")


def _check_files(folder: Path) -> None:
    for name, what in limits.look(folder):
        raise _refused(_printable(name), what)
    if special := manifest.not_plain(folder):
        raise _refused(_printable(special[0][0]), special[0][1].partition(";")[0])
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if _CONTROL.search(name):
            raise _refused(_printable(name), "has control characters in its name")


def check_left(folder: Path, step: str) -> None:
    """Look at a folder in which a stranger's code ran, before anything that it left there is read.

    Raises:
        VerifyError: it holds a link or a special file, too much, or a document that is too long.
    """
    total = count = 0
    for here, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(here, name)
            mode, size = (found := path.lstat()).st_mode, found.st_size
            where = _printable(path.relative_to(folder).as_posix())
            if stat.S_ISDIR(mode):
                continue
            count, total = count + 1, total + size
            document = path.suffix in (".json", ".log") and size > limits.MAX_RECORD_BYTES
            if not stat.S_ISREG(mode):
                what = "is a link" if stat.S_ISLNK(mode) else "is no plain file"
            elif document or size > MAX_LEFT_FILE_BYTES:
                what = f"has {size / 2**20:.0f} MiB"
            elif count > limits.MAX_FILES or total > MAX_LEFT_BYTES:
                what = f"is one of more than {limits.MAX_FILES} files or {MAX_LEFT_BYTES / 2**30:.0f} GiB"
            else:
                continue
            raise VerifyError(
                f"{what}; the step {step} left it, and nothing of that was read",
                where=where,
                fix="read the adapter: no code of npu-deliver does so",
            )


def _check_spec(folder: Path, spec: SpecFile) -> None:
    evaluation = spec.evaluation
    for entry in evaluation.inputs:
        if not _inside(entry.path) or not limits.is_file(folder, entry.path):
            raise _refused("spec.json", f"its input '{_printable(entry.path)}' lies outside the folder")
    adapter = evaluation.adapter
    if not re.fullmatch(r"[a-z_]+:[A-Za-z0-9._/@-]+", adapter) and not (_inside(adapter) and "/" not in adapter):
        raise _refused("spec.json", f"its adapter '{_printable(adapter)}' lies outside the folder")
    module = adapter.removesuffix(".py")
    if module in sys.stdlib_module_names or module in KNOWN_PACKAGES:
        raise _refused("spec.json", f"its adapter '{adapter}' is called like a module that its scripts import")
    for device in (evaluation.candidate.device, evaluation.reference.device):
        if not _DEVICE.fullmatch(device):
            raise _refused("spec.json", f"it asks for the device '{_printable(device)}'")
    source = evaluation.weights.source
    if source not in ("default", "random"):
        named = parse(source)
        if named.scheme == "file" and not _inside(named.path):
            raise _refused("spec.json", f"its weights '{_printable(source)}' lie outside the folder")
    if spec.image is not None:
        _check_image(spec.image)


def _check_image(facts: ImageFacts) -> None:
    if not _DIGEST.fullmatch(facts.digest) or not facts.name.startswith(f"{build.REPOSITORY}/"):
        raise _refused("spec.json", f"its image '{_printable(facts.name)}' is none of npu-deliver's")
    if facts.stack not in stacks.load_stacks():
        raise _refused("spec.json", f"its stack '{_printable(facts.stack)}' is unknown")


def _unknown(text: str) -> tuple[str, ...]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        match = _PIN.fullmatch(words)
        if match is None:
            raise _refused(f"requirements.txt, line {number}", f"'{_printable(words)}' is no name==version")
        if package_key(match["name"]) not in KNOWN_PACKAGES:
            found.append(words)
    return tuple(found)


def _inside(name: str) -> bool:
    """Whether a name in a spec stays in the folder, whatever system it was written on."""
    path = PurePosixPath(name)
    return (
        bool(name)
        and not path.is_absolute()
        and ".." not in path.parts
        and not re.search(r"[\\:]|[\x00-\x1f]|^~", name)
    )


def _refused(where: str, what: str) -> VerifyError:
    return VerifyError(f"{what}; nothing of it was run", where=where, fix="ask its maker, or read it by hand")


def _printable(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")[:120] if _CONTROL.search(text) else text[:120]
