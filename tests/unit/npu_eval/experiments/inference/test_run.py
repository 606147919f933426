from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from contexts import context, photos
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.experiments.inference import run as inference
from npu_eval.experiments.inference.data import InferenceData
from npu_eval.experiments.inference.run import find_photos
from npu_eval.jsonio import file_sha256, from_json, to_json
from npu_eval.models.prediction import Prediction
from tiny_detector import TinyDetector
from tiny_model import TinyClassifier


def run(
    root: Path, photo: Path | None = None, output: Path | None = None, *, adapter: Any = None, said: Any = None,
    **changes: Any,
) -> InferenceData:  # fmt: skip
    made = context(root, adapter=adapter, said=said, **changes)
    return inference.run(made, argparse.Namespace(input=photo, output=output, min_score=0.3))


def test_each_photo_of_the_spec_is_predicted_and_nothing_is_drawn_unasked(tmp_path: Path) -> None:
    said: list[str] = []
    found = run(tmp_path, said=said)
    assert [r.input for r in found.results] == ["inputs/cat.png", "inputs/flower.png"]
    assert [r.input_sha256 for r in found.results] == [p.sha256 for p in photos(tmp_path)]
    assert all(r.picture is None and r.picture_sha256 is None for r in found.results)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["cat.png", "flower.png"]
    assert said == ["[inference] 1/2 cat.png", "[inference] 2/2 flower.png"]
    assert from_json(InferenceData, to_json(found)) == found


def test_predictions_are_the_models_best_first(tmp_path: Path) -> None:
    made = context(tmp_path)
    (result, _) = inference.run(made, argparse.Namespace(input=None, output=None, min_score=0.3)).results
    with torch.inference_mode():
        scores = made.network(made.preprocess(made.photos()[:1]))[0].softmax(0)
    assert [p.index for p in result.predictions] == torch.argsort(scores, descending=True).tolist()
    assert sum(p.score for p in result.predictions) == pytest.approx(1.0)
    assert {p.label for p in result.predictions} == set(TinyClassifier.class_names)


# --- where pictures go -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".jpg", "JPEG"), (".JPEG", "JPEG"), (".png", "PNG"), (".webp", "WEBP"), (".bmp", "BMP"), (".tif", "TIFF"),
     (".tiff", "TIFF")],
)  # fmt: skip
def test_one_photo_can_be_drawn_into_one_file(tmp_path: Path, suffix: str, kind: str) -> None:
    photos(tmp_path)
    target = tmp_path / "out" / f"cat{suffix}"
    (result,) = run(tmp_path, tmp_path / "inputs" / "cat.png", target).results
    assert result.picture == f"out/cat{suffix}"
    assert result.picture_sha256 == file_sha256(target)
    with Image.open(target) as image:
        assert image.format == kind
        assert image.width == 720
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_a_folder_of_photos_is_drawn_into_a_folder(tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "inputs" / "notes.txt").write_text("no photo")
    found = run(tmp_path, tmp_path / "inputs", tmp_path / "results")
    assert [r.picture for r in found.results] == ["results/cat.jpg", "results/flower.jpg"]
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["cat.jpg", "flower.jpg"]


def test_pictures_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    first = run(tmp_path, output=tmp_path / "a")
    second = run(tmp_path, output=tmp_path / "b")
    assert [r.picture_sha256 for r in first.results] == [r.picture_sha256 for r in second.results]


def test_files_outside_of_the_deliverable_are_named_without_this_machines_path(tmp_path: Path) -> None:
    photos(tmp_path / "elsewhere")
    (tmp_path / "root").mkdir()
    target = tmp_path / "elsewhere" / "out.jpg"
    (result,) = run(tmp_path / "root", tmp_path / "elsewhere" / "inputs" / "cat.png", target).results
    assert (result.input, result.picture) == ("cat.png", "out.jpg")


@given(st.lists(st.sampled_from(["a", "b", "a.jpg", "b.png"]).flatmap(
    lambda stem: st.sampled_from([f"{stem}.jpg", f"{stem}.png", f"{stem}.tif"])), unique=True, min_size=1))  # fmt: skip
def test_every_photo_has_a_picture_of_its_own(names: list[str]) -> None:
    targets = inference._targets([Path("in") / n for n in names], Path("out"), Path("in"))
    assert len(set(targets)) == len(names)
    assert all(t is not None and t.suffix == ".jpg" and t.parent == Path("out") for t in targets)


@pytest.mark.parametrize("given_folder", [True, False])
def test_several_photos_do_not_fit_into_one_file(tmp_path: Path, given_folder: bool) -> None:
    photos(tmp_path)
    with pytest.raises(ConfigError, match=r"out\.jpg: 2 photos do not fit into one file; name a folder$"):
        run(tmp_path, tmp_path / "inputs" if given_folder else None, tmp_path / "out.jpg")


def test_a_photo_is_never_overwritten_by_its_own_picture(tmp_path: Path) -> None:
    photos(tmp_path, ("cat.jpg",))
    photo = tmp_path / "inputs" / "cat.jpg"
    before = photo.read_bytes()
    for given_, output in ((photo, photo), (tmp_path / "inputs", tmp_path / "inputs")):
        with pytest.raises(ConfigError, match="a picture would overwrite this photo; name another --output"):
            run(tmp_path, given_, output)
    assert photo.read_bytes() == before


def test_the_output_folder_may_lie_inside_of_the_photos_folder(tmp_path: Path) -> None:
    photos(tmp_path, ("cat.jpg",))
    run(tmp_path, tmp_path / "inputs", tmp_path / "inputs" / "seen")
    assert (tmp_path / "inputs" / "seen" / "cat.jpg").is_file()


# --- what is asked for and cannot be had -----------------------------------------------------------------------------


def test_photos_of_a_folder_come_by_name_whatever_the_case_of_their_suffix(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.txt", "d.webp"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in find_photos(tmp_path).photos] == ["a.png", "b.JPG", "d.webp"]
    assert find_photos(tmp_path / "a.png").photos == (tmp_path / "a.png",)


@pytest.mark.parametrize(
    ("name", "told"), [("none.jpg", "the photo does not exist"), ("", "there is no photo in this")]
)
def test_a_missing_photo_is_named(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=told) as caught:
        find_photos(tmp_path / "empty" / name)
    assert str(tmp_path / "empty") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not an image at all", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40])
def test_a_corrupt_photo_is_the_users_file_and_not_the_adapters_fault(tmp_path: Path, content: bytes) -> None:
    photos(tmp_path)
    (tmp_path / "inputs" / "cat.png").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^cat\.png: not a readable image \(.*\); replace the file$"):
        run(tmp_path, tmp_path / "inputs" / "cat.png")


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_photo_that_breaks_off_is_told_too(tmp_path: Path, kind: str) -> None:
    photos(tmp_path, (f"cat.{kind}",))
    path = tmp_path / "inputs" / f"cat.{kind}"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ConfigError, match=r"not a readable image"):
        run(tmp_path, path)


# --- adapters --------------------------------------------------------------------------------------------------------


def test_an_adapter_may_draw_its_own_picture(tmp_path: Path) -> None:
    class Draws(TinyClassifier):
        def draw(self, photo: Path, predictions: Sequence[Prediction]) -> Image.Image:
            return Image.new("RGBA", (9, 7), "#ff0000")

    (result, _) = run(tmp_path, output=tmp_path / "out", adapter=Draws()).results
    with Image.open(tmp_path / str(result.picture)) as image:
        assert (image.width, image.mode) == (9, "RGB")
        assert image.height > 7, "there is no banner that says that there was no NPU"


def test_an_adapter_that_draws_no_image_is_named(tmp_path: Path) -> None:
    class Draws(TinyClassifier):
        def draw(self, photo: Path, predictions: Sequence[Prediction]) -> Any:
            return None

    with pytest.raises(AdapterError, match=r"^adapter\.py: AttributeError"):
        run(tmp_path, output=tmp_path / "out", adapter=Draws())


def test_an_adapter_without_predictions_leaves_none(tmp_path: Path) -> None:
    class Plain:
        task = "features"
        build, preprocess, forward = TinyClassifier.build, TinyClassifier.preprocess, TinyClassifier.forward

    assert all(r.predictions == () for r in run(tmp_path, output=tmp_path / "out", adapter=Plain()).results)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_model_that_gives_nan_predicts_nothing_and_the_picture_says_so(tmp_path: Path, poison: float) -> None:
    class Poisoned(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": torch.tensor([[1.0, poison, 2.0, 0.0, 0.0]])}

    found = run(tmp_path, output=tmp_path / "out", adapter=Poisoned())
    assert all(r.predictions == () and r.picture is not None for r in found.results)


def test_the_picture_that_is_recorded_is_the_one_on_the_disk(tmp_path: Path) -> None:
    for result in run(tmp_path, output=tmp_path / "out").results:
        content = (tmp_path / str(result.picture)).read_bytes()
        assert hashlib.sha256(content).hexdigest() == result.picture_sha256


# --- detectors -------------------------------------------------------------------------------------------------------


def detect(root: Path, min_score: float, adapter: Any = None) -> InferenceData:
    made = context(root, adapter=adapter or TinyDetector())
    return inference.run(made, argparse.Namespace(input=None, output=root / "out", min_score=min_score))


def test_what_a_detector_finds_is_told_with_its_box_and_drawn_with_its_mask(tmp_path: Path) -> None:
    (result, _) = detect(tmp_path, 0.0).results
    assert len(result.predictions) == 4
    assert [p.score for p in result.predictions] == sorted((p.score for p in result.predictions), reverse=True)
    assert {p.box for p in result.predictions} == {
        (0.0, 0.0, 10.0, 6.0), (10.0, 0.0, 20.0, 6.0), (0.0, 6.0, 10.0, 12.0), (10.0, 6.0, 20.0, 12.0),
    }  # fmt: skip
    masked = (tmp_path / "out" / "cat.jpg").read_bytes()

    class Unmasked(TinyDetector):
        def detections(self, outputs: Any, photos: Sequence[Path]) -> Any:
            return [replace(one, masks=None) for one in super().detections(outputs, photos)]

    detect(tmp_path, 0.0, Unmasked())
    assert (tmp_path / "out" / "cat.jpg").read_bytes() != masked


def test_objects_below_the_score_that_is_asked_for_are_left_out(tmp_path: Path) -> None:
    every = detect(tmp_path, 0.0).results[0].predictions
    fewer = detect(tmp_path, every[1].score).results[0].predictions
    assert fewer == every[:2]
    assert detect(tmp_path, 1.0).results[0].predictions == ()
    assert (tmp_path / "out" / "cat.jpg").is_file()
