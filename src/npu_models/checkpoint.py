"""Checkpoints of the original projects, unwrapped to the one flat dictionary that ``load_state_dict`` takes.

    detectron2, AdelaiDet   {"model": …} with numpy arrays or tensors
    mmdet                   {"meta": …, "state_dict": …}
    WXinlong/SOLO           the same with older names
    a bare dictionary of tensors, or a module's state_dict

Files are opened with ``weights_only=True``: a checkpoint from the net must not run code here.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from npu_models.errors import CheckpointError

_WRAPPERS = ("state_dict", "model")  # the keys under which mmdet and detectron2 keep the weights
_RENAMED_PREFIXES = {
    # WXinlong/SOLO, before mmdet took SOLOv2 over
    "bbox_head.cate_convs.": "mask_head.cls_convs.",
    "bbox_head.kernel_convs.": "mask_head.kernel_convs.",
    "bbox_head.solo_cate.": "mask_head.conv_cls.",
    "bbox_head.solo_kernel.": "mask_head.conv_kernel.",
    "mask_feat_head.conv_pred.0.": "mask_head.mask_feature_head.conv_pred.",
    "mask_feat_head.": "mask_head.mask_feature_head.",
    # FCOS in mmdet before version 2, whose state dicts carry no version
    "bbox_head.fcos_cls.": "bbox_head.conv_cls.",
    "bbox_head.fcos_reg.": "bbox_head.conv_reg.",
    "bbox_head.fcos_centerness.": "bbox_head.conv_centerness.",
}
_CONVERT = (
    "if you trust where it comes from, convert it once: "
    "ckpt = torch.load(path, weights_only=False, map_location='cpu'); "
    "weights = ckpt.get('state_dict', ckpt.get('model', ckpt)); "
    "torch.save({k: torch.as_tensor(v) for k, v in weights.items()}, new_path)"
)


def load_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The weights in a file, by the names this package gives them, on the CPU.

    Raises `CheckpointError` for a file that is absent, truncated or no checkpoint, one that needs more than tensors to
    unpickle (the message says how to convert it), and one with NaN or infinite values.
    """
    content = _read(Path(path))
    weights = unwrapped(content, str(path))
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{path}: {name} holds NaN or infinite values; the file is damaged, get it again")
    return weights


def unwrapped(content: object, where: str = "checkpoint") -> dict[str, Tensor]:
    """The weights inside an unpickled checkpoint, renamed where an older project named them otherwise."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{where}: holds a {type(content).__name__}, not a dictionary of weights")
    weights = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{where}: entry {name!r} is a {type(value).__name__}, not a tensor; "
                f"expected a dictionary of tensors, bare or under one of: {', '.join(_WRAPPERS)}"
            )
        weights[_renamed(name)] = value
    if not weights:
        raise CheckpointError(f"{where}: holds no weights")
    return weights


def _renamed(name: str) -> str:
    name = name.removeprefix("module.")  # DistributedDataParallel's
    for old, new in _RENAMED_PREFIXES.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def _read(path: Path) -> object:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" in str(error) and "GLOBAL" in str(error).upper():
            raise CheckpointError(f"{path}: holds pickled objects besides tensors; {_CONVERT}") from error
        raise CheckpointError(f"{path}: not a PyTorch checkpoint, or truncated; get it again") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: not a PyTorch checkpoint, or truncated; get it again") from error
