from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from coco_samples import CATEGORIES, annotation, objects_of, write_set
from npu_eval.experiments.dataset import coco_layout, coco_metric
from npu_eval.experiments.dataset.coco_layout import Truth
from npu_eval.experiments.dataset.data import DetectionScores, mean_precision
from npu_eval.experiments.dataset.mask_codes import code_of

DATA = os.environ.get("NPU_DELIVER_TEST_DATA")


def truth_of(folder: Path, images: int = 6, **changes: Any) -> Truth:
    write_set(folder, images, **changes)
    return coco_layout.prepare(coco_layout.read(folder, limit=None), CATEGORIES.values(), folder)[0]


def perfect(images: int, *, score: float = 0.9) -> list[dict[str, Any]]:
    """A results line for each image, with every object found exactly."""
    lines = []
    for number in range(images):
        found = objects_of(number)
        rings = [annotation(1, 1, name, box)["segmentation"] for name, box in found]
        masks = [code_of(ring, 40, 60)["counts"].decode() for ring in rings]  # type: ignore[index, union-attr]
        lines.append({"image": number + 1, "size": [40, 60], "categories": [CATEGORIES[n] for n, _ in found],
                      "scores": [score] * len(found), "boxes": [list(box) for _, box in found],
                      "masks": masks})  # fmt: skip
    return lines


def scores_of(truth: Truth, lines: list[dict[str, Any]], folder: Path, **options: Any) -> tuple[DetectionScores, ...]:
    files = coco_metric.write_results(iter(lines), folder, masks=True)
    found = Counter(c for line in lines for c in line["categories"])
    return coco_metric.evaluate(truth, files, cross_check=options.get("cross_check", True), found=found)[0]


def test_perfect_detections_score_one_even_where_ids_start_at_zero(tmp_path: Path) -> None:
    for scores in scores_of(truth_of(tmp_path, first_id=0), perfect(6), tmp_path):
        assert scores.official.evaluator == "pycocotools"
        assert [run.stats[0] for run in scores.runs] == [1.0, 1.0]
        assert {c.name for c in scores.categories} == set(CATEGORIES)


def test_both_evaluators_agree_to_the_last_bit(tmp_path: Path) -> None:
    lines = perfect(6)
    for number, line in enumerate(lines):
        line["boxes"] = [[x + number / 3, y, w, h * (1 + number / 7)] for x, y, w, h in line["boxes"]]
        line["scores"] = [0.9 - 0.1 * number] * len(line["scores"])
    lines[2]["categories"] = lines[2]["categories"][::-1]
    boxes, masks = scores_of(truth_of(tmp_path), lines, tmp_path)
    for scores in (boxes, masks):
        assert [run.evaluator for run in scores.runs] == ["hotcoco", "pycocotools"]
        assert scores.runs[0].stats == scores.runs[1].stats
        assert 0.0 < scores.official.stats[0] < 1.0
        assert mean_precision(scores.categories) == pytest.approx(scores.official.stats[0], abs=1e-12)


def test_nothing_found_is_zero_and_no_crash(tmp_path: Path) -> None:
    lines = [{"image": n + 1, "size": [40, 60], "categories": [], "scores": [], "boxes": [], "masks": []}
             for n in range(6)]  # fmt: skip
    for scores in scores_of(truth_of(tmp_path), lines, tmp_path):
        assert [run.stats[0] for run in scores.runs] == [0.0, 0.0]
        assert all(c.detections == 0 for c in scores.categories)


def test_a_category_without_objects_has_no_ap(tmp_path: Path) -> None:
    only = [annotation(1, 1, "dot", objects_of(0)[0][1])]
    boxes, _ = scores_of(truth_of(tmp_path, annotations=only), perfect(6), tmp_path)
    values = {c.name: c.precision[0] for c in boxes.categories}
    assert values["bar"] == values["square"] == -1.0


@pytest.mark.parametrize("installed", [("faster-coco-eval",), ()])
def test_the_next_evaluator_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: tuple[str]) -> None:
    if "faster-coco-eval" in installed:
        pytest.importorskip("faster_coco_eval")
    monkeypatch.setattr(coco_metric, "_installed", lambda name: name in installed)
    for scores in scores_of(truth_of(tmp_path), perfect(6), tmp_path, cross_check=False):
        assert [run.evaluator for run in scores.runs] == [*installed, "pycocotools"][:1]
        assert scores.official.stats[0] == 1.0


@pytest.mark.skipif(not DATA, reason="NPU_DELIVER_TEST_DATA names no folder with coco_oracle/")
def test_the_oracle_of_cocoapi(tmp_path: Path) -> None:
    """The made-up results that cocoapi ships, evaluated as they are by pycocotools and through our files by both."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    folder = Path(str(DATA)) / "coco_oracle"
    annotations = folder / "instances_val2014_100.json"
    content = json.loads(annotations.read_text(encoding="utf-8"))
    (tmp_path / "val2014").mkdir()
    (tmp_path / "val2014" / content["images"][0]["file_name"]).write_bytes(b"")
    (tmp_path / "instances_val2014.json").write_text(json.dumps(content), encoding="utf-8")
    data = coco_layout.read(tmp_path, limit=None)
    truth, broken = coco_layout.prepare(data, data.categories.values(), tmp_path)
    assert broken == ()
    for kind in ("bbox", "segm"):
        given = folder / f"instances_val2014_fake{kind}100_results.json"
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(annotations))
            wanted = COCOeval(coco, coco.loadRes(str(given)), kind)
            wanted.evaluate()
            wanted.accumulate()
            wanted.summarize()
        (scores,), _ = coco_metric.evaluate(truth, {kind: given}, cross_check=True, found={})
        for run in scores.runs:
            assert run.stats == tuple(map(float, wanted.stats)), run.evaluator
