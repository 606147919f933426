"""What else the machine does while something is timed: a number measured beside other work is not the model's.

Reads the kernel's own counters; what a system does not offer is None. Standard library only.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Reading:
    """CPU seconds at one moment: of the whole machine since boot (None: unknown), of this process with its children."""

    at: float
    machine_s: float | None
    own_s: float
    throttled_s: float | None


def reading() -> Reading:
    """The counters as they stand now. Children count once they have been waited for."""
    times = os.times()
    return Reading(
        at=time.monotonic(),
        machine_s=_machine_seconds(),
        own_s=times.user + times.system + times.children_user + times.children_system,
        throttled_s=_throttled(),
    )


def state(when: str, start: Reading, end: Reading, *, others_memory_bytes: int | None = None) -> MachineState:
    """What others did between two readings."""
    watched = max(end.at - start.at, 1e-9)
    foreign = None
    if start.machine_s is not None and end.machine_s is not None:
        foreign = max(0.0, (end.machine_s - start.machine_s - (end.own_s - start.own_s)) / watched)
    throttled = None
    if start.throttled_s is not None and end.throttled_s is not None:
        throttled = max(0.0, end.throttled_s - start.throttled_s)
    return MachineState(
        when=when,
        watched_s=watched,
        cpus=os.cpu_count() or 1,
        foreign_cpus=foreign,
        load_1min=os.getloadavg()[0],
        cpu_quota=_quota(),
        throttled_s=throttled,
        others_memory_bytes=others_memory_bytes,
    )


def watch(seconds: float, *, others_memory_bytes: int | None = None) -> MachineState:
    """Look at the machine for a while without doing anything."""
    start = reading()
    time.sleep(seconds)
    return state("before", start, reading(), others_memory_bytes=others_memory_bytes)


def _machine_seconds() -> float | None:
    """CPU seconds since boot, of everything but idling and waiting for disks (proc(5): user nice system idle iowait
    irq softirq steal)."""
    try:
        fields = [int(x) for x in STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):  # no /proc, or hidden from a container
        return None
    busy = sum(fields) - fields[3] - fields[4]
    return busy / os.sysconf("SC_CLK_TCK")


def _quota() -> float | None:
    """CPUs that the control group allows; None without a limit."""
    try:
        quota, period = (CGROUP / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # another cgroup version, or none: not known
        return None


def _throttled() -> float | None:
    """Seconds for which the control group was stopped because of its quota."""
    try:
        lines = (CGROUP / "cpu.stat").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("throttled_usec"))
    except (OSError, ValueError, StopIteration):
        return None


@dataclass(frozen=True, kw_only=True)
class MachineState:
    """What else the machine did while it was watched, ``when`` ``before`` or ``during`` the measurement.

    ``foreign_cpus`` is how many CPUs processes other than ours kept busy, on average over ``watched_s``;
    ``others_memory_bytes`` the accelerator's memory that was in use before this process took any. None: not known.
    """

    when: str
    watched_s: float
    cpus: int
    foreign_cpus: float | None
    load_1min: float
    cpu_quota: float | None
    throttled_s: float | None
    others_memory_bytes: int | None


BUSY_SHARE = 0.10
"""Share of the machine's CPUs that others may keep busy before a measurement is called loaded: the spread at which
pyperf calls a benchmark unstable."""


def is_busy(found: MachineState) -> bool:
    """Whether others kept more than `BUSY_SHARE` of the machine's CPUs busy; an unknown state is not called busy."""
    return found.foreign_cpus is not None and found.foreign_cpus > BUSY_SHARE * found.cpus
