"""Whoever listens: the exit code is the result's, nothing raises, and output that was lost is known to be."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAYS = """
import sys
from npu_eval.process import streams
streams.take_over()
print("\\u5c0f" * {count})
sys.stderr.write("\\u7f51\\n")
with open({path!r}, "w") as opened:
    number = opened.fileno()
lost = streams.lost_output()
sys.exit({code} if lost is None else 2)
"""


def run(line: str, tmp_path, count: int = 1, code: int = 5, **environment: str) -> subprocess.CompletedProcess[bytes]:
    script = tmp_path / "script.py"
    script.write_text(SAYS.format(count=count, code=code, path=str(tmp_path / "opened")), encoding="utf-8")
    return subprocess.run(
        ["bash", "-c", line, "bash", sys.executable, str(script)], capture_output=True, timeout=120, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path)), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('"$@"', 5),
        ('"$@" 2>&-', 5),
        ('"$@" >&-', 5),
        ('"$@" >&- 2>&- <&-', 5),
        ('"$@" 2>/dev/full', 5),
        ('"$@" >/dev/full', 2),
        ('"$@" >/dev/full 2>/dev/full', 2),
        ('"$@" | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}', 5),
    ],
)
@pytest.mark.parametrize("count", [1, 200_000])
def test_the_code_is_the_result_s_unless_the_output_is_lost(tmp_path, line: str, code: int, count: int) -> None:
    done = run(line, tmp_path, count)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_an_alphabet_that_is_too_small_gets_the_characters_spelled_out(tmp_path) -> None:
    done = run('"$@"', tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert (done.returncode, done.stdout, done.stderr) == (5, b"\\u5c0f\n", b"\\u7f51\n")


def test_a_file_that_is_opened_behind_a_closed_stream_is_not_that_stream(tmp_path) -> None:
    done = run('"$@" 2>&-', tmp_path)
    assert (tmp_path / "opened").read_bytes() == b""
    assert done.returncode == 5
