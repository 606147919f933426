"""Is there a real NPU under torch_npu? *Real* on positive evidence only; anything else is not called an NPU.

Also the few facts of the host that need no framework. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
from dataclasses import dataclass
from pathlib import Path

DRIVER_VERSION = Path("/usr/local/Ascend/driver/version.info")
"""Written by the Ascend driver's installer, and mounted into containers beside the driver's libraries."""


MARK = "simulated"
"""What a stand-in for CANN says of itself: in a symbol of its library, and in its version."""


@dataclass(frozen=True, kw_only=True)
class NpuProof:
    """What was seen of an NPU in a process: everything that `verdict` is concluded from.

    ``library`` is the end of the path of the CANN runtime that is loaded, ``marker`` what a stand-in says of itself.
    """

    device_nodes: tuple[str, ...]
    driver: str | None
    library: str | None
    marker: str | None
    cann: str | None

    @property
    def verdict(self) -> str:
        """``real``, ``simulated``, ``unknown`` or ``absent``.

        Real needs all of: device nodes, the driver's version, and a loaded CANN runtime without a stand-in's mark.
        """
        if self.marker is not None or MARK in (self.cann or "").lower():
            return "simulated"
        if self.library is None:
            return "absent"
        return "real" if self.device_nodes and self.driver else "unknown"


def collect_proof() -> NpuProof:
    """What this process shows of an NPU."""
    library = _loaded_ascendcl()
    return NpuProof(
        device_nodes=device_nodes(),
        driver=driver_version(),
        library=None if library is None else _loaded_path("libascendcl.so"),
        marker=None if library is None else _marker(library),
        cann=cann_version(),
    )


def device_nodes() -> tuple[str, ...]:
    """Character devices of NPU cards: ``/dev/davinci0`` …"""
    found = []
    for path in sorted(Path("/dev").glob("davinci[0-9]*")):
        try:
            if stat.S_ISCHR(path.stat().st_mode):
                found.append(str(path))
        except OSError:  # vanished or not ours to look at: no evidence
            continue
    return tuple(found)


def _loaded_ascendcl() -> ctypes.CDLL | None:
    """The CANN runtime library that is already loaded in this process; it is not loaded by asking."""
    try:
        return ctypes.CDLL("libascendcl.so", mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return None


def _loaded_path(name: str) -> str:
    """The last parts of the path of a loaded library: enough to tell installations apart, and no user's name."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no /proc: the library is known by its name alone
        return name
    found = next((line.split()[-1] for line in lines if line.rstrip().endswith(f"/{name}")), name)
    return "/".join(Path(found).parts[-3:])


def _marker(library: ctypes.CDLL) -> str | None:
    """What a stand-in for CANN says of itself; None for a library that has no such symbol."""
    try:
        told = library.simcann_marker
    except AttributeError:
        return None
    told.restype = ctypes.c_char_p
    said = told()
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else MARK


def cpu_model() -> str:
    """The processor's name, as the kernel tells it; aarch64 kernels tell none, then the machine type."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() in ("model name", "hardware") and value.strip():
                return value.strip()
    except OSError:  # no /proc: fall through to what Python knows
        pass
    return platform.processor() or platform.machine()


def memory_bytes() -> int:
    """Physical memory of the host."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cann_version() -> str | None:
    """CANN's version by its own files (the driver has another one); None when no CANN is installed."""
    roots = [Path(p) for p in (os.environ.get("ASCEND_HOME_PATH"), os.environ.get("ASCEND_TOOLKIT_HOME")) if p]
    roots.append(Path("/usr/local/Ascend/ascend-toolkit/latest"))
    for root in roots:
        for info in sorted(root.glob("**/ascend_toolkit_install.info")) if root.is_dir() else ():
            version = _value(info, "version")
            if version:
                return version
    return None


def driver_version() -> str | None:
    """The Ascend driver's version; None when no driver is installed."""
    return _value(DRIVER_VERSION, "version")


def _value(path: Path, key: str) -> str | None:
    """The value of a ``key=value`` line of a small text file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # absent or unreadable: not known
        return None
    for line in lines:
        name, _, value = line.partition("=")
        if name.strip().lower() == key and value.strip():
            return value.strip()
    return None
