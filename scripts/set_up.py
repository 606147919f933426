"""Make the project's Python environment: `.venv`, with pinned packages, once.

    python3 scripts/set_up.py .venv runtime,timm

Run by `make`; needs Python 3.11 or newer with venv, and a package index. With nothing changed it ends at once.
Where the machine's own Python already has torch (an Ascend notebook with torch_npu, say), the environment builds on it
and leaves its packages alone: torch_npu fits one torch only.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
OLDEST = (3, 11)


def main() -> int:
    folder, extras = Path(sys.argv[1]), sorted(sys.argv[2].split(","))
    if sys.version_info < OLDEST:
        return fail(f"Python {sys.version.split()[0]} is too old; install 3.11 and run `make PYTHON=python3.11 …`", 2)
    lock = folder.with_name(f"{folder.name}.lock")  # two commands at once make one environment
    if os.path.lexists(lock) and (lock.is_symlink() or not lock.is_file()):
        return fail(f"{lock} is no plain file, where an empty one for a lock belongs; move it away", 2)
    # neither followed, nor shortened, nor waited for: what is there belongs to somebody
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    with os.fdopen(handle, "r+b", buffering=0) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another command is making {folder}: waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        return prepare(folder, extras)


def prepare(folder: Path, extras: list[str]) -> int:
    """Make the environment unless it is there as wanted; returns the exit code."""
    own = installed_here()
    wanted = fingerprint(own)
    ready = folder / ".ready"
    have = ready.read_text().split() if ready.is_file() else []
    if have[:1] == [wanted] and set(extras) <= set(have[1:]):
        return 0
    if have[:1] != [wanted] and folder.exists():
        say("the pins or the Python have changed: making the environment anew")
        shutil.rmtree(folder)
    started = time.monotonic()
    keep = sorted({*extras, *have[1:]}) if have[:1] == [wanted] else extras
    hint = "install Python's venv module (python3-venv on Debian and Ubuntu)"
    try:
        if not (folder / "bin" / "python").exists():
            make(folder, own)
        hint = "if no package index answers, set PIP_INDEX_URL to a mirror or PIP_FIND_LINKS to a folder of wheels"
        install(folder, keep, own if "torch" in own else {})
    except subprocess.CalledProcessError as error:
        return fail(f"making {folder} failed (exit code {error.returncode}); {hint}; then run the command again", 3)
    ready.write_text(" ".join([wanted, *keep]) + "\n")
    say(f"ready after {time.monotonic() - started:.0f} s")
    return 0


def installed_here() -> dict[str, str]:
    """Packages of the Python that runs this script, by normalised name."""
    found = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found[name.lower().replace("_", "-")] = distribution.version
    return found


def make(folder: Path, own: dict[str, str]) -> None:
    share = ["--system-site-packages"] if "torch" in own else []
    base = f", on top of its torch {own['torch']}" if share else ""
    say(f"making {folder} with Python {sys.version.split()[0]}{base}")
    subprocess.run([sys.executable, "-m", "venv", *share, str(folder)], check=True)


def install(folder: Path, extras: list[str], own: dict[str, str]) -> None:
    pins = [
        line
        for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines()
        if line.partition("==")[0].lower().replace("_", "-") not in own
    ]
    chosen = folder / "constraints.txt"
    chosen.write_text("\n".join(pins) + "\n", encoding="utf-8")
    size = "" if own else "; the first time it loads torch, several GB where the index has its CUDA build alone"
    say(f"installing npu-deliver[{','.join(extras)}] with pinned versions{size}")
    subprocess.run(
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check",
         "--editable", f"{ROOT}[{','.join(extras)}]"],
        check=True, env={**os.environ, "PIP_CONSTRAINT": str(chosen.resolve())},
    )  # fmt: skip


def fingerprint(own: dict[str, str]) -> str:
    """Changes when the pins, the dependencies, the interpreter or the machine's own torch change."""
    parts = [sys.version, own.get("torch", ""), own.get("torch-npu", "")]
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts += [CONSTRAINTS.read_text(encoding="utf-8"), repr(document["project"]), repr(document["build-system"])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def fail(text: str, code: int) -> int:
    say(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
