"""COCO evaluators on a generated set of the size of val2017: seconds, memory, and whether they agree to the last bit.

    python benchmarks/dataset_metric.py [--images 5000]

Each evaluator runs in a process of its own, through the product's own code and files: 36,000 objects and 40,000
detections of 80 categories, with masks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from npu_eval.experiments.dataset import coco_metric
from npu_eval.experiments.dataset.coco_layout import Truth
from npu_eval.experiments.dataset.mask_codes import code_of
from npu_eval.notation.tables import table

HEIGHT, WIDTH, CATEGORIES = 480, 640, 80
EVALUATORS = ("hotcoco", "faster-coco-eval", "pycocotools")


def blob(generator: np.random.Generator, box: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The run lengths of a round, uneven polygon in a box."""
    x, y, w, h = box
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = generator.uniform(0.35, 0.5, 24)
    corners = np.stack([x + w / 2 + w * radius * np.cos(angles), y + h / 2 + h * radius * np.sin(angles)], axis=1)
    code = code_of([np.round(corners, 2).ravel().tolist()], HEIGHT, WIDTH)
    assert isinstance(code, dict)
    return {"size": code["size"], "counts": code["counts"].decode()}


def generate(folder: Path, images: int) -> tuple[Truth, dict[str, Path]]:
    generator = np.random.default_rng(0)
    objects: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        line: dict[str, Any] = {"image": image, "size": [HEIGHT, WIDTH], "categories": [], "scores": [], "boxes": [],
                                "masks": []}  # fmt: skip
        for _ in range(generator.poisson(7.3)):
            size = np.exp(generator.uniform(np.log(8), np.log(300), 2))
            corner = generator.uniform(0, 1, 2) * np.maximum(np.array([WIDTH, HEIGHT]) - size, 0)
            box = np.round(np.concatenate([corner, size]), 2)
            category = int(generator.integers(1, CATEGORIES + 1))
            objects.append({"id": len(objects) + 1, "image_id": image, "category_id": category, "bbox": box.tolist(),
                            "area": float(box[2] * box[3]) * 0.7, "iscrowd": int(generator.random() < 0.01),
                            "segmentation": blob(generator, box)})  # fmt: skip
            for _ in range(int(generator.choice([0, 1, 1, 1, 1, 2]))):
                found = box + generator.normal(0, 0.06, 4) * np.tile(box[2:], 2)
                found[2:] = np.maximum(found[2:], 2)
                add(line, category if generator.random() < 0.9 else category % CATEGORIES + 1, found, generator)
        for _ in range(generator.poisson(0.8)):
            add(line, int(generator.integers(1, CATEGORIES + 1)), generator.uniform(20, 200, 4), generator)
        lines.append(line)
    size = {"height": HEIGHT, "width": WIDTH}
    head = {"images": [{"id": i, "file_name": f"{i}.jpg", **size} for i in range(1, images + 1)],
            "categories": [{"id": n, "name": f"category {n}"} for n in range(1, CATEGORIES + 1)]}  # fmt: skip
    truth = folder / "truth.json"
    truth.write_text(json.dumps({**head, "annotations": objects}))
    counted = Counter(o["category_id"] for o in objects if not o["iscrowd"])
    crowds = sum(o["iscrowd"] for o in objects)
    prepared = Truth(boxes=truth, masks=truth, categories={c["name"]: c["id"] for c in head["categories"]},
                     objects={"bbox": counted, "segm": counted}, crowds={"bbox": crowds, "segm": crowds})  # fmt: skip
    detections = sum(len(line["scores"]) for line in lines)
    print(f"{images} images, {len(objects)} objects, {detections} detections, {CATEGORIES} categories", flush=True)

    def each() -> Iterator[dict[str, Any]]:
        yield from lines

    return prepared, coco_metric.write_results(each(), folder, masks=True)


def add(line: dict[str, Any], category: int, box: np.ndarray[Any, Any], generator: np.random.Generator) -> None:
    line["categories"].append(category)
    line["scores"].append(float(np.float32(generator.beta(2, 2))))
    line["boxes"].append([float(v) for v in box])
    line["masks"].append(blob(generator, box)["counts"])


def evaluate(name: str, truth: Truth, kind: str, path: Path, results: Any) -> None:
    vars(coco_metric)["_installed"] = lambda installed: installed == name  # this one alone
    (scores,), _ = coco_metric.evaluate(truth, {kind: path}, cross_check=name == coco_metric.REFERENCE, found={})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    run = scores.official
    results.put((run.evaluator, run.version, run.stats, run.seconds, peak))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    images = parser.parse_args().images
    context = multiprocessing.get_context("spawn")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        truth, files = generate(Path(folder), images)
        for kind, path in files.items():
            found = []
            for name in EVALUATORS:
                results = context.SimpleQueue()
                process = context.Process(target=evaluate, args=(name, truth, kind, path, results))
                process.start()
                found.append(results.get())
                process.join()
            reference = found[-1]
            for evaluator, version, stats, seconds, peak in found:
                rows.append((kind, evaluator, version, f"{stats[0]:.6f}", f"{stats[1]:.6f}", f"{seconds:.2f} s",
                             f"{reference[3] / seconds:.0f}x", f"{peak:.0f} MiB",
                             "yes" if stats == reference[2] else "NO"))  # fmt: skip
    header = (
        "kind",
        "evaluator",
        "version",
        "AP",
        "AP50",
        "seconds",
        "speed",
        "peak memory",
        "same 12 numbers, bit by bit",
    )
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    main()
