"""Under which circumstances a number came to be: versions, hardware, settings, weights."""

from __future__ import annotations

import importlib.metadata
import os
import platform

import torch

from npu_eval.device.device import Device
from npu_eval.machine import limits as host_limits
from npu_eval.npu import environment as npu_environment
from npu_eval.npu import evidence as npu_evidence
from npu_eval.npu import smi as npu_smi
from npu_eval.records.provenance import BundleOrigin, CpuFallback, HostFacts, Provenance, WeightsFacts

PACKAGES = ("torch", "torch_npu", "torchvision", "timm", "transformers", "numpy", "pillow", "safetensors")
"""Packages whose version changes results, in the order in which reports name them."""

ENVIRONMENT = (
    *(name for name in npu_environment.DEFAULTS if not name.endswith(("_DIR", "_PATH"))),
    # the rest of the stack
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "KMP_AFFINITY",
    "LD_PRELOAD",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Variables that change results or speed; recorded when they are set. Of others only those that `npu.environment`
finds to look like one of torch_npu's and to be none: an environment holds secrets."""


def collect(
    *,
    requested_device: str,
    device: Device,
    reference_device: str | None,
    weights: WeightsFacts,
    reference_bundle: BundleOrigin | None = None,
    fallbacks: tuple[CpuFallback, ...] = (),
) -> Provenance:
    """The circumstances of the running experiment, read from the process itself."""
    recorded = (*ENVIRONMENT, *npu_environment.unknown_names(os.environ))
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
            limits=host_limits.limits(),
        ),
        versions=versions(),
        weights=weights,
        numeric_modes=device.numeric_modes(),
        environment={name: os.environ[name] for name in recorded if name in os.environ},
        image=os.environ.get("NPU_DELIVER_IMAGE", "none (run by hand)"),
        npu_smi=npu_smi.ask() if device.name.startswith("npu") else None,
        reference_bundle=reference_bundle,
        fallbacks=fallbacks,
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
