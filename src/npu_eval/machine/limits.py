"""What the process may use of its machine: CPUs, memory, and which allocator serves it. Standard library only.

A container with half a CPU, or one whose image preloads jemalloc, measures something else than the bare machine; both
look alike to Python.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
"""cgroup v1 writes a number near 2^63 where there is no limit."""


@dataclass(frozen=True, kw_only=True)
class HostLimits:
    """CPUs by their numbers (``0-3,8``), the cgroup's limits (None: none), and the allocator in force."""

    affinity: str
    cpu_limit: float | None
    memory_limit_bytes: int | None
    allocator: str


def limits(cgroup: Path = CGROUP, maps: Path = Path("/proc/self/maps")) -> HostLimits:
    """The limits of this process; what a system does not tell is None."""
    return HostLimits(
        affinity=ranges(sorted(os.sched_getaffinity(0))),
        cpu_limit=_cpus(cgroup),
        memory_limit_bytes=_memory(cgroup),
        allocator=_allocator(_text(maps)),
    )


def ranges(numbers: list[int]) -> str:
    """Sorted numbers as text: ``0-3,8``."""
    parts: list[str] = []
    start = 0
    for i in range(1, len(numbers) + 1):
        if i == len(numbers) or numbers[i] != numbers[i - 1] + 1:
            first, last = numbers[start], numbers[i - 1]
            parts.append(str(first) if first == last else f"{first}-{last}")
            start = i
    return ",".join(parts)


def _cpus(cgroup: Path) -> float | None:
    quota = _text(cgroup / "cpu.max").split()  # v2: "200000 100000" or "max 100000"
    if not quota:
        quota = [_text(cgroup / "cpu" / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    if len(quota) != 2 or not all(re.fullmatch(r"\d+", part) for part in quota) or int(quota[1]) == 0:
        return None
    return int(quota[0]) / int(quota[1])


def _memory(cgroup: Path) -> int | None:
    told = (_text(cgroup / "memory.max") or _text(cgroup / "memory" / "memory.limit_in_bytes")).strip()
    return int(told) if re.fullmatch(r"\d+", told) and int(told) < _UNLIMITED else None


def _allocator(maps: str) -> str:
    """The allocator that is loaded, whoever preloaded it: setting LD_PRELOAD alone proves nothing."""
    return next(
        (name for name in ("jemalloc", "tcmalloc", "mimalloc") if re.search(rf"/lib{name}[\w.-]*", maps)), "libc"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # another cgroup version, or none
        return ""
