"""Under which circumstances something was found: devices, hosts, weights, the machine's load."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from npu_eval.machine.load import MachineState
from npu_eval.npu.evidence import NpuProof
from npu_eval.records.provenance import BundleOrigin, DeviceFacts, HostFacts, Provenance, WeightsFacts


def device_facts(**changes: Any) -> DeviceFacts:
    """A real Ascend 910B; ``cpu_facts`` and ``simulated_facts`` are the others."""
    facts = DeviceFacts(
        name="npu:0",
        kind="npu",
        description="Ascend910B4",
        evidence="real",
        memory_bytes=32 * 2**30,
        soc="Ascend910B4",
        proof=npu_proof(),
    )
    return replace(facts, **changes)


def npu_proof(**changes: Any) -> NpuProof:
    """Everything that shows a real NPU."""
    proof = NpuProof(
        device_nodes=("/dev/davinci0",),
        driver="25.0.rc1.1",
        library="aarch64-linux/lib64/libascendcl.so",
        marker=None,
        cann="8.5.0",
    )
    return replace(proof, **changes)


def cpu_facts() -> DeviceFacts:
    return DeviceFacts(name="cpu", kind="cpu", description="Kunpeng-920", evidence="real")


def simulated_facts() -> DeviceFacts:
    return device_facts(evidence="simulated", proof=npu_proof(device_nodes=(), driver=None, marker="a stand-in"))


def host_facts(**changes: Any) -> HostFacts:
    facts = HostFacts(
        system="Linux 5.10.0",
        machine="aarch64",
        cpu_model="Kunpeng-920",
        cpu_count=192,
        usable_cpus=24,
        torch_threads=24,
        memory_bytes=512 * 2**30,
    )
    return replace(facts, **changes)


def weights_facts(**changes: Any) -> WeightsFacts:
    facts = WeightsFacts(
        source="file:tiny.pth",
        random=False,
        file="tiny.pth",
        sha256="3e16" * 16,
        sha256_fixed_before=True,
        size_bytes=18_623_456,
        mapping="by_name",
        tensors=244,
        parameters=4_652_008,
        missing_keys=(),
        unexpected_keys=(),
    )
    return replace(facts, **changes)


def random_weights() -> WeightsFacts:
    return weights_facts(
        source="random",
        random=True,
        file=None,
        sha256=None,
        sha256_fixed_before=False,
        size_bytes=None,
        mapping="none",
    )


def provenance(**changes: Any) -> Provenance:
    found = Provenance(
        requested_device="npu:0",
        device=device_facts(),
        reference_device=None,
        host=host_facts(),
        versions={"python": "3.11.13", "torch": "2.7.1", "torch_npu": "2.7.1", "timm": "1.0.20", "cann": "8.3.RC1"},
        weights=weights_facts(),
        numeric_modes={"deterministic": "off", "hf32_conv": "on", "hf32_matmul": "off", "jit_compile": "off"},
        environment={"OMP_NUM_THREADS": "24", "TASK_QUEUE_ENABLE": "1"},
        image="sha256:" + "1a9e" * 16,
    )
    return replace(found, **changes)


def bundle_origin(**changes: Any) -> BundleOrigin:
    """A reference that was computed on a GPU machine, with other code."""
    gpu = DeviceFacts(name="cuda:0", kind="cuda", description="NVIDIA A100-SXM4-40GB", evidence="real")
    found = BundleOrigin(
        sha256="b0d1" * 16,
        made_at="2025-05-30T09:12:00+00:00",
        spec_sha256="5bec" * 16,
        code_sha256="0dec" * 16,
        state_sha256="57a7" * 16,
        device=gpu,
        host=host_facts(cpu_model="AMD EPYC 7742", machine="x86_64"),
        versions={"python": "3.10.4", "torch": "2.6.0+cu124"},
        numeric_modes={"tf32_conv": "off", "tf32_matmul": "off"},
        environment={},
        image="none (run by hand)",
    )
    return replace(found, **changes)


def machine_state(**changes: Any) -> MachineState:
    """A machine at rest."""
    state = MachineState(
        when="before",
        watched_s=1.0,
        cpus=192,
        foreign_cpus=0.75,
        load_1min=1.5,
        cpu_quota=None,
        throttled_s=0.0,
        others_memory_bytes=310 * 2**20,
    )
    return replace(state, **changes)
