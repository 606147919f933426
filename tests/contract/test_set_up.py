"""The script behind `make`: two commands at once make one environment."""

import fcntl
import importlib.util
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "set_up.py"


def test_a_second_command_waits_for_the_first(tmp_path: Path) -> None:
    loader = importlib.util.spec_from_file_location("set_up", SCRIPT)
    assert loader is not None
    assert loader.loader is not None
    set_up = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(set_up)
    venv = tmp_path / "venv"
    with venv.with_name("venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(venv), "runtime"], stderr=subprocess.PIPE, text=True
        )
        try:
            assert second.stderr is not None
            assert second.stderr.readline() == f"setup: another command is making {venv}: waiting for it\n"
            venv.mkdir()
            (venv / ".ready").write_text(f"{set_up.fingerprint(set_up.installed_here())} runtime\n")
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert second.wait(timeout=60) == 0  # it found what the first had made
        finally:
            second.kill()
            second.communicate()
