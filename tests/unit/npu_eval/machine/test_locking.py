"""What lies in the place of a lock is not followed, not shortened and not waited for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostile import leave_socket
from npu_eval.errors import ConfigError
from npu_eval.machine.locking import holding

SET_UP = Path(__file__).parents[4] / "scripts/set_up.py"


def never() -> None:
    raise AssertionError("nobody else holds it")


def in_the_place(kind: str, path: Path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        leave_socket(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.symlink_to({"link": "precious", "dangling": "absent", "circle": path.name}[kind])


KINDS = ("link", "dangling", "circle", "folder", "pipe", "socket", "device")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_is_taken_for_a_lock(tmp_path: Path, kind: str) -> None:
    (tmp_path / "precious").write_text("text", encoding="utf-8")
    in_the_place(kind, tmp_path / "lock")
    with (
        pytest.raises(ConfigError, match="where an empty file for a lock belongs") as told,
        holding(tmp_path / "lock", never),
    ):
        pytest.fail("it was held")
    assert "\n" not in str(told.value)
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "text"
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_set_up_takes_nothing_else_for_its_lock(tmp_path: Path, kind: str) -> None:
    (tmp_path / "precious").write_text("text", encoding="utf-8")
    in_the_place(kind, tmp_path / ".venv.lock")
    done = subprocess.run(
        [sys.executable, SET_UP, tmp_path / ".venv", "runtime"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "where an empty one for a lock belongs" in done.stderr
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "text"
    assert not (tmp_path / "absent").exists()


def test_a_file_keeps_what_it_holds_also_a_second_name_of_one(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("text", encoding="utf-8")
    (tmp_path / "lock").hardlink_to(tmp_path / "precious")
    with holding(tmp_path / "lock", never):
        assert (tmp_path / "precious").read_text(encoding="utf-8") == "text"


def test_the_second_is_told_and_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    def busy() -> None:
        raise ConfigError("busy")

    with holding(tmp_path / "lock", never), pytest.raises(ConfigError, match="busy"), holding(tmp_path / "lock", busy):
        pytest.fail("two held it")
    with holding(tmp_path / "lock", never):
        assert (tmp_path / "lock").read_bytes() == b""
