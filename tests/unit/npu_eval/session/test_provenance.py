from __future__ import annotations

import importlib.metadata
import os
import platform

import pytest
import torch

import samples
from npu_eval.device.device import open_device
from npu_eval.jsonio import from_json, to_json
from npu_eval.npu import evidence as npu_evidence
from npu_eval.records.provenance import Provenance
from npu_eval.session import provenance


def collect(reference: str | None = None) -> Provenance:
    return provenance.collect(
        requested_device="auto",
        device=open_device("cpu"),
        reference_device=reference,
        weights=samples.weights_facts(),
    )


def test_circumstances_are_read_from_the_process_and_can_be_stored() -> None:
    found = collect("cpu")
    assert found.requested_device == "auto"
    assert found.device == open_device("cpu").facts()
    assert found.reference_device == "cpu"
    assert found.host.torch_threads == torch.get_num_threads()
    assert 1 <= found.host.usable_cpus <= found.host.cpu_count
    assert found.host.machine == platform.machine()
    assert found.numeric_modes == open_device("cpu").numeric_modes()
    assert found.replayed_from is None
    assert from_json(Provenance, to_json(found)) == found


def test_the_threads_and_cpus_are_those_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    host = collect().host
    assert (host.usable_cpus, host.torch_threads) == (2, 7)


def test_an_environment_holds_secrets_so_only_known_variables_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in provenance.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TASK_QUEUE_ENABLE", "2")
    monkeypatch.setenv("ASCEND_SECRET", "hunter2")
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert collect().environment == {"OMP_NUM_THREADS": "", "TASK_QUEUE_ENABLE": "2"}
    assert "hunter2" not in str(collect())
    assert len(set(provenance.ENVIRONMENT)) == len(provenance.ENVIRONMENT)


def test_the_image_is_named_by_whoever_started_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPU_DELIVER_IMAGE", raising=False)
    assert collect().image == "none (run by hand)"
    monkeypatch.setenv("NPU_DELIVER_IMAGE", "sha256:abc")
    assert collect().image == "sha256:abc"


def test_versions_are_those_that_are_installed() -> None:
    found = provenance.versions()
    assert found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__
    assert found["numpy"] == importlib.metadata.version("numpy")
    assert all(type(v) is str and v for v in found.values())
    assert next(iter(found)) == "python"


def test_what_is_not_installed_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    assert set(provenance.versions()) <= {"python", "torch", "cann", "ascend-driver"}


def test_cann_and_its_driver_have_two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npu_evidence, "cann_version", lambda: "8.2.RC1")
    monkeypatch.setattr(npu_evidence, "driver_version", lambda: "25.0.rc1")
    found = provenance.versions()
    assert (found["cann"], found["ascend-driver"]) == ("8.2.RC1", "25.0.rc1")
    monkeypatch.setattr(npu_evidence, "cann_version", lambda: None)
    monkeypatch.setattr(npu_evidence, "driver_version", lambda: None)
    assert not {"cann", "ascend-driver"} & set(provenance.versions())
