"""What accelerators this machine has, asked without a framework: device nodes, and npu-smi for the name of the SoC."""

from __future__ import annotations

import subprocess
from pathlib import Path

from npu_deliver.errors import ConfigError
from npu_eval.npu import smi as npu_smi

MANAGEMENT = ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
"""What every process on an NPU opens beside its card's /dev/davinciN (Ascend/cann-container-image, README)."""


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
    tool = npu_smi.find()
    if tool is None:
        raise ConfigError("which SoC the image is for is unknown: there is no npu-smi here", where="soc", fix=fix)
    try:
        text, _ = npu_smi.talk(tool)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"npu-smi does not answer ({type(error).__name__})", where="soc", fix=fix) from error
    names = npu_smi.names(text)
    if len(names) != 1:
        found = f"names {', '.join(names)}" if names else "names no SoC"
        raise ConfigError(f"npu-smi {found}", where="soc", fix=fix)
    return names[0]
