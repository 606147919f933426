"""A photo's bytes become predictions; one that cannot be decoded is the client's fault, whatever the adapter raises."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

import contexts
from npu_eval.errors import AdapterError
from npu_eval.serving.photo_requests import PhotoRequest, RefusedError
from npu_eval.serving.served_model import ServedModel
from tiny_model import TinyClassifier


def photo() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_photo_gets_its_predictions_and_the_stamps_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    model = ServedModel(contexts.context(tmp_path), 0.3, tmp_path / "work")
    model.warm_up()
    told = model.predict(PhotoRequest(photo()))
    assert len(told["predictions"]) == 5
    assert set(told["predictions"][0]) == {"label", "index", "score", "box"}
    assert (told["model"], told["device"], told["stamps"]) == ("tiny", "cpu", ["random-weights", "no-npu"])
    assert told["seconds"] > 0
    assert list((tmp_path / "work").iterdir()) == []


class Strange(TinyClassifier):
    """Raises what is no OSError for a photo that is cut short, and something for small ones."""

    def preprocess(self, photos):
        with Image.open(photos[0]) as image:
            if image.width == 1:
                raise KeyError("too small")
        try:
            return super().preprocess(photos)
        except OSError:
            raise ValueError(f"{photos[0]} cannot be decoded") from None


@pytest.mark.parametrize("adapter", [TinyClassifier(), Strange()])
def test_a_photo_that_cannot_be_decoded_is_400_and_names_no_file(tmp_path: Path, adapter: TinyClassifier) -> None:
    model = ServedModel(contexts.context(tmp_path, adapter=adapter), 0.3, tmp_path)
    with pytest.raises(RefusedError, match=r"^not a readable image: the file is broken or cut short$") as refused:
        model.predict(PhotoRequest(photo()[:-700]))
    assert refused.value.status == 400
    assert not (tmp_path / "photo").exists()


def test_a_good_photo_on_which_the_adapter_fails_is_the_adapters_fault(tmp_path: Path) -> None:
    model = ServedModel(contexts.context(tmp_path, adapter=Strange()), 0.3, tmp_path)
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    with pytest.raises(AdapterError):
        model.predict(PhotoRequest(buffer.getvalue()))
