"""COCO's box and mask AP, by a fast evaluator and, where asked for, by pycocotools as the cross-check.

hotcoco first, which gives pycocotools' numbers to the last bit in about a hundredth of its time; faster-coco-eval next,
which was seen to round one of 24 numbers otherwise, by 1e-16. Where neither is installed pycocotools alone decides. The
evaluators read files, so the detections are never all Python objects at once. `benchmarks/dataset_metric.py` measures.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npu_eval.errors import ConfigError
from npu_eval.experiments.dataset.bootstrap import Matches
from npu_eval.experiments.dataset.coco_layout import Truth
from npu_eval.experiments.dataset.data import COCO_STATS, UNDEFINED, CategoryScore, DetectionScores, EvaluatorRun

FAST = {
    "hotcoco": ("hotcoco", "hotcoco", "COCO", "COCOeval"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval", "COCO", "COCOeval_faster"),
}
"""Distribution → where its two classes are, in the order of preference."""

REFERENCE = "pycocotools"


@dataclass(frozen=True)
class Evaluated:
    """What one evaluator found: its run, and the object that holds the matches."""

    run: EvaluatorRun
    evaluation: Any


def write_results(results: Iterable[Mapping[str, Any]], work: Path, *, masks: bool) -> dict[str, Path]:
    """The lines of a results file as COCO's results files, written one detection at a time.

    Returns:
        the path for ``bbox`` and, with masks, for ``segm``.
    """
    paths = {kind: work / f"results.{kind}.json" for kind in (("bbox", "segm") if masks else ("bbox",))}
    with contextlib.ExitStack() as stack:
        streams = {kind: stack.enter_context(path.open("w", encoding="ascii")) for kind, path in paths.items()}
        separator = "["
        for line in results:
            for i, category in enumerate(line.get("categories", ())):
                shared = {"image_id": line["image"], "category_id": category, "score": line["scores"][i]}
                streams["bbox"].write(separator + json.dumps({**shared, "bbox": line["boxes"][i]}))
                if masks:
                    segmentation = {"size": line["size"], "counts": line["masks"][i]}
                    streams["segm"].write(separator + json.dumps({**shared, "segmentation": segmentation}))
                separator = ",\n"
        for stream in streams.values():
            stream.write("[]" if separator == "[" else "]")
    return paths


def evaluate(
    truth: Truth, results: Mapping[str, Path], *, cross_check: bool, found: Mapping[int, int], keep: bool = False
) -> tuple[tuple[DetectionScores, ...], dict[str, Any]]:
    """The scores of boxes and, where both sides have them, of masks.

    Args:
        cross_check: also ask pycocotools, which then is the one that counts.
        found: category id → number of detections.
        keep: also return the evaluations, whose matches a comparison needs; they take memory.
    """
    scores, evaluations = [], {}
    for iou_type, path in results.items():
        annotations = truth.boxes if iou_type == "bbox" else truth.masks
        if annotations is None:
            continue
        names = [evaluator for evaluator in FAST if _installed(evaluator)][:1]
        if cross_check or not names:
            names.append(REFERENCE)
        all_found = [_evaluate(name, annotations, path, iou_type) for name in names]
        if keep:
            evaluations[iou_type] = all_found[0].evaluation
        scores.append(
            DetectionScores(
                iou_type=iou_type,
                objects=truth.objects[iou_type].total(),
                crowds=truth.crowds[iou_type],
                runs=tuple(one.run for one in all_found),
                categories=_categories(all_found[-1].evaluation, truth, truth.objects[iou_type], found),
            )
        )
    return tuple(scores), evaluations


def _installed(distribution: str) -> bool:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(distribution))
    return False


def _evaluate(name: str, annotations: Path, results: Path, iou_type: str) -> Evaluated:
    started = time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress and its table
            evaluation = _run(name, annotations, results, iou_type)
    except ImportError as error:
        raise ConfigError(
            f"the Python package '{error.name}' is not installed",
            where="eval_dataset",
            fix="pip install -r requirements.txt",
        ) from error
    stats = tuple(float(v) for v in evaluation.stats[: len(COCO_STATS)])
    run = EvaluatorRun(
        evaluator=name, version=importlib.metadata.version(name), stats=stats, seconds=time.perf_counter() - started
    )
    return Evaluated(run, evaluation)


def _run(name: str, annotations: Path, results: Path, iou_type: str) -> Any:
    if name == REFERENCE:
        coco, evaluator = (
            importlib.import_module("pycocotools.coco").COCO,
            importlib.import_module("pycocotools.cocoeval").COCOeval,
        )
    else:
        module, _, coco_name, evaluator_name = FAST[name]
        package = importlib.import_module(module)
        coco, evaluator = getattr(package, coco_name), getattr(package, evaluator_name)
    truth = coco(str(annotations))
    evaluation = evaluator(truth, _load(coco, truth, results, name), iou_type)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def _load(coco: Any, truth: Any, results: Path, name: str) -> Any:
    """The detections as an evaluator's data set; loadRes of all but hotcoco fails where there are none."""
    if name == "hotcoco" or results.stat().st_size > len("[]"):
        return truth.loadRes(str(results))
    empty = coco()
    empty.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"], "annotations": []}
    empty.createIndex()
    return empty


def _categories(
    evaluation: Any, truth: Truth, objects: Counter[int], found: Mapping[int, int]
) -> tuple[CategoryScore, ...]:
    """AP of each category at each IoU threshold: the mean over the 101 recalls, all sizes, 100 detections an image."""
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, -1]  # (IoU, recall, category)
    names = {number: name for name, number in truth.categories.items()}
    rows = []
    for place, number in enumerate(sorted(names)):  # evaluators sort the ids
        at = precision[:, :, place]
        values = np.where(at[:, 0] > UNDEFINED, at.mean(axis=1), UNDEFINED)
        row = CategoryScore(
            name=names[number],
            objects=objects[number],
            detections=found.get(number, 0),
            precision=tuple(float(v) for v in values),
        )
        rows.append(row)
    return tuple(rows)


# --- matches, for the bootstrap --------------------------------------------------------------------------------------


def matches_of(evaluation: Any, images: Mapping[int, int]) -> list[Matches]:
    """The matches of every category that has an object, all sizes. ``images`` maps an image's id to its place."""
    area = list(evaluation.params.areaRng[0])
    by_category: dict[int, list[Any]] = {}
    for one in evaluation.evalImgs:
        if one is not None and list(one["aRng"]) == area and one["image_id"] in images:
            by_category.setdefault(int(one["category_id"]), []).append(one)
    return [found for _, ones in sorted(by_category.items()) for found in _matches(ones, images)]


def _matches(ones: list[Any], images: Mapping[int, int]) -> Iterator[Matches]:
    ones.sort(key=lambda one: images[one["image_id"]])
    objects = np.zeros(len(images))
    for one in ones:
        objects[images[one["image_id"]]] = np.count_nonzero(~np.asarray(one["gtIgnore"], dtype=bool))
    if not objects.any():
        return
    counts = [len(one["dtScores"]) for one in ones]
    scores = np.concatenate([np.asarray(one["dtScores"], dtype=np.float64) for one in ones])
    order = np.argsort(-scores, kind="mergesort")  # as pycocotools: equal scores keep the order of the images
    image = np.repeat([images[one["image_id"]] for one in ones], counts)[order]
    thresholds = len(np.asarray(ones[0]["dtMatches"]))
    matched = np.concatenate([np.asarray(o["dtMatches"]).reshape(thresholds, -1) > 0 for o in ones], axis=1)
    ignored = np.concatenate([np.asarray(o["dtIgnore"], dtype=bool).reshape(thresholds, -1) for o in ones], axis=1)
    yield Matches(image.astype(np.int64), matched[:, order], ignored[:, order], objects)
