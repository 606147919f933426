"""Run a model over the images of a data set, one line of results each, in order, to the disk as they come.

One image at a time: then no result depends on its neighbours, and a run that was cut short goes on to the same bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from npu_eval.errors import AdapterError, ConfigError, RecordError
from npu_eval.experiments.dataset.data import DirectRun, ImageSet, Unusable
from npu_eval.experiments.dataset.overlap import overlapped
from npu_eval.experiments.dataset.result_stream import ResultStream, read_key, read_results
from npu_eval.limits import MAX_FILE_BYTES
from npu_eval.models.adapter import checked_forward, checked_preprocess
from npu_eval.models.photos import open_upright, upright_size
from npu_eval.records import codehash
from npu_eval.session.script import Context, dtype_of

AHEAD = 4
"""Images that are decoded, and results that are encoded, ahead of and behind the device: bounds the memory."""

PROBED = 200
"""Images after which it is foretold how long a file of results will be."""

F = TypeVar("F")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is evaluated on which data set. ``results`` is the file of the lines, which may hold some already.
    ``protocol`` names what counts as a detection; None: as the adapter has it."""

    context: Context
    data: Path
    annotations: Path | None
    limit: int | None
    cross_check: bool
    against: Path | None
    results: Path
    protocol: str | None = None

    def named(self, path: Path) -> str:
        """A path relative to the deliverable; of one outside of it the name alone."""
        root, resolved = self.context.root.resolve(), path.resolve()
        return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else path.name


@dataclass(frozen=True, kw_only=True)
class Item:
    """An image of the set: how a result names it, its file, and its (height, width) where the annotations say it."""

    image: int | str
    photo: Path
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Ready:
    item: Item
    size: tuple[int, int]
    batch: torch.Tensor


@dataclass(frozen=True)
class _Unreadable:
    item: Item
    why: str


Look = Callable[[torch.Tensor, Path, tuple[int, int]], F]
"""A photo as a batch of one on the device, its file, its (height, width) → what of the model's answer is kept."""


def through_forward(
    context: Context, model: nn.Module, take: Callable[[dict[str, torch.Tensor], Path, tuple[int, int]], F]
) -> Look[F]:
    """A look by the adapter's `forward`; ``take`` gets its outputs, the photo and its (height, width)."""
    return lambda batch, photo, size: take(
        checked_forward(context.adapter, model, batch, context.spec.adapter), photo, size
    )


def run_images(
    context: Context,
    items: Sequence[Item],
    results: ResultStream,
    *,
    look: Look[F],
    encode: Callable[[F], Mapping[str, Any]],
) -> None:
    """Write a line for each item that has none yet.

    Args:
        look: what the model makes of a photo; runs where the device is driven.
        encode: that → the line's keys; runs in a thread of its own.

    Raises:
        AdapterError: the adapter raised on an image that can be read.
        ConfigError: the results are, or will be by far, longer than a file of a deliverable may be.
    """
    progress = _Progress(context.say, len(items), results.done)

    def prepare(item: Item) -> _Ready | _Unreadable:
        return _prepare(context, item)

    def work(found: _Ready | _Unreadable) -> tuple[Item, F | str]:
        if isinstance(found, _Unreadable):
            return found.item, found.why
        return found.item, look(_on_device(context, found), found.item.photo, found.size)

    def finish(found: tuple[Item, F | str]) -> dict[str, Any]:
        item, result = found
        return {"image": item.image, **({"unreadable": result} if isinstance(result, str) else encode(result))}

    lines = overlapped(items[results.done :], prepare=prepare, work=work, finish=finish, ahead=AHEAD)
    for done, line in enumerate(lines, start=results.done + 1):
        results.append(line)
        progress.count(unreadable="unreadable" in line)
        _refuse_too_long(results.size, done, len(items))


def first_readable(context: Context, items: Sequence[Item]) -> tuple[torch.Tensor, tuple[int, int]] | None:
    """The first photo that can be read, as a batch of one on the device, and its (height, width); None without one.

    Raises:
        AdapterError: the adapter raised on an image that can be read.
    """
    for item in items:
        if isinstance(found := _prepare(context, item), _Ready):
            return _on_device(context, found), found.size
    return None


def _on_device(context: Context, found: _Ready) -> torch.Tensor:
    return found.batch.to(context.device.name, dtype_of(context.spec.candidate))


def _refuse_too_long(size: int, done: int, images: int) -> None:
    foretold = size * images // done
    if size > MAX_FILE_BYTES or (done == PROBED and foretold > 2 * MAX_FILE_BYTES):
        what = f"the results of {images} images take about {foretold / 2**30:.1f} GiB"
        most = f"a file of a deliverable may have {MAX_FILE_BYTES / 2**30:.1f}"
        raise ConfigError(f"{what}; {most}", where="dataset", fix="take fewer images with --limit (LIMIT=…)")


def refuse_nothing_read(unreadable: Sequence[Unusable], images: int, folder: Path) -> None:
    """Refuse a run in which no image could be read: its result would be a number about nothing.

    Raises:
        ConfigError: with the first image and why.
    """
    if images and len(unreadable) >= images:
        first = unreadable[0]
        raise ConfigError(
            f"none of the {images} images could be read; {first.name}: {first.why}",
            where=str(folder),
            fix="check the images of the data set",
        )


def key_of(context: Context, image_set: ImageSet, direct: DirectRun | None = None) -> dict[str, Any]:
    """What results belong to: nothing but the same of all of these is gone on with."""
    facts = context.device.facts()
    made = {} if direct is None else {"protocol": direct.protocol.name, "classes_at_once": direct.classes_at_once}
    return {
        "name": context.spec.name,
        "spec_sha256": context.spec.sha256,
        "code_sha256": codehash.code_sha256(context.root),
        "weights_sha256": context.weights.sha256,
        "device": f"{facts.name} ({facts.description})",
        "environment": os.environ.get("NPU_DELIVER_IMAGE", ""),
        "layout": image_set.layout,
        "image_set_sha256": image_set.sha256,
        "annotations_sha256": image_set.annotations_sha256,
        "images": image_set.images,
        **made,
    }


def check_other(path: Path, image_set: ImageSet, protocol: str | None = None) -> str:
    """The name of the run whose results a file holds, after checking that they are of the same images.

    Raises:
        ConfigError: they are of others or under another protocol, or it is no file of results.
    """
    try:
        key = read_key(path)
    except RecordError as error:
        raise ConfigError(error.what, where=error.where, fix="name the dataset.jsonl of another run") from error
    if key.get("image_set_sha256") != image_set.sha256 or key.get("annotations_sha256") != image_set.annotations_sha256:
        what = f"holds results on {key.get('images')} other images or annotations"
        raise ConfigError(what, where=str(path), fix="run both on the same data set with the same --limit")
    if protocol is not None and key.get("protocol", protocol) != protocol:
        what = f"its detections are those of the protocol {key['protocol']}, not {protocol}"
        raise ConfigError(what, where=str(path), fix="run both under the same (--protocol)")
    if (lines := sum(1 for _ in read_results(path))) != image_set.images:
        what = f"holds results of {lines} of {image_set.images} images"
        raise ConfigError(what, where=str(path), fix="let the other run end first")
    return f"{key.get('name')} on {key.get('device')}"


def _prepare(context: Context, item: Item) -> _Ready | _Unreadable:
    try:
        size = upright_size(item.photo)
    except OSError as error:
        return _Unreadable(item, _why(error))
    if item.size is not None and size != item.size:
        (height, width), (wanted_height, wanted_width) = size, item.size
        return _Unreadable(item, f"is {width}x{height}, the annotations say {wanted_width}x{wanted_height}")
    try:
        return _Ready(item, size, checked_preprocess(context.adapter, [item.photo], context.spec.adapter))
    except AdapterError as error:
        if isinstance(error.__cause__, OSError):
            return _Unreadable(item, _why(error.__cause__))
        if (why := _undecodable(item.photo)) is not None:  # a decoder that gives None instead of raising
            return _Unreadable(item, why)
        raise


def _undecodable(photo: Path) -> str | None:
    try:
        open_upright(photo)
    except OSError as error:
        return _why(error)
    return None


def _why(error: BaseException) -> str:
    """The reason without this machine's paths."""
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if "cannot identify image file" in str(error):
        return "is no image"
    return " ".join(str(getattr(error, "strerror", None) or error).split())


class _Progress:
    """Says how far the run is, every few seconds."""

    def __init__(self, say: Callable[[str], None], total: int, done: int) -> None:
        self._say, self._total, self._done, self._unreadable = say, total, done, 0
        self._first, self._started, self._last = done, time.monotonic(), 0.0
        if done:
            say(f"[dataset] {done} of {total} images are there from a run that was cut short")

    def count(self, *, unreadable: bool) -> None:
        self._done += 1
        self._unreadable += unreadable
        now = time.monotonic()
        if now - self._last >= 2.0 or self._done == self._total:
            self._last = now
            rate = (self._done - self._first) / max(now - self._started, 1e-9)
            bad = f", {self._unreadable} unreadable" if self._unreadable else ""
            self._say(f"[dataset] {self._done}/{self._total} images{bad}, {rate:.1f} /s")
