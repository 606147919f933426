"""Does torch_npu start here, and if not: what is missing and what to do. In one line, whatever it printed itself.

Some of its failures end the process before Python can catch anything, so `probe` asks in a process of its own; it needs
no torch in the one that asks. `explain` translates the texts of torch, torch_npu and CANN that mean a failed start.
Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from npu_eval.npu import evidence as npu_evidence

CANN_ROOTS = (Path("/usr/local/Ascend/ascend-toolkit"), Path("/usr/local/Ascend/cann"), Path.home() / "Ascend")
"""Where CANN's installers put it by default: as root up to 8.3, as root from 8.5 on, and as another user."""

_PROBE_LIMIT_S = 300.0
"""Importing torch takes seconds, minutes on a cold network disk; longer means that the driver hangs."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why the NPU does not start, in words for the user, and what to do about it."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a process that starts torch_npu found: ``facts`` as far as it came, and why it came no further."""

    facts: dict[str, str]
    failure: Failure | None


def probe(python: str = sys.executable, *, device: int = 0, environment: dict[str, str] | None = None) -> Report:
    """Start torch_npu in a process of its own, up to a product on one device that is read back.

    Args:
        python: the interpreter whose packages are probed.
        device: the index of the NPU.
        environment: variables on top of this process's own.

    The facts are ``torch``, ``torch_cuda``, ``torch_npu``, ``devices`` and ``soc``, as far as the process came. An
    abort of the process, a hang and garbage are failures like any other; nothing is raised.
    """
    variables = {**os.environ, **(environment or {}), "TORCH_DEVICE_BACKEND_AUTOLOAD": "0", "PYTHONSAFEPATH": "1"}
    try:
        done = subprocess.run(
            [python, "-c", _SCRIPT, str(device)],
            capture_output=True,
            env=variables,
            timeout=_PROBE_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        what = f"torch_npu does not start within {_PROBE_LIMIT_S:.0f} s"
        return _failed(what, "check the driver with `npu-smi info`; a reset may help")
    except OSError as error:
        return _failed(f"{python} does not run ({error})", "name another interpreter")
    output = done.stdout.decode("utf-8", "replace")
    said = output + done.stderr.decode("utf-8", "replace")
    facts = _facts(output)
    if done.returncode == 0 and "product" in facts:
        return Report(facts=facts, failure=None)
    return Report(facts=facts, failure=explain(said, facts=facts, aborted=done.returncode < 0))


def _failed(what: str, fix: str) -> Report:
    return Report(facts={}, failure=Failure(what=what, fix=fix))


def explain(said: str, *, facts: dict[str, str] | None = None, aborted: bool = False) -> Failure:
    """What a text of torch, torch_npu or CANN means for somebody who wants an NPU.

    Args:
        said: an error's text, or everything that a process printed.
        facts: what is known of the installation; see `probe`.
        aborted: the process was ended by a signal.
    """
    found = meaning(said, facts=facts)
    if found is not None:
        return found
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    how = "ends the process" if aborted else "does not load"
    return Failure(what=f"torch_npu {how} ({last[:300]})", fix=f"{_source()}, and check `npu-smi info`")


def meaning(said: str, *, facts: dict[str, str] | None = None) -> Failure | None:
    """What a text means, where it is one that is known; None for any other."""
    # The lines of source code that a traceback quotes hold the texts of errors that did not happen.
    said = "\n".join(line for line in said.splitlines() if not line.startswith("    "))
    for pattern, what, fix in _MEANINGS:
        found = re.search(pattern, said)
        if found:
            words = {"torch": "torch", "torch_npu": "torch_npu", **_named(facts or {}), **_none_as_empty(found)}
            words["variable"] = _variable_of(words.get("path", ""))
            return Failure(what=what.format(**words), fix=fix.format(source=_source(), **words))
    return None


_SCRIPT = """
import json, sys
def tell(**facts):
    print("\\nprobe " + json.dumps(facts), flush=True)
import torch
tell(torch=str(torch.__version__), torch_cuda=str(torch.version.cuda or ""))
import importlib.metadata
try:
    tell(torch_npu=importlib.metadata.version("torch_npu"))
except importlib.metadata.PackageNotFoundError:
    pass
import torch_npu
tell(devices=str(torch.npu.device_count()))
index = int(sys.argv[1])
if not torch.npu.is_available():
    sys.exit("no npu device is visible")
torch.npu.set_device(index)
tell(soc=str(torch.npu.get_device_name(index)))
square = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).to(f"npu:{index}")
if (square @ square).cpu().tolist() != [[7.0, 10.0], [15.0, 22.0]]:
    sys.exit("computes a wrong product")
tell(product="right")
"""

_SOURCE_FIX = "{source}"
_CPU_BUILD = "install the CPU build of {torch} (pip install --index-url of PyTorch's CPU builds), or use DEVICE=cpu"

_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (r"No module named '(?P<name>torch|numpy)'", "{name} is not installed", "pip install {name}"),
    (
        r"No module named 'torch_npu'|torch_npu is not installed",
        "torch_npu is not installed",
        "install the torch_npu that matches torch and CANN; or use DEVICE=cpu",
    ),
    (
        r"Duplicated key|already been registered with the same key",
        "{torch} is a CUDA build, in which {torch_npu} aborts the process",
        _CPU_BUILD,
    ),
    (
        r"Two accelerators cannot be used at the same time",
        "{torch} is a CUDA build that sees a GPU, and torch_npu does not share a process with one",
        "set CUDA_VISIBLE_DEVICES= for the NPU's run and compare through a reference bundle",
    ),
    (
        r"(?P<lib>libascend_hal|libdrv\w*|libdcmi)\.so[.\d]*: cannot open\s+shared object",
        "the NPU driver's library {lib}.so is not found",
        "install the driver, or mount /usr/local/Ascend/driver into the container and add its lib64 to LD_LIBRARY_PATH",
    ),
    (
        r"(?P<lib>lib[\w+-]+\.so[.\d]*): cannot open\s+shared object",
        "{torch_npu} does not find CANN's library {lib}",
        _SOURCE_FIX,
    ),
    (
        r"(?P<lib>[\w./+-]*\.so[.\d]*): undefined symbol: (?P<symbol>\w+)",
        "{torch_npu} fits neither this torch nor this CANN: {lib} lacks {symbol}",
        "install the torch_npu of the same version as torch, and the CANN that it was built for",
    ),
    (
        r"version `(?P<symbol>GLIBC\w*_[\d.]+)' not found",
        "torch_npu needs {symbol}, which this system is too old for",
        "use a newer base image",
    ),
    (r"(?P<name>ASCEND_\w+) : (?P<path>.+?) does not exist", "{name} names {path}, which does not exist", _SOURCE_FIX),
    # torch_npu 2.7 names the path alone
    (r"The path does not exist: (?P<path>\S+)", "{variable} names {path}, which does not exist", _SOURCE_FIX),
    (
        r"(?P<name>ASCEND_\w+) environment variable is not set\. Please",
        "{name} is not set, so CANN is only half there",
        _SOURCE_FIX,
    ),
    (
        r"(?P<path>/\S*(?:runtime|compiler|opp)\S*) does not exist",
        "CANN is only half installed: {path} does not exist",
        "install the whole CANN toolkit with its kernels (ops)",
    ),
    (
        r"Unsupported soc version: (?P<soc>\S+)",
        "{torch_npu} does not know the SoC {soc}",
        "install a newer torch_npu with the CANN that it needs",
    ),
    (
        r"error code is 107001|Invalid device ID",
        "there is no such NPU",
        "use one that `npu-smi info` lists, and check ASCEND_RT_VISIBLE_DEVICES",
    ),
    (
        r"no npu device is visible|aclrtGetDeviceCount.*error code is \d+",
        "no npu device is visible",
        "check npu-smi info, /dev/davinci* and ASCEND_RT_VISIBLE_DEVICES, or use DEVICE=cpu",
    ),
    (
        r"(?:dcmi\D*|error code is )-?(?P<code>8005|8020)\b",
        "the driver refuses the NPU (dcmi -{code})",
        "it is in use by another container, or the container lacks the privilege; check `npu-smi info` on the host",
    ),
    (r"computes a wrong product", "computes a wrong product", "do not use this device; check `npu-smi info`"),
)
"""Text → what it means, what to do. The first that is found counts; groups of the pattern fill the words."""


def _facts(output: str) -> dict[str, str]:
    facts: dict[str, str] = {}
    for line in output.splitlines():
        if line.startswith("probe "):
            told = json.loads(line.removeprefix("probe "))
            facts.update({str(key): str(value) for key, value in told.items()})
    return facts


def _named(facts: dict[str, str]) -> dict[str, str]:
    return {name: f"{name} {facts[name]}" for name in ("torch", "torch_npu") if facts.get(name)}


def _none_as_empty(found: re.Match[str]) -> dict[str, str]:
    return {name: value or "" for name, value in found.groupdict().items()}


def _variable_of(path: str) -> str:
    """The variable that leads CANN to a path."""
    named = (name for name, value in sorted(os.environ.items()) if name.startswith("ASCEND_") and value == path)
    return next(named, "a variable of CANN")


def _source() -> str:
    """What to do about a CANN that is not set up: source the one that is installed, or install one."""
    for root in CANN_ROOTS:
        for script in (root / "set_env.sh", root / "ascend-toolkit" / "set_env.sh", root / "cann" / "set_env.sh"):
            if script.is_file():
                version = npu_evidence.cann_version()
                return f"run `source {script}` first" + (f" (CANN {version})" if version else "")
    return "install the CANN that matches torch_npu and source its set_env.sh, or use DEVICE=cpu"
