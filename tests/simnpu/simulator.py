"""The simulated NPU of the tests: Huawei's unmodified torch_npu wheel on a stub of the CANN runtime.

`prepare` fetches the wheel and compiles the stub once, into a cache; `Simulator.environment` gives the variables with
which any program of this machine meets simulated NPUs. Nothing of it belongs to the product, a wheel or an image.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("NPU_DELIVER_SIMNPU_CACHE", Path.home() / ".cache" / "npu-deliver" / "simnpu"))

TORCH_NPU = {"2.7": "2.7.1.post2", "2.13": "2.13.0", "2.14": "2.14.0"}
"""torch's minor version -> the torch_npu that was tried with it. 2.7.1.post2 is the build for CANN 8.5."""

LIBRARIES = ("hccl", "acl_op_compiler", "ge_runner", "graph", "acl_tdt_channel", "opapi")
"""CANN's other libraries that torch_npu names; the one stub answers under each name."""


class NotHereError(Exception):
    """Why there is no simulated NPU on this machine; tests skip with it."""


@dataclass(frozen=True)
class Simulator:
    """Where the parts lie: the wheel, the stub, a CANN home, the kernels and the shim for CUDA builds of torch."""

    wheel: Path
    stub: Path
    cann_home: Path
    kernels: Path
    forget_keys: Path | None

    def environment(
        self, *, devices: int = 2, soc: str = "Ascend910B2", memory_mib: int = 4096, latency_us: float = 0.0,
        faults: dict[str, str] | None = None, kernels: bool = True, stub: bool = True, forget_keys: bool = True,
    ) -> dict[str, str]:  # fmt: skip
        """The variables of a process that sees simulated NPUs.

        Args:
            devices: how many there are.
            soc: their name; torch_npu refuses one that it does not know.
            memory_mib: memory of each.
            latency_us: what each kernel adds to the clock of its device.
            faults: operator (``aten::mm``) → ``nan``, ``hang``, ``error`` or ``real`` (torch_npu's own kernel, which
                asks the stub's libopapi).
            kernels: without them every operation that computes fails, with torch_npu's own words.
            stub: without it torch_npu finds no CANN, as on a machine where set_env.sh was not sourced.
            forget_keys: without it torch_npu from 2.10 on aborts in a CUDA build of torch, as on a real machine.
        """
        path = [str(HERE / "site"), str(self.wheel), *filter(None, [os.environ.get("PYTHONPATH")])]
        variables = {
            "PYTHONPATH": os.pathsep.join(path),
            "SIMNPU_DEVICES": str(devices),
            "SIMNPU_SOC": soc,
            "SIMNPU_MEMORY_MIB": str(memory_mib),
            "SIMNPU_LATENCY_US": str(latency_us),
            "SIMNPU_FAULTS": ";".join(f"{name}={kind}" for name, kind in (faults or {}).items()),
            "SIMNPU_KERNELS": str(self.kernels) if kernels else "",
            "SIMNPU_FORGET_KEYS": str(self.forget_keys) if forget_keys and self.forget_keys else "",
            "OMP_NUM_THREADS": "1",
        }
        if stub:
            known = filter(None, [str(self.stub), os.environ.get("LD_LIBRARY_PATH")])
            variables["LD_LIBRARY_PATH"] = os.pathsep.join(known)
            variables["ASCEND_HOME_PATH"] = str(self.cann_home)
            variables["ASCEND_OPP_PATH"] = str(self.cann_home / "opp")
        return variables


@functools.cache
def prepare() -> Simulator:
    """Fetch and compile what is missing from the cache.

    Raises:
        NotHereError: a real NPU is here, or the wheel or a compiler is not.
    """
    if any(Path("/dev").glob("davinci*")):
        raise NotHereError("this machine has Ascend device nodes; nothing is simulated beside a real NPU")
    if shutil.which("g++") is None:
        raise NotHereError("there is no g++ to compile the stub of CANN with")
    import torch

    version = str(torch.__version__)
    wanted = TORCH_NPU.get(".".join(version.split(".")[:2]))
    if wanted is None:
        raise NotHereError(f"no torch_npu is known to load beside torch {version}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes wait for the first
        library = Path(torch.__file__).parent
        cuda = torch.version.cuda is not None and version.startswith(("2.13", "2.14"))
        stub = _stub()
        return Simulator(
            wheel=_wheel(wanted),
            stub=stub,
            cann_home=_cann_home(stub),
            kernels=_kernels(library, version),
            forget_keys=_forget_keys(library, version) if cuda else None,
        )


def _wheel(version: str) -> Path:
    folder = CACHE / f"torch-npu-{version}"
    if folder.is_dir():
        return folder
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--target", str(partial), f"torch-npu=={version}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise NotHereError(f"the wheel of torch_npu {version} cannot be had: {said}")
    partial.rename(folder)
    return folder


def _stub() -> Path:
    sources = [HERE / "machine.cpp", HERE / "operators.cpp"]
    library = _compiled("libascendcl.so", sources, ["-std=c++17", "-Wall", "-Wextra"], also=[HERE / "machine.h"])
    for name in LIBRARIES:
        link = library.with_name(f"lib{name}.so")
        if not link.is_symlink():
            link.symlink_to(library.name)
    return library.parent


def _cann_home(stub: Path) -> Path:
    """What torch_npu and we look for in an installation of CANN."""
    home = stub / "cann"
    for folder in ("opp", "runtime", "compiler", "x86_64-linux"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    info = "package_name=Ascend-cann-toolkit\nversion=8.5.0.simulated\narch=x86_64\n"
    (home / "x86_64-linux" / "ascend_toolkit_install.info").write_text(info)
    return home


def _kernels(torch: Path, version: str) -> Path:
    headers = [torch / "include", torch / "include" / "torch" / "csrc" / "api" / "include"]
    flags = ["-std=c++20", "-Wall", *(f"-isystem{folder}" for folder in headers)]
    flags += [f"-L{torch / 'lib'}", "-ltorch_cpu", "-lc10"]
    return _compiled("kernels.so", [HERE / "kernels.cpp"], flags, also=[], salt=version)


def _forget_keys(torch: Path, version: str) -> Path:
    flags = ["-std=c++17", f"-L{torch / 'lib'}", "-lc10", "-Wl,--no-undefined"]
    return _compiled("forget_keys.so", [HERE / "forget_keys.cpp"], flags, also=[], salt=version)


def _compiled(name: str, sources: list[Path], flags: list[str], *, also: list[Path], salt: str = "") -> Path:
    """A shared library in a folder named after everything that it is made of."""
    key = hashlib.sha256(salt.encode())
    for source in (*sources, *also):
        key.update(source.read_bytes())
    folder = CACHE / f"{name.partition('.')[0]}-{key.hexdigest()[:16]}"
    library = folder / name
    if library.is_file():
        return library
    folder.mkdir(exist_ok=True)
    partial = folder / f"{name}.partial"
    command = ["g++", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-o", str(partial), *map(str, sources), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{name} does not compile:\n{done.stderr}")
    partial.rename(library)
    return library
