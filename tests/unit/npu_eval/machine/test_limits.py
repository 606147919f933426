from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.machine.limits import limits, ranges


def put(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        ({"cpu_dot_max": "150000 100000\n", "memory_dot_max": "1073741824\n"}, 1.5, 2**30),
        ({"cpu_dot_max": "max 100000\n", "memory_dot_max": "max\n"}, None, None),
        ({"cpu__cpu_dot_cfs_quota_us": "50000", "cpu__cpu_dot_cfs_period_us": "100000",
          "memory__memory_dot_limit_in_bytes": "2147483648"}, 0.5, 2**31),
        ({"cpu__cpu_dot_cfs_quota_us": "-1", "cpu__cpu_dot_cfs_period_us": "100000",
          "memory__memory_dot_limit_in_bytes": "9223372036854771712"}, None, None),
        ({"cpu_dot_max": "garbage", "memory_dot_max": ""}, None, None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_both_cgroup_versions_are_read(
    tmp_path: Path, files: dict[str, str], cpus: float | None, memory: int | None
) -> None:
    found = limits(put(tmp_path, **files), tmp_path / "none")
    assert (found.cpu_limit, found.memory_limit_bytes, found.allocator) == (cpus, memory, "libc")


@pytest.mark.parametrize(
    ("line", "allocator"),
    [
        ("7f0 r-xp 0 0 0 /usr/lib/libjemalloc.so.2", "jemalloc"),
        ("7f0 r-xp 0 0 0 /usr/lib/libtcmalloc_minimal.so.4", "tcmalloc"),
        ("7f0 r-xp 0 0 0 /usr/lib/libc.so.6", "libc"),
    ],
)
def test_the_allocator_in_force_is_the_one_that_is_loaded(tmp_path: Path, line: str, allocator: str) -> None:
    maps = tmp_path / "maps"
    maps.write_text(f"{line}\n")
    assert limits(tmp_path, maps).allocator == allocator


@given(st.sets(st.integers(0, 300), min_size=1))
def test_ranges_name_each_number_once(numbers: set[int]) -> None:
    found: list[int] = []
    for part in ranges(sorted(numbers)).split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)
