"""Two folders change places at once, or nothing has changed."""

from __future__ import annotations

import ctypes
import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import deliverables
from npu_deliver import exchange, pipeline
from npu_deliver.review import verify
from npu_deliver.seal import manifest


@pytest.fixture
def pair(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name, encoding="utf-8")
    return tmp_path / "a", tmp_path / "b"


def names(pair) -> list[str]:
    return [(folder / "name").read_text(encoding="utf-8") for folder in pair]


def test_they_change_places(pair):
    if not exchange.exchange(*pair):
        pytest.skip("this file system cannot")
    assert names(pair) == ["b", "a"]


def test_one_that_is_absent_is_an_error(pair, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        exchange.exchange(pair[0], tmp_path / "absent")


class Refusing:
    """A C library whose call fails so."""

    def __init__(self, code: int) -> None:
        self.code = code

    def renameat2(self, *arguments: object) -> int:
        ctypes.set_errno(self.code)
        return -1


class Older:
    """A C library that has no such call."""


@pytest.mark.parametrize("library", [Older(), *(Refusing(code) for code in exchange._CANNOT)])
def test_a_system_that_cannot_changes_nothing(pair, monkeypatch, library):
    monkeypatch.setattr(ctypes, "CDLL", lambda *arguments, **options: library)
    assert not exchange.exchange(*pair)
    assert names(pair) == ["a", "b"]


def test_what_cannot_be_moved_is_told(pair, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda *arguments, **options: Refusing(errno.EACCES))
    with pytest.raises(PermissionError):
        exchange.exchange(*pair)


# --- publish ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path):
    """A finished deliverable, and a newer one in the working folder that is about to replace it."""
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    deliverables.make(job, lang="zh")
    shutil.copytree(job.output, job.work / job.spec.profile)
    return job


KILLED = """
import os, sys
sys.path[:0] = {path!r}
import deliverables
from npu_deliver import pipeline
count = 0

def stop(event, arguments):
    global count
    if event in ("os.rename", "shutil.rmtree", "os.remove", "os.rmdir", "ctypes.dlsym", "open"):
        count += 1
        if count > {after}:
            os.kill(os.getpid(), 9)

job = deliverables.job_of({root!r})
{more}
sys.addaudithook(stop)
pipeline.publish(job.work / job.spec.profile, job)
"""


@pytest.mark.parametrize("can", [True, False])
def test_a_kill_at_any_moment_leaves_one_of_them_whole(job, tmp_path, can):
    """Killed after some calls that change something, at last after all; each time there is a folder."""
    (job.work / job.spec.profile / "readme.md").unlink()  # tells the new one from the old one
    manifest.seal(job.work / job.spec.profile)
    new, old = (sorted(p.name for p in folder.iterdir()) for folder in (job.work / job.spec.profile, job.output))
    more = "" if can else "import ctypes; ctypes.CDLL = lambda *a, **k: object()"
    kept, seen = tmp_path / "kept", set()
    shutil.copytree(job.folder, kept, symlinks=True)
    for after in (*range(2, 8), 12, 60, 10**6):
        shutil.rmtree(job.folder)
        shutil.copytree(kept, job.folder, symlinks=True)
        code = KILLED.format(path=[p for p in sys.path if p], root=job.folder.parent, after=after, more=more).replace(
            "PosixPath", "__import__('pathlib').Path"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, -9), done.stderr
        if can and exchange_works(tmp_path):
            assert sorted(p.name for p in job.output.iterdir()) in (new, old)
        pipeline.mend(job)
        assert sorted(p.name for p in job.output.iterdir()) in (new, old)
        seen.add(sorted(p.name for p in job.output.iterdir()) == new)
        if job.work.exists():  # what is gone on with is never the earlier one
            assert sorted(p.name for p in (job.work / job.spec.profile).iterdir()) == new
    assert seen == {True, False}


def exchange_works(folder: Path) -> bool:
    pair = folder / "one", folder / "other"
    for each in pair:
        each.mkdir(exist_ok=True)
    return exchange.exchange(*pair)


def test_what_was_published_without_an_exchange_is_whole_too(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "exchange", lambda a, b: False)
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    deliverables.make(job)
    deliverables.make(job, lang="en")
    assert verify.verify(job.output).holds
    assert not job.work.exists()
