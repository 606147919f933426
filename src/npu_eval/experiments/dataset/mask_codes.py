"""Masks as COCO's run lengths, a whole image's at once. The only importer of pycocotools' mask functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask

Ends = np.ndarray[Any, np.dtype[np.int64]]


def by_columns(masks: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(K, h, w) masks as (K, W, H) uint8 at a photo's (H, W): run lengths count down the columns.

    A coarser grid is enlarged to the nearest cell.
    """
    turned = masks.transpose(1, 2).to(torch.uint8)
    if tuple(masks.shape[1:]) != size:
        turned = torch.nn.functional.interpolate(turned[None], size=size[::-1], mode="nearest")[0]
    return turned.contiguous()


def encode(columns: torch.Tensor) -> list[dict[str, Any]]:
    """The run lengths of (K, W, H) masks on the CPU, as ``{"size": [H, W], "counts": text}``."""
    if not len(columns):
        return []
    codes = coco_mask.encode(columns.numpy().transpose(2, 1, 0))  # (H, W, K), first index fastest: no copy
    return [{"size": [int(n) for n in code["size"]], "counts": code["counts"].decode("ascii")} for code in codes]


def run_ends(columns: torch.Tensor) -> list[Ends]:
    """Where the runs of (K, W, H) masks end, counted down the columns, on whatever device the masks are.

    The first run is of background and may be empty; the end of the last is left out. These places alone leave the
    device: some hundreds for a mask of a million pixels.
    """
    flat = torch.nn.functional.pad(columns.flatten(1), (1, 0))
    rows, places = (flat[:, 1:] != flat[:, :-1]).nonzero(as_tuple=True)
    counts = torch.bincount(rows.cpu(), minlength=len(columns)).tolist()
    return [ends.numpy() for ends in places.cpu().split(counts)] if len(columns) else []


def of_ends(masks: Sequence[Ends], size: tuple[int, int]) -> list[dict[str, Any]]:
    """What `encode` gives for the masks of a photo of (height, width) whose runs end there."""
    if not masks:
        return []
    height, width = size
    runs = [np.diff(ends, prepend=0, append=height * width).tolist() for ends in masks]
    codes = coco_mask.frPyObjects([{"size": [height, width], "counts": run} for run in runs], height, width)
    return [{"size": [height, width], "counts": code["counts"].decode("ascii")} for code in codes]


def boxes(codes: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """The x, y, width, height around each mask, read off its run lengths; zeros for an empty one."""
    found: list[list[float]] = coco_mask.toBbox(list(codes)).tolist() if codes else []
    return found


def area(code: Mapping[str, Any]) -> float:
    """The pixels of a mask."""
    return float(coco_mask.area(code))


def code_of(segmentation: object, height: int, width: int) -> dict[str, Any] | str:
    """The run lengths of an annotation's segmentation, or what is wrong with it.

    Polygons with fewer than three corners are passed over, as they enclose nothing; so a single broken ring does not
    cost the object.
    """
    if isinstance(segmentation, dict):
        return _run_lengths(segmentation, height, width)
    if not isinstance(segmentation, list) or not segmentation:
        return "it has no polygon"
    rings = [ring for ring in segmentation if _is_ring(ring)]
    if not rings:
        return "none of its polygons has three corners"
    merged: dict[str, Any] = coco_mask.merge(coco_mask.frPyObjects(rings, height, width))
    return merged


def _is_ring(ring: object) -> bool:
    if not isinstance(ring, list) or len(ring) < 6 or len(ring) % 2:
        return False
    return all(type(v) in (int, float) for v in ring) and bool(np.isfinite(ring).all())


def _run_lengths(segmentation: Mapping[str, Any], height: int, width: int) -> dict[str, Any] | str:
    if segmentation.get("size") != [height, width]:
        return f"its mask is of size {segmentation.get('size')}, the image of {[height, width]}"
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        return {"size": [height, width], "counts": counts.encode("ascii", "replace")}
    if not isinstance(counts, list) or not all(type(n) is int and n >= 0 for n in counts):
        return "its run lengths are no list of counts"
    if sum(counts) != height * width:
        return f"its run lengths cover {sum(counts)} of {height * width} pixels"
    compressed: dict[str, Any] = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return compressed
