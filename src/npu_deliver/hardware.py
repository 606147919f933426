"""What accelerators this machine has, asked without a framework: device nodes, and npu-smi for the name of the SoC."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from npu_deliver.errors import ConfigError

_ROW = re.compile(
    r"^\|\s*\d+\s+(?P<name>[0-9A-Za-z_-]+)\s*\|\s*(?:OK|Warning|Alarm|Critical|UNKNOWN|NA)\b", re.MULTILINE
)
"""A card's first row in the table of `npu-smi info`: number and name, then its health."""

MANAGEMENT = ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
"""What every process on an NPU opens beside its card's /dev/davinciN (Ascend/cann-container-image, README)."""

_TIMEOUT_S = 30.0
"""npu-smi answers in a second or two; a driver that hangs never does."""


def present() -> str:
    """``npu``, ``cuda`` or ``cpu``: the best that the device nodes of this machine promise."""
    nodes = Path("/dev")
    if any(nodes.glob("davinci[0-9]*")):
        return "npu"
    return "cuda" if any(nodes.glob("nvidia[0-9]*")) else "cpu"


def detected_soc() -> str:
    """The name of this machine's SoC as npu-smi prints it.

    Raises:
        ConfigError: there is no npu-smi, it does not answer, or its answer holds no name.
    """
    fix = "name it with --soc, such as Ascend910B4 or A3"
    tool = npu_smi()
    if tool is None:
        raise ConfigError("which SoC the image is for is unknown: there is no npu-smi here", where="soc", fix=fix)
    try:
        done = subprocess.run([tool, "info"], capture_output=True, text=True, timeout=_TIMEOUT_S, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"npu-smi does not answer ({type(error).__name__})", where="soc", fix=fix) from error
    names = soc_names(done.stdout)
    if len(names) != 1:
        found = f"names {', '.join(names)}" if names else "names no SoC"
        raise ConfigError(f"npu-smi {found}", where="soc", fix=fix)
    return names[0]


def npu_smi() -> str | None:
    """The path of npu-smi; on some machines it lies where PATH does not look."""
    return shutil.which("npu-smi") or next((p for p in _USUAL if Path(p).is_file()), None)


def soc_names(table: str) -> tuple[str, ...]:
    """The names of the cards in the table of `npu-smi info`, each once."""
    return tuple(sorted({match["name"] for match in _ROW.finditer(table)}))


def holders(table: str) -> tuple[str, ...]:
    """The processes that hold a card by the table of `npu-smi info`, as ``python (pid 1234, 1024 MB)``."""
    return tuple(f"{m['name']} (pid {m['pid']}, {m['memory']} MB)" for m in _PROCESS.finditer(table))


_PROCESS = re.compile(
    r"^\|\s*\d+\s+\d+\s*\|\s*(?P<pid>\d+)\s*\|\s*(?P<name>\S+)\s*\|\s*(?P<memory>\d+)\s*\|", re.MULTILINE
)
"""A row of the second table of `npu-smi info`: card and chip, process id, its name, its memory in MB."""

_USUAL = ("/usr/local/bin/npu-smi", "/usr/local/sbin/npu-smi")
