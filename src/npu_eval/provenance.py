"""Under which circumstances a number came to be: versions, hardware, settings, weights."""

from __future__ import annotations

import importlib.metadata
import os
import platform

import torch

from npu_eval import npu_evidence
from npu_eval.device import Device
from npu_eval.records import HostFacts, Provenance, WeightsFacts

PACKAGES = ("torch", "torch_npu", "torchvision", "timm", "transformers", "numpy", "pillow", "safetensors")
"""Packages whose version changes results, in the order in which reports name them."""

ENVIRONMENT = (
    # torch_npu (its documentation's list of environment variables) and CANN
    "ACL_OP_COMPILER_CACHE_MODE", "ASCEND_LAUNCH_BLOCKING", "ASCEND_RT_VISIBLE_DEVICES", "ASCEND_VISIBLE_DEVICES",
    "ATB_MATMUL_SHUFFLE_K_ENABLE", "COMBINED_ENABLE", "CPU_AFFINITY_CONF", "HCCL_DETERMINISTIC", "INF_NAN_MODE_ENABLE",
    "INF_NAN_MODE_FORCE_DISABLE", "LCCL_DETERMINISTIC", "MULTI_STREAM_MEMORY_REUSE", "PER_STREAM_QUEUE",
    "PYTORCH_NO_NPU_MEMORY_CACHING", "PYTORCH_NPU_ALLOC_CONF", "STREAMS_PER_DEVICE", "TASK_QUEUE_ENABLE",
    "TORCHINDUCTOR_NPU_BACKEND", "TORCH_NPU_FALLBACK_CPU_DISABLE", "TORCH_NPU_LAZY_FUSION",
    "TORCH_NPU_LEGACY_IMPL_LIST", "TORCH_NPU_USE_COMPATIBLE_IMPL",
    # the rest of the stack
    "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "KMP_AFFINITY", "LD_PRELOAD", "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "PYTORCH_CUDA_ALLOC_CONF", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)  # fmt: skip
"""Variables that change results or speed; recorded when they are set. No others: an environment holds secrets."""


def collect(
    *, requested_device: str, device: Device, reference_device: str | None, weights: WeightsFacts
) -> Provenance:
    """The circumstances of the running experiment, read from the process itself."""
    return Provenance(
        requested_device=requested_device,
        device=device.facts(),
        reference_device=reference_device,
        host=HostFacts(
            system=f"{platform.system()} {platform.release()}",
            machine=platform.machine(),
            cpu_model=npu_evidence.cpu_model(),
            cpu_count=os.cpu_count() or 1,
            usable_cpus=len(os.sched_getaffinity(0)),
            torch_threads=torch.get_num_threads(),
            memory_bytes=npu_evidence.memory_bytes(),
        ),
        versions=versions(),
        weights=weights,
        numeric_modes=device.numeric_modes(),
        environment={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        image=os.environ.get("NPU_DELIVER_IMAGE", "none (run by hand)"),
    )


def versions() -> dict[str, str]:
    """Name → version of Python, of each installed package that matters, and of CANN and its driver where present."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["torch"] = str(torch.__version__)  # with its build; torch has a type of its own, equal by other rules
    others = {"cann": npu_evidence.cann_version(), "ascend-driver": npu_evidence.driver_version()}
    return found | {name: version for name, version in others.items() if version}
