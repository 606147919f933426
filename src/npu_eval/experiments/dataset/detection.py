"""A detector on a data set with boxes or masks: COCO's AP, and the difference to another run with its interval."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from npu_eval.errors import AdapterError, ConfigError
from npu_eval.experiments.dataset import coco_layout, coco_metric, mask_codes
from npu_eval.experiments.dataset.bootstrap import paired_differences, weighted_ap
from npu_eval.experiments.dataset.coco_layout import CocoSet, Truth
from npu_eval.experiments.dataset.coco_repair import REPAIRS
from npu_eval.experiments.dataset.data import (
    COCO_STATS,
    Comparison,
    DatasetData,
    DetectionScores,
    DirectRun,
    Unusable,
)
from npu_eval.experiments.dataset.direct import CLASSES_AT_ONCE, DirectLook
from npu_eval.experiments.dataset.image_run import (
    Item,
    Look,
    Task,
    check_other,
    first_readable,
    key_of,
    refuse_nothing_read,
    run_images,
    through_forward,
)
from npu_eval.experiments.dataset.result_stream import ResultStream, read_results
from npu_eval.jsonio import TEMPORARY_PREFIX, file_sha256
from npu_eval.models.adapter import (
    SupportsDetection,
    SupportsDirectDetection,
    checked_detections,
    checked_detector,
)
from npu_eval.models.protocols import DEFAULT_PROTOCOL, protocol_named

CROSS_CHECK_UP_TO = 500
"""Images up to which pycocotools is asked too: it then takes seconds."""

METRICS = {"bbox": "box_ap", "segm": "mask_ap"}


@dataclass(frozen=True)
class _Found:
    """The detections of one image on the CPU; masks as (K, W, H) uint8 or by the ends of their runs."""

    size: tuple[int, int]
    boxes: torch.Tensor
    scores: torch.Tensor
    classes: torch.Tensor
    masks: torch.Tensor | list[mask_codes.Ends] | None


@dataclass
class _Tally:
    """What is counted while the lines of the results go by."""

    unreadable: list[Unusable] = field(default_factory=list)
    categories: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    without: int = 0
    masks: bool = False


def evaluate(task: Task) -> DatasetData:
    """Detect on every image that has no line yet, then evaluate all lines.

    Raises:
        ConfigError: the data set is laid out otherwise, or its categories are none of the model's.
        AdapterError: the adapter raised or broke its contract.
    """
    context, adapter = task.context, task.context.adapter
    assert isinstance(adapter, SupportsDetection)
    data = coco_layout.read(task.data, limit=task.limit, annotations=task.annotations)
    names = tuple(adapter.class_names)
    ids = coco_layout.match_categories(data.categories, names, data.image_set.annotations)
    other = None if task.against is None else check_other(task.against, data.image_set, task.protocol)
    items = [Item(image=i.id, photo=data.folder / i.file, size=(i.height, i.width)) for i in data.images]
    matched = {number for number in ids if number is not None}
    missing = sum(entry["category_id"] not in matched for entry in data.annotations)
    task.results.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=task.results.parent) as folder:
        work = Path(folder)
        truth, broken = coco_layout.prepare(data, matched, work)
        _refuse_nothing_to_find(truth, data)
        data = replace(data, annotations=())  # they are in files now, and memory is for the model
        look, direct = _look(task, items)
        with ResultStream(task.results, key_of(context, data.image_set, direct())) as results:
            resumed = results.done
            run_images(context, items, results, look=look, encode=lambda found: _encode(found, ids))
        context.say(f"[dataset] evaluating the detections on {len(items)} images")
        tally = _Tally()
        scores, evaluations = _scores(task, data, truth, task.results, work, tally)
        refuse_nothing_read(tally.unreadable, len(items), task.data)
        comparisons = () if other is None else _compare(task, data, truth, work, scores, evaluations, other)
    return DatasetData(
        image_set=data.image_set,
        unreadable=tuple(tally.unreadable),
        broken_annotations=broken,
        missing_categories=tuple(name for name, number in data.categories.items() if number not in matched),
        missing_objects=missing,
        unused_classes=tuple(name for name, number in zip(names, ids, strict=True) if number is None),
        detections=tally.categories.total(),
        dropped_detections=tally.dropped,
        images_without_detections=tally.without,
        resumed_images=resumed,
        results=task.named(task.results),
        results_sha256=file_sha256(task.results),
        detection=scores,
        classification=None,
        comparisons=comparisons,
        repairs=data.repairs,
        direct=direct(),
    )


def _refuse_nothing_to_find(truth: Truth, data: CocoSet) -> None:
    """Refuse a set without an object: its AP is undefined, whatever the model finds.

    Raises:
        ConfigError: there is none, with how the annotations were lost.
    """
    if truth.objects["bbox"].total():
        return
    lost = ", ".join(f"{repair.count} {REPAIRS[repair.kind]}" for repair in data.repairs)
    what = f"no object to find on the {len(data.images)} images: AP is undefined{f' ({lost})' if lost else ''}"
    raise ConfigError(what, where=data.image_set.annotations, fix="use annotations that belong to the images")


def _look(task: Task, items: Sequence[Item]) -> tuple[Look[_Found], Callable[[], DirectRun | None]]:
    """How the model looks at a photo, and how it does so now: without raw outputs where the adapter can."""
    context, adapter = task.context, task.context.adapter
    model = context.model(context.spec.candidate, context.device.name)
    if not isinstance(adapter, SupportsDirectDetection):
        return through_forward(context, model, lambda *seen: _take(task, *seen)), lambda: None
    protocol = protocol_named(task.protocol or DEFAULT_PROTOCOL)
    detector = checked_detector(adapter, model, protocol, context.spec.adapter)
    direct = DirectLook(detector, context.say, min(CLASSES_AT_ONCE, len(adapter.class_names)))
    if context.device.facts().memory_bytes is not None and (first := first_readable(context, items)) is not None:
        direct(*first)  # before a line is written, so that what goes through at once stays the same in all of them

    def look(batch: torch.Tensor, photo: Path, size: tuple[int, int]) -> _Found:
        found = direct(batch, size)
        return _Found(size=size, boxes=found.boxes, scores=found.scores, classes=found.classes, masks=found.masks)

    return look, lambda: DirectRun(protocol=protocol, classes_at_once=direct.classes_at_once)


def _take(task: Task, outputs: dict[str, torch.Tensor], photo: Path, size: tuple[int, int]) -> _Found:
    """The detections of one image, with masks on the grid of the photo."""
    adapter = task.context.adapter
    assert isinstance(adapter, SupportsDetection)
    on_cpu = {name: tensor.cpu() for name, tensor in outputs.items()}
    (found,) = checked_detections(adapter, on_cpu, [photo], task.context.spec.adapter)
    return _Found(
        size=size,
        boxes=found.boxes.double(),
        scores=found.scores.double(),
        classes=found.classes,
        masks=None if found.masks is None else mask_codes.by_columns(found.masks, size),
    )


def _encode(found: _Found, ids: list[int | None]) -> Mapping[str, Any]:
    """The line of one image; detections of classes that the annotations do not have are dropped and counted."""
    classes = found.classes.tolist()
    kept = [i for i, number in enumerate(classes) if ids[number] is not None]
    corners = found.boxes[kept]
    line: dict[str, Any] = {
        "size": list(found.size),
        "categories": [ids[classes[i]] for i in kept],
        "scores": found.scores[kept].tolist(),
        "boxes": torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1).tolist(),
        "dropped": len(classes) - len(kept),
    }
    if found.masks is not None:
        line["masks"] = [code["counts"] for code in _codes(found.masks, kept, found.size)]
    return line


def _codes(masks: torch.Tensor | list[mask_codes.Ends], kept: list[int], size: tuple[int, int]) -> list[dict[str, Any]]:
    if isinstance(masks, torch.Tensor):
        return mask_codes.encode(masks[kept])
    return mask_codes.of_ends([masks[i] for i in kept], size)


def _scores(
    task: Task, data: CocoSet, truth: Truth, results: Path, work: Path, tally: _Tally
) -> tuple[tuple[DetectionScores, ...], dict[str, Any]]:
    names = {image.id: image.file for image in data.images}

    def counted() -> Iterator[Mapping[str, Any]]:
        for line in read_results(results):
            found = line.get("categories", [])
            tally.categories.update(found)
            tally.dropped += line.get("dropped", 0)
            tally.without += not found
            if "unreadable" in line:
                tally.unreadable.append(Unusable(name=names[line["image"]], why=line["unreadable"]))
            yield line

    masks = any("masks" in line for line in read_results(results))
    files = coco_metric.write_results(counted(), work, masks=masks)
    check = task.cross_check or len(data.images) <= CROSS_CHECK_UP_TO
    return coco_metric.evaluate(truth, files, cross_check=check, found=tally.categories, keep=task.against is not None)


def _compare(
    task: Task,
    data: CocoSet,
    truth: Truth,
    work: Path,
    scores: tuple[DetectionScores, ...],
    evaluations: Mapping[str, Any],
    other: str,
) -> tuple[Comparison, ...]:
    """The paired bootstrap of AP against the results of another run."""
    assert task.against is not None
    task.context.say(f"[dataset] comparing with {other}")
    theirs, their_evaluations = _scores(task, data, truth, task.against, work, _Tally())
    places = {image.id: place for place, image in enumerate(data.images)}
    seed, sha256 = task.context.spec.seed, file_sha256(task.against)
    comparisons = []
    for own, their in ((o, t) for o in scores for t in theirs if o.iou_type == t.iou_type):
        first, second = (
            coco_metric.matches_of(found[own.iou_type], places) for found in (evaluations, their_evaluations)
        )
        differences = paired_differences(
            lambda weights, found=first: weighted_ap(found, weights),  # type: ignore[misc]  # bound now, not later
            lambda weights, found=second: weighted_ap(found, weights),  # type: ignore[misc]
            len(places),
            seed=seed,
        )
        place = COCO_STATS.index("ap")
        comparisons.append(
            Comparison(
                metric=METRICS[own.iou_type],
                other=other,
                other_sha256=sha256,
                seed=seed,
                value=own.official.stats[place],
                other_value=their.official.stats[place],
                differences=differences,
            )
        )
    if not comparisons:
        raise AdapterError("the other run has neither boxes nor masks to compare", where=str(task.against))
    return tuple(comparisons)
