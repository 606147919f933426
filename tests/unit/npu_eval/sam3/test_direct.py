"""Detections without raw outputs against those that the raw outputs come to."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import tiny_transformers
from npu_eval.asked.spec import Classes
from npu_eval.models.adapter import checked_build, checked_detections, checked_detector, checked_forward, resolve
from npu_eval.models.coco_classes import COCO_NAMES
from npu_eval.models.protocols import PROTOCOLS, DetectionProtocol
from npu_eval.sam3.direct import chosen

SAM3 = Path(__file__).parents[4] / "deliverables" / "sam3"
QUERIES, SIZE = 60, (10, 15)
SOME = DetectionProtocol(name="some", score_floor=0.0, per_class=None, per_image=30)
FEW = DetectionProtocol(name="few", score_floor=0.25, per_class=3, per_image=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("direct")
    shutil.copy(SAM3 / "adapter.py", root)
    tiny_transformers.write_sam3(root / "model")
    config = json.loads((root / "model/config.json").read_text())
    config["detr_decoder_config"]["num_queries"] = QUERIES
    (root / "model/config.json").write_text(json.dumps(config))
    Image.effect_noise(SIZE[::-1], 90).convert("RGB").save(root / "a.png")
    return root


class Run:
    """The tiny network, asked for some words."""

    def __init__(self, root: Path, words: int) -> None:
        self.adapter: Any = resolve("adapter.py", root, Classes(count=words, names=COCO_NAMES[:words]))
        sys.modules.pop("adapter", None)
        torch.manual_seed(0)
        self.network = checked_build(self.adapter, "sam3")
        with torch.no_grad():  # scores that differ between queries, and masks that have edges
            for name, x in self.network.named_parameters():
                if x.dim() > 1 and "embeddings" not in name:
                    x.normal_(std=x[0].numel() ** -0.5)
        self.photo = root / "a.png"
        self.batch = self.adapter.preprocess([self.photo])

    def stacked(self, protocol: DetectionProtocol) -> tuple[Tensor, ...]:
        outputs = checked_forward(self.adapter, self.network, self.batch, "sam3")
        self.adapter.protocol = protocol
        (found,) = checked_detections(self.adapter, outputs, [self.photo], "sam3")
        assert found.masks is not None
        return found.scores, found.classes, found.boxes, found.masks

    def parts(self, protocol: DetectionProtocol, at_once: int) -> Iterator[Any]:
        return checked_detector(self.adapter, self.network, protocol, "sam3")(self.batch, SIZE, at_once)

    def direct(self, protocol: DetectionProtocol, at_once: int) -> tuple[Tensor, ...]:
        parts = [(one.scores, one.classes, one.boxes, one.masks) for one in self.parts(protocol, at_once)]
        found = [torch.cat(each) for each in zip(*parts, strict=True)]
        order = found[0].argsort(descending=True, stable=True)
        return tuple(each[order] for each in found)


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return Run(folder, 5)


@pytest.mark.parametrize("protocol", [*PROTOCOLS.values(), SOME, FEW], ids=lambda p: p.name)
def test_word_by_word_it_is_what_the_raw_outputs_come_to(run: Run, protocol: DetectionProtocol) -> None:
    ours, stacked = run.direct(protocol, 1), run.stacked(protocol)
    assert len(stacked[0]) > 0
    assert len(set(stacked[1].tolist())) > 1
    assert stacked[3].any()
    assert all(torch.equal(x, y) for x, y in zip(ours, stacked, strict=True))


@pytest.mark.parametrize("at_once", [2, 3, 16])
def test_several_words_at_once_differ_by_rounding_alone(run: Run, at_once: int) -> None:
    for protocol in (SOME, FEW):
        ours, stacked = run.direct(protocol, at_once), run.stacked(protocol)
        assert torch.allclose(ours[0], stacked[0], atol=1e-6)
        assert torch.equal(ours[1], stacked[1])
        assert torch.allclose(ours[2], stacked[2], atol=1e-3)
        assert (ours[3] != stacked[3]).float().mean() < 1e-3


def test_without_the_cls_token_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with_token = run.direct(SOME, 1)
    monkeypatch.setattr(run.adapter, "corrections", frozenset())
    ours, stacked = run.direct(SOME, 1), run.stacked(SOME)
    assert all(torch.equal(x, y) for x, y in zip(ours, stacked, strict=True))
    assert not torch.equal(ours[0], with_token[0])


class Largest(TorchDispatchMode):
    """The elements of the largest tensor that an operator gives."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        found = [x.numel() for x in tree_leaves(result) if isinstance(x, Tensor)]
        self.elements = max(self.elements, *found, 0)
        return result


@pytest.mark.parametrize("protocol", [SOME, FEW], ids=lambda p: p.name)
def test_no_tensor_grows_with_the_words(folder: Path, protocol: DetectionProtocol) -> None:
    largest = []
    for words in (4, 12):
        run = Run(folder, words)
        detect = checked_detector(run.adapter, run.network, protocol, "sam3")  # the words' own features grow, of course
        with Largest() as mode:
            for _ in detect(run.batch, SIZE, 2):
                pass
        largest.append(mode.elements)
    with Largest() as mode:
        checked_forward(run.adapter, run.network, run.batch, "sam3")
    assert largest[0] == largest[1]
    assert mode.elements >= 12 * QUERIES * 16 * 16 > 2 * largest[1]


def test_what_waits_for_the_end_of_a_photo_are_the_words_that_are_still_in_it(run: Run) -> None:
    few = DetectionProtocol(name="two", score_floor=0.0, per_class=None, per_image=2)
    masked: list[int] = []
    handle = run.network.get_submodule("mask_decoder").register_forward_pre_hook(
        lambda module, args, kwargs: masked.append(kwargs["decoder_queries"].shape[1]), with_kwargs=True
    )
    ours = run.direct(few, 2)
    handle.remove()
    assert len(ours[0]) == 2 == sum(masked)  # a mask of each kept query, and of no other
    assert all(torch.equal(x, y[:2]) for x, y in zip(run.direct(few, 1), run.stacked(SOME), strict=True))


def test_what_a_protocol_keeps_of_equal_scores_is_the_first() -> None:
    scores = torch.tensor([[0.5, 0.2, 0.5], [0.1, 0.5, 0.9]])
    kept = {
        (0.0, None, None): [5, 0, 2, 4, 1, 3],
        (0.2, None, None): [5, 0, 2, 4, 1],
        (0.0, 1, None): [5, 0],
        (0.0, None, 3): [5, 0, 2],
        (0.6, 2, 4): [5],
        (1.0, None, None): [],
    }
    for (floor, per_class, per_image), places in kept.items():
        protocol = DetectionProtocol(name="x", score_floor=floor, per_class=per_class, per_image=per_image)
        assert chosen(scores, protocol).tolist() == places
