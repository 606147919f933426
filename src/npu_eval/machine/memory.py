"""How the host's memory is allocated, as it shows in the process: the allocator, huge pages, memory that is kept.

A forward pass on a CPU allocates and frees its activations at every call. What glibc has mapped for a large one it
gives back at once, and the kernel clears the same pages again at the next call (mallopt(3), M_MMAP_THRESHOLD).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from collections.abc import Mapping
from pathlib import Path

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
"""Where distributions put shared libraries; the loader's own cache names only what is in its configuration."""
KEPT: Mapping[str, str] = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""What makes glibc map nothing apart, and give nothing back (mallopt(3))."""
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_LARGE = 64 << 20
"""Bytes of a block that glibc maps apart whatever has been freed before: its threshold never exceeds 32 MiB."""


class _Usage(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


def library(name: str) -> str:
    """The path of a shared library of an allocator; empty when it is not installed."""
    for folder in LIBRARIES:
        found = sorted(Path(folder).glob(f"lib{name}*.so*"))
        if found:
            return str(found[0])
    return ctypes.util.find_library(name) or ""


def is_loaded(name: str) -> bool:
    """Whether a library is part of this process."""
    return f"lib{name}" in Path("/proc/self/maps").read_text(encoding="utf-8")


def tells_usage() -> bool:
    """Whether the C library is a glibc that tells what it has mapped (2.33 or newer)."""
    return hasattr(ctypes.CDLL(None), "mallinfo2")


def keeps_freed() -> bool:
    """Whether a large block is taken from memory that is kept, instead of being mapped apart: by taking one."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _Usage
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    before = libc.mallinfo2().hblks
    block = libc.malloc(_LARGE)
    mapped = libc.mallinfo2().hblks > before
    libc.free(block)
    return bool(block) and not mapped


def grants_huge_pages() -> bool:
    """Whether the kernel gives huge pages to those who ask."""
    try:
        return "[never]" not in _HUGE_PAGES.read_text(encoding="ascii")
    except OSError:  # no such kernel feature
        return False


def asks_for_huge_pages() -> bool:
    """Whether torch was told to ask for huge pages, and the kernel grants them when asked."""
    return os.environ.get("THP_MEM_ALLOC_ENABLE") == "1" and grants_huge_pages()
