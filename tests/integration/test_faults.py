"""What machines do to a run: no room for its words, an odd alphabet, libraries that are hidden, memory that is full."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from integration.conftest import MODELS, Run

SECRETS = {"OBS_SK": "9f8e7d6c5b4a", "NPU_AUTH": "9f8e7d6c5b4a", "https_proxy": "http://me:hush@127.0.0.1:9"}
ODD_ALPHABET = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def shell(line: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of a shell in which `$N` is npu-deliver."""
    return subprocess.run(
        ["bash", "-c", f'N="{sys.executable} -m npu_deliver"; {line}'], cwd=root.parent, capture_output=True,
        encoding="utf-8", errors="replace", timeout=600, check=False,
        env={**os.environ, "NPU_DELIVER_ROOT": str(root), **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of PYTHONPATH whose `sitecustomize` prints, as those of some companies do."""
    folder = tmp_path_factory.mktemp("chatty")
    folder.joinpath("sitecustomize.py").write_text("print('{\"welcome\": 1}')\n", encoding="utf-8")
    return folder


def test_a_run_ends_well_whoever_listens(root: Path, command: Run, chatty: Path) -> None:
    """Closed errors, a full output, ASCII alone, a POSIX locale and files for nobody else; then a chatty Python."""
    line = "umask 077; $N deliver tiny --lang zh >/dev/full 2>&-"
    with (root / "tiny/adapter.py").open("a", encoding="utf-8") as adapter:
        adapter.write(
            "\n\nimport os, sys\nsys.stderr.write(' '.join(map(os.getenv, ('OBS_SK', 'https_proxy'))) + '\\n')\n"
        )
    made = shell(line, root, **ODD_ALPHABET, **SECRETS)
    assert made.returncode == 2  # the result could not be printed; nothing else is lost
    folder = root / "tiny/npu_deliverables"
    assert (folder / "inputs/红.png").is_file()
    assert "随机权重" in (folder / "readme.md").read_text(encoding="utf-8")
    assert {oct(path.stat().st_mode & 0o077) for path in [folder, *folder.rglob("*")]} == {"0o0"}
    assert command("verify", str(folder)).returncode == 0
    again = shell("$N deliver tiny --json", root, PYTHONPATH=str(chatty), **ODD_ALPHABET, **SECRETS)
    assert (again.returncode, again.stderr.count("kept from")) == (0, 3)
    assert again.stdout.isascii()
    fresh = shell("$N deliver tiny --fresh", root, **SECRETS)
    assert "*** http://***@127.0.0.1:9" in fresh.stderr
    said = [fresh.stderr.encode(), *(path.read_bytes() for path in root.rglob("*") if path.is_file())]
    assert not any(value.encode() in each for each in said for value in ("9f8e7d6c5b4a", "hush"))


CHECKS = (
    "verify made",
    "verify made --json",
    "audit made",
    "judge made --criteria contest-1pct",
    "lint made",
    "models",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root beside which lies a finished deliverable, made by fakes."""
    import deliverables

    root = tmp_path_factory.mktemp("made") / "models"
    deliverables.write_model(root)
    job = deliverables.job_of(root)
    deliverables.make(job, pictures=False)
    job.output.rename(root.parent / "made")
    return root


@pytest.mark.parametrize("asked", CHECKS)
def test_the_exit_code_of_a_check_is_its_own(made: Path, chatty: Path, asked: str) -> None:
    plain = shell(f"$N {asked}", made)
    odd = shell(f"$N {asked} 2>&-", made, PYTHONPATH=str(chatty), **ODD_ALPHABET)
    cut = shell(f"$N {asked} | head -c 1; exit ${{PIPESTATUS[0]}}", made)
    full = shell(f"$N {asked} >/dev/full", made)
    assert (odd.returncode, cut.returncode) == (plain.returncode, plain.returncode)
    assert (full.returncode, len(full.stderr.splitlines())) == (plain.returncode or 2, plain.returncode == 0)
    assert odd.stdout.isascii()
    for done in (odd, cut, full):
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("asked", ["verify made", "models", "--version"])
def test_a_hidden_library_is_named_in_one_line(made: Path, tmp_path: Path, asked: str) -> None:
    (tmp_path / "random.py").write_text("mine = 1\n", encoding="utf-8")
    (tmp_path / "typing_extensions.py").write_text("mine = 1\n", encoding="utf-8")
    done = shell(f"$N {asked}", made, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert re.search(
        rf"{tmp_path}/\w+\.py, which hides the library of that name \(\w+\); rename that file", done.stderr
    )


def test_a_file_beside_the_one_who_types_hides_nothing(made: Path) -> None:
    hiding = made.parent / "random.py"
    hiding.write_text("mine = 1\n", encoding="utf-8")
    try:
        assert shell("$N models", made).returncode == 0
    finally:
        hiding.unlink()


ADAPTERS = {
    "an absent package": ("import absent_package\n", "", 5, "the Python package 'absent_package' is not installed"),
    "no memory": ("", "torch.empty(1 << 45)", 4, "precision: the memory is full ("),
    "killed": ("", "os.kill(os.getpid(), 9)", 6, "inference: was killed by signal 9, as the kernel does"),
    "a limit": ("", "[0] * (1 << 40)", 4, "the memory is full (AdapterError: adapter.py: MemoryError"),
    "an abort": ("", "os.write(2, b'what():  std::bad_alloc\\n'); os.abort()", 6, "its memory was full, and"),
}  # fmt: skip


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_step_that_dies_says_of_what(root: Path, command: Run, name: str) -> None:
    first, deed, code, words = ADAPTERS[name]
    text = (MODELS / "tiny/adapter.py").read_text(encoding="utf-8")
    text = text.replace("from torch import nn\n", f"import os\n\nimport torch\nfrom torch import nn\n{first}")
    text = text.replace('        return {"logits"', f'        {deed or "pass"}\n        return {{"logits"')
    (root / "tiny/adapter.py").write_text(text, encoding="utf-8")
    done = command("deliver", "tiny")
    last = done.stderr.splitlines()[-1]
    assert done.returncode == code, done.stderr
    assert words.removeprefix("precision: ") in last
    assert not (root / "tiny/npu_deliverables").exists()
