"""Run commands over hostile folders in this process, and say of each how it ended: started by a test, with a timeout.

    python reading_hostile.py FOLDER WORK GROUP

One JSON line for each command on each folder. The process may not grow beyond a GiB, and dies of a command that takes
more than ten seconds of the processor, having said which one it was.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import hostile
from npu_deliver import cli
from npu_deliver.review.second_look import asking as second_look
from npu_deliver.spec.profiles import templates_folder

GIB = 2**30
READERS = {
    "verify": ("verify",),
    "audit": ("audit",),
    "judge": ("judge", "--criteria", "cann-hf32"),
    "rerun": ("rerun", "--engine", "local"),
    "lint": ("lint", "--lang", "en"),
}
GROUPS: dict[str, tuple[dict[str, Callable[[Path], object]], tuple[str, ...]]] = {
    "beyond": (hostile.BEYOND, ("verify", "judge", "rerun", "one file")),
    "inside": (hostile.INSIDE, ("verify", "one file")),
    "slow": ({kind: hostile.INSIDE[kind] for kind in hostile.SLOW}, ("audit", "judge", "lint")),
}


def of_one_file(folder: Path) -> int:
    """The exit code of the verifier that travels."""
    file = templates_folder("npu_deliverables") / "verify_deliverable.py"
    spec = importlib.util.spec_from_file_location("verify_deliverable", file)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    sys.argv = ["verify_deliverable.py", str(folder)]
    return int(module.main())


def of_command(command: tuple[str, ...], folder: Path) -> int:
    """The exit code of a command."""
    first, *options = command
    sys.argv = ["npu-deliver", first, str(folder), *options]
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    raise AssertionError("a command did not end as one")


class NoLook:
    """No second process."""

    def __enter__(self) -> NoLook:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, question: object) -> second_look.Answer:
        raise second_look.Unanswered("not asked")


def main() -> None:
    folder, work, group = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB))
    kinds, readers = GROUPS[group]
    second_look.start = lambda folder: NoLook()  # it has limits of its own, and takes seconds
    for kind, make in kinds.items():
        copy = work / "npu_deliverables"
        shutil.copytree(folder, copy, symlinks=True)
        make(copy)
        for reader in readers:
            print(json.dumps({"kind": kind, "reader": reader, "code": None, "said": ""}), flush=True)
            signal.setitimer(signal.ITIMER_PROF, 10)
            with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
                code = of_one_file(copy) if reader == "one file" else of_command(READERS[reader], copy)
            signal.setitimer(signal.ITIMER_PROF, 0)
            said = out.getvalue()
            print(
                json.dumps({"kind": kind, "reader": reader, "code": code, "said": said[:2000] + said[-2000:]}),
                flush=True,
            )
        os.system(f"rm -rf '{copy}'")  # Python's own gives up at a depth of 1000 folders


if __name__ == "__main__":
    main()
