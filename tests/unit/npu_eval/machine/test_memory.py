"""In fresh processes: glibc reads its variables once, at the start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from npu_eval.machine import memory as host_memory

pytestmark = pytest.mark.skipif(not host_memory.tells_usage(), reason="a glibc from before 2.33, or none")


def said(question: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"from npu_eval.machine import memory; print({question})"],
        env={**os.environ, **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_large_block_is_mapped_apart_unless_told_otherwise() -> None:
    assert said("memory.keeps_freed()") == "False"
    assert said("memory.keeps_freed()", **host_memory.KEPT) == "True"


def test_what_is_kept_is_not_cleared_again_by_the_kernel() -> None:
    twice = """[
        __import__('resource').getrusage(0).ru_minflt for _ in range(9) if bytearray(64 << 20).count(1) == 0
    ]"""
    faults = f"(lambda seen: max(b - a for a, b in zip(seen[3:], seen[4:])))({twice})"
    assert int(said(faults)) > 10
    assert int(said(faults, **host_memory.KEPT)) < 10


def test_huge_pages_are_asked_for_by_a_variable_and_granted_by_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = tmp_path / "enabled"
    monkeypatch.setattr(host_memory, "_HUGE_PAGES", setting)
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "1")
    assert not host_memory.grants_huge_pages()
    setting.write_text("always madvise [never]\n", encoding="ascii")
    assert not host_memory.asks_for_huge_pages()
    setting.write_text("always [madvise] never\n", encoding="ascii")
    assert host_memory.asks_for_huge_pages()
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    assert not host_memory.asks_for_huge_pages()


def test_a_library_is_found_where_distributions_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "LIBRARIES", (str(tmp_path),))
    (tmp_path / "libtcmalloc_minimal.so.4").touch()
    assert host_memory.library("tcmalloc") == str(tmp_path / "libtcmalloc_minimal.so.4")
    assert host_memory.library("no_such_allocator") == ""
    assert not host_memory.is_loaded("no_such_allocator")
