"""Networks in plain PyTorch whose parameter names are those of the original checkpoints.

model = npu_models.build("fcos/r50_caffe_fpn_gn-head_1x")
model.load_state_dict(npu_models.load_checkpoint("fcos.pth"), strict=True)
detections = model.eval().optimise().detect([image])
"""

from __future__ import annotations

from npu_models.checkpoint import load_checkpoint
from npu_models.detections import Batch, Detections, Target
from npu_models.errors import CheckpointError, UnknownModelError
from npu_models.network import Network
from npu_models.registry import build, known_models

__all__ = [
    "Batch",
    "CheckpointError",
    "Detections",
    "Network",
    "Target",
    "UnknownModelError",
    "build",
    "known_models",
    "load_checkpoint",
]
