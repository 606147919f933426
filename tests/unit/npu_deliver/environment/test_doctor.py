"""The doctor on machines of every kind, made of files and programs of the test: what it finds, and what it advises."""

import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from npu_deliver.environment import doctor, hardware
from npu_deliver.environment.choice import Containers
from npu_deliver.environment.doctor import State
from npu_deliver.environment.image import MARK
from npu_deliver.errors import EngineError
from npu_eval.machine import limits as host_limits
from npu_eval.npu import evidence as npu_evidence
from npu_eval.npu import probe as npu_probe
from npu_eval.npu import smi as npu_smi

LOCAL = Containers(engine="local")


@pytest.fixture(autouse=True)
def a_machine_without_anything(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "present", lambda: "cpu")
    monkeypatch.setattr(npu_smi, "find", lambda: None)
    monkeypatch.setattr(npu_evidence, "driver_version", lambda: None)
    monkeypatch.setattr(npu_evidence, "cann_version", lambda: None)
    monkeypatch.setattr(doctor, "_SET_ENV", ())
    monkeypatch.delenv("ASCEND_HOME_PATH", raising=False)


@pytest.fixture
def program(tmp_path):
    def write(name: str, output: str, code: int = 0) -> Path:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\nimport sys\nsys.stdout.write({output!r})\nsys.exit({code})\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


def python_with(program, **packages: str) -> Path:
    facts = {"python": "3.11.9", "machine": "aarch64", "packages": packages, "nodes": []}
    return program("python", f"somebody's .pth says this\n{MARK}{json.dumps(facts)}\n")


def checks(*found: doctor.Check) -> dict[str, doctor.Check]:
    return {check.name: check for check in found}


def test_with_nothing_installed_every_check_answers(tmp_path):
    found = list(doctor.examine(LOCAL, tmp_path / "no-python"))
    assert {check.name for check in found} >= {"engine", "disk", "device nodes", "npu-smi", "driver", "CANN", "Python"}
    assert all(check.fix for check in found if check.state in (State.FAULT, State.WARNING))


def test_a_plain_machine_has_no_fault(program):
    found = list(doctor.examine(LOCAL, python_with(program, torch="2.9.0")))
    assert [check.name for check in found if check.state is State.FAULT] == []


# --- engine ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "state"), [("auto", State.WARNING), ("docker", State.FAULT)])
def test_an_absent_engine_is_a_fault_only_when_it_was_asked_for(monkeypatch, asked, state):
    pytest.importorskip("docker")

    def absent():
        raise EngineError("no container engine answers", where="unix:///x.sock", fix="start Docker or Podman")

    monkeypatch.setattr("npu_deliver.environment.engine.container.described", absent)
    (check,) = doctor._engine(Containers(engine=asked))
    assert (check.state, check.fix) == (state, "start Docker or Podman")
    assert "unix:///x.sock" in check.what


def test_a_base_image_that_cannot_be_had_names_the_mirrors(monkeypatch):
    pytest.importorskip("docker")
    monkeypatch.setattr("npu_deliver.environment.engine.images.whereabouts", lambda name: None)
    check = doctor._base(Containers(), "x86_64")
    assert check.state is State.FAULT
    assert "python:3.11-slim-bookworm is neither here nor to be had" in check.what
    assert "ascendhub" in check.fix


def test_an_npu_image_needs_the_chip(monkeypatch):
    pytest.importorskip("docker")
    check = doctor._base(Containers(stack="npu"), "x86_64")
    assert check.state is State.FAULT
    assert "--soc" in check.fix


def test_an_image_without_cann_is_told_in_one_line(monkeypatch):
    pytest.importorskip("docker")
    said = "Traceback\nImportError: libhccl.so: cannot open shared object file: No such file or directory\n"
    monkeypatch.setattr("npu_deliver.environment.engine.images.ask", lambda digest, command: (1, said))
    check = doctor._image(("npu-deliver/npu:1", "sha256:1", "npu"))
    assert check.state is State.WARNING
    assert "does not find CANN's library libhccl.so" in check.what
    assert "base image that holds CANN" in check.fix


# --- npu-smi ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "code", "told"),
    [
        ("dcmi module initialize failed. ret is -8005\n", 1, "dcmi -8005: the device is busy"),
        ("dcmi: the device is used. ret is -8020\n", 1, "dcmi -8020: the device is in use"),
        ("\x00\xff garbage\n", 0, "names no card"),
        ("", 1, "names no card (it says nothing)"),
    ],
)  # fmt: skip
def test_what_npu_smi_says_instead_of_cards(monkeypatch, program, output, code, told):
    monkeypatch.setattr(npu_smi, "find", lambda: str(program("npu-smi", output, code)))
    (check,) = doctor._smi()
    assert check.state is State.FAULT
    assert told in check.what
    assert check.fix


def test_a_hanging_npu_smi_does_not_hang_the_doctor(monkeypatch, program):
    path = program("npu-smi", "")
    path.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(npu_smi, "find", lambda: str(path))
    monkeypatch.setattr(npu_smi, "_LIMIT_S", 0.5)
    (check,) = doctor._smi()
    assert "does not answer (TimeoutExpired)" in check.what


def test_a_card_that_somebody_holds_is_named(monkeypatch, program):
    table = ("| 0     910B4 | OK | 81.0 35 0 / 0 |\n| 0 | 0000:C1:00.0 | 0 0 / 0 2826 / 32768 |\n"
             "| 0       0 | 41233 | python3.11 | 1187 |\n")  # fmt: skip
    monkeypatch.setattr(npu_smi, "find", lambda: str(program("npu-smi", table)))
    found = checks(*doctor._smi())
    assert found["npu-smi"].what == "sees 910B4"
    assert "python3.11 (pid 41233, 1187 MB)" in found["other processes"].what


def test_an_npu_without_npu_smi_is_a_warning(monkeypatch):
    monkeypatch.setattr(hardware, "present", lambda: "npu")
    (check,) = doctor._smi()
    assert check.state is State.WARNING


# --- CANN and torch_npu ----------------------------------------------------------------------------------------------


def test_a_cann_that_is_not_sourced_is_a_fault_with_the_line_to_type(monkeypatch, tmp_path):
    script = tmp_path / "set_env.sh"
    script.write_text("")
    monkeypatch.setattr(doctor, "_SET_ENV", (str(script),))
    (check,) = doctor._cann()
    assert check.state is State.FAULT
    assert f"`source {script}`" in check.fix
    monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path))
    (check,) = doctor._cann()
    assert check.state is State.FINE


def test_versions_that_contradict_each_other_are_a_fault_with_the_evidence(monkeypatch, program):
    monkeypatch.setattr(npu_evidence, "cann_version", lambda: "8.0.RC2")
    monkeypatch.setattr(npu_probe, "probe", lambda python: npu_probe.Report(facts={}, failure=None))
    found = checks(*doctor._packages(python_with(program, torch="2.9.0", torch_npu="2.9.0")))
    assert found["versions"].state is State.FAULT
    assert "torch_npu 2.9.0" in found["versions"].fix
    monkeypatch.setattr(npu_evidence, "cann_version", lambda: "8.5.0")
    found = checks(*doctor._packages(python_with(program, torch="2.9.0", torch_npu="2.9.0")))
    assert found["versions"].state is State.FINE


def test_a_torch_npu_that_does_not_start_is_a_fault_with_its_reason(monkeypatch, program):
    failure = npu_probe.Failure(what="torch_npu does not find CANN's library libhccl.so", fix="source it")
    monkeypatch.setattr(npu_probe, "probe", lambda python: npu_probe.Report(facts={}, failure=failure))
    found = checks(*doctor._packages(python_with(program, torch="2.9.0", torch_npu="2.9.0")))
    assert found["torch_npu"].state is State.FAULT
    assert (failure.what in found["torch_npu"].what, found["torch_npu"].fix) == (True, "source it")


def test_an_npu_without_torch_npu_is_a_fault(monkeypatch, program):
    monkeypatch.setattr(hardware, "present", lambda: "npu")
    found = checks(*doctor._packages(python_with(program, torch="2.9.0")))
    assert found["torch_npu"].state is State.FAULT


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_quota_below_the_cpus_is_a_warning_with_a_number(monkeypatch):
    limits = replace(host_limits.limits(), cpu_limit=1.5)
    monkeypatch.setattr(host_limits, "limits", lambda: limits)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    check = next(iter(doctor._limits()))
    assert check.state is State.WARNING
    assert "OMP_NUM_THREADS=1" in check.fix


def test_little_shared_memory_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, "_shared_memory", lambda: 64 * 2**20)
    found = checks(*doctor._limits())
    assert "--shm-size" in found["shared memory"].fix


def test_little_disk_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "IMAGE_BYTES", 2**60)
    assert doctor._space(tmp_path).state is State.WARNING
