"""A classifier on labelled images: how often the label is its best class, or among its five best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from npu_eval.errors import AdapterError
from npu_eval.experiments.dataset import labelled_folder
from npu_eval.experiments.dataset.bootstrap import Array, paired_differences
from npu_eval.experiments.dataset.data import ClassCounts, Comparison, DatasetData, Unusable
from npu_eval.experiments.dataset.image_run import (
    Item,
    Task,
    check_other,
    key_of,
    refuse_nothing_read,
    run_images,
    through_forward,
)
from npu_eval.experiments.dataset.labelled_folder import LabelledSet
from npu_eval.experiments.dataset.result_stream import ResultStream, read_results
from npu_eval.jsonio import file_sha256
from npu_eval.models.adapter import SupportsClassification

BEST = 5


def evaluate(task: Task) -> DatasetData:
    """Classify every image that has no line yet, then count.

    Raises:
        ConfigError: the data set is laid out otherwise.
        AdapterError: the adapter raised or broke its contract.
    """
    context, adapter = task.context, task.context.adapter
    assert isinstance(adapter, SupportsClassification)
    data = labelled_folder.read(task.data, adapter.class_names, limit=task.limit)
    other = None if task.against is None else check_other(task.against, data.image_set)
    items = [Item(image=image.file, photo=data.folder / image.file) for image in data.images]
    model = context.model(context.spec.candidate, context.device.name)
    with ResultStream(task.results, key_of(context, data.image_set)) as results:
        resumed = results.done
        run_images(
            context,
            items,
            results,
            look=through_forward(
                context, model, lambda outputs, photo, size: _best(outputs, adapter, context.spec.adapter)
            ),
            encode=lambda best: {"best": best},
        )
    unreadable = tuple(
        Unusable(name=line["image"], why=line["unreadable"])
        for line in read_results(task.results)
        if "unreadable" in line
    )
    refuse_nothing_read(unreadable, len(items), task.data)
    right = {k: _right(task.results, data, k) for k in (1, BEST)}
    comparisons = () if other is None else _compare(task, data, right, other)
    return DatasetData(
        image_set=data.image_set,
        unreadable=unreadable,
        broken_annotations=(),
        missing_categories=(),
        missing_objects=0,
        unused_classes=(),
        detections=0,
        dropped_detections=0,
        images_without_detections=0,
        resumed_images=resumed,
        results=task.named(task.results),
        results_sha256=file_sha256(task.results),
        detection=(),
        classification=ClassCounts(
            classes=len(adapter.class_names), top1=int(right[1].sum()), top5=int(right[BEST].sum())
        ),
        comparisons=comparisons,
    )


def _best(outputs: dict[str, torch.Tensor], adapter: SupportsClassification, culprit: str) -> list[int]:
    """The five best classes; a stable sort, so that equal values keep the order of the classes."""
    name = adapter.class_output
    if name not in outputs or outputs[name].dim() != 2 or outputs[name].shape[1] != len(adapter.class_names):
        raise AdapterError(
            f"class_output '{name}' is no output of shape (1, {len(adapter.class_names)})", where=culprit
        )
    values, classes = outputs[name][0].double().cpu().sort(descending=True, stable=True)
    found: list[int] = classes[torch.isfinite(values)][:BEST].tolist()
    return found


def _right(results: Path, data: LabelledSet, k: int) -> Array:
    """1 for each image whose label is among the k best classes, in the set's order; 0 where it is not or unreadable."""
    labels: Mapping[Any, int] = {image.file: image.label for image in data.images}
    lines = list(read_results(results))
    return np.array([float(labels[line["image"]] in line.get("best", [])[:k]) for line in lines])


def _compare(task: Task, data: LabelledSet, right: Mapping[int, Array], other: str) -> tuple[Comparison, ...]:
    """The paired bootstrap of both accuracies against the results of another run."""
    assert task.against is not None
    seed, sha256, images = task.context.spec.seed, file_sha256(task.against), len(data.images)
    comparisons = []
    for k, own in right.items():
        theirs = _right(task.against, data, k)
        differences = paired_differences(
            lambda weights, found=own: float(weights @ found) / images,  # type: ignore[misc]  # bound now, not later
            lambda weights, found=theirs: float(weights @ found) / images,  # type: ignore[misc]
            images,
            seed=seed,
        )
        comparisons.append(
            Comparison(
                metric=f"top{k}_accuracy",
                other=other,
                other_sha256=sha256,
                seed=seed,
                value=float(own.mean()),
                other_value=float(theirs.mean()),
                differences=differences,
            )
        )
    return tuple(comparisons)
