from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from npu_eval.npu import evidence as npu_evidence
from npu_eval.npu import probe as npu_probe
from npu_eval.npu.probe import explain, meaning, probe

FACTS = {"torch": "2.14.1+cu130", "torch_npu": "2.14.0"}

TOLD = {
    "no CANN": (
        "ImportError: libhccl.so: cannot open shared object file: No such file or directory",
        "torch_npu 2.14.0 does not find CANN's library libhccl.so",
        "set_env.sh",
    ),
    "no driver": (
        "ImportError: libascend_hal.so: cannot open shared object file: No such file or directory",
        "the NPU driver's library libascend_hal.so is not found",
        "mount /usr/local/Ascend/driver",
    ),
    "CUDA build": (
        "terminate called after throwing an instance of 'c10::ValueError'\n  what():  Duplicated key 'pinned_x' found",
        "torch 2.14.1+cu130 is a CUDA build, in which torch_npu 2.14.0 aborts the process",
        "CPU build of torch 2.14.1+cu130",
    ),
    "CUDA device": (
        "RuntimeError: Two accelerators cannot be used at the same time in PyTorch: npu and cuda. Some text.",
        "torch 2.14.1+cu130 is a CUDA build that sees a GPU",
        "reference bundle",
    ),
    "another torch": (
        "ImportError: /x/torch_npu/lib/libtorch_npu.so: undefined symbol: _ZN3c1017getDeviceAllocator",
        "libtorch_npu.so lacks _ZN3c1017getDeviceAllocator",
        "the same version as torch",
    ),
    "missing home": (
        "Exception: ASCEND_HOME_PATH : /nope does not exist. Please run 'source set_env.sh' in the CANN path.",
        "ASCEND_HOME_PATH names /nope, which does not exist",
        "set_env.sh",
    ),
    "no operators": (
        "Exception: ASCEND_OPP_PATH environment variable is not set. Please check whether the opp package is there.",
        "ASCEND_OPP_PATH is not set",
        "set_env.sh",
    ),
    "half a CANN": ("Exception: /usr/cann/runtime does not exist.", "CANN is only half installed: /usr/cann/runtime",
                    "whole CANN toolkit"),
    "unknown SoC": ("RuntimeError: Unsupported soc version: Ascend999X", "torch_npu 2.14.0 does not know the SoC "
                    "Ascend999X", "newer torch_npu"),
    "wrong index": ("NPU function error: c10_npu::SetDevice(d.index()), error code is 107001", "there is no such NPU",
                    "ASCEND_RT_VISIBLE_DEVICES"),
    "no device": ("NPU function error: aclrtGetDeviceCount(&device_count), error code is 100000", "no npu device",
                  "/dev/davinci*"),
    "busy": ("dcmi model initialized failed, because the device is used. ret is -8020", "(dcmi -8020)", "privilege"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOLD)
def test_a_known_text_becomes_one_line_with_the_fix(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npu_probe, "CANN_ROOTS", ())
    said, what, fix = TOLD[case]
    found = explain(f"Traceback\n  some line\n{said}\nframe #0\n", facts=FACTS, aborted="terminate" in said)
    assert what in found.what
    assert fix in found.fix
    assert "\n" not in str(found)
    assert "{" not in str(found)


def test_nothing_is_made_up_where_versions_are_not_known() -> None:
    assert explain(TOLD["no CANN"][0]).what == "torch_npu does not find CANN's library libhccl.so"


def test_an_unknown_text_is_told_by_its_last_line() -> None:
    assert meaning("something else") is None
    assert "torch_npu does not load (something else)" in explain("first\n\nsomething else\n\n").what
    assert "ends the process (it said nothing)" in explain("", aborted=True).what


def test_the_installed_cann_is_what_is_to_be_sourced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "set_env.sh").write_text("export ASCEND_HOME_PATH=…\n")
    monkeypatch.setattr(npu_probe, "CANN_ROOTS", (tmp_path / "not there", tmp_path))
    monkeypatch.setattr(npu_evidence, "cann_version", lambda: "8.5.0")
    assert explain(TOLD["no CANN"][0]).fix == f"run `source {tmp_path / 'set_env.sh'}` first (CANN 8.5.0)"


def interpreter(folder: Path, script: str) -> str:
    """Something in the place of Python: it is given the probe and does what the script says."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


GOOD = """echo; echo 'probe {"torch": "2.7.1"}'; echo 'Warning: something'; echo 'probe {"soc": "Ascend910B4"}'
echo 'probe {"product": "right"}'"""


def test_a_start_that_works_tells_its_facts(tmp_path: Path) -> None:
    found = probe(interpreter(tmp_path, GOOD))
    assert found.failure is None
    assert found.facts == {"torch": "2.7.1", "soc": "Ascend910B4", "product": "right"}


def test_an_abort_is_a_failure_like_any_other(tmp_path: Path) -> None:
    script = """echo 'probe {"torch": "2.14.1+cu130"}'; echo "what(): Duplicated key 'x'" >&2; kill -ABRT $$"""
    found = probe(interpreter(tmp_path, script))
    assert found.failure is not None
    assert found.failure.what.startswith("torch 2.14.1+cu130 is a CUDA build")


@pytest.mark.parametrize("script", ["exit 0", "head -c 300 /dev/urandom; exit 1", "exit 3"])
def test_silence_and_garbage_are_failures(tmp_path: Path, script: str) -> None:
    found = probe(interpreter(tmp_path, script))
    assert found.failure is not None
    assert found.facts == {}


def test_a_hang_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npu_probe, "_PROBE_LIMIT_S", 0.2)
    found = probe(interpreter(tmp_path, "exec sleep 30"))
    assert found.failure is not None
    assert "does not start within" in found.failure.what


def test_an_interpreter_that_is_none_is_a_failure(tmp_path: Path) -> None:
    found = probe(str(tmp_path / "python"))
    assert found.failure is not None
    assert "does not run" in found.failure.what


@pytest.mark.slow
def test_this_environment_has_no_torch_npu() -> None:
    found = probe(sys.executable)
    assert found.facts["torch"]
    assert found.failure is not None
    assert found.failure.what == "torch_npu is not installed"


def test_a_path_without_its_variable_is_given_the_one_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "RuntimeError: The path does not exist: /not/there"
    assert str(explain(said)).startswith("a variable of CANN names /not/there, which does not exist; ")
    monkeypatch.setenv("ASCEND_HOME_PATH", "/not/there")
    assert str(explain(said)).startswith("ASCEND_HOME_PATH names /not/there, which does not exist; ")
