"""Words as CLIP's tokens, held against numbers of CLIP's own tokenizer and against the library's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from npu_eval.errors import AdapterError
from npu_eval.models.coco_classes import COCO_NAMES
from npu_eval.sam3 import tokens
from npu_eval.sam3.tokens import encoded, padded

COCO = {
    "person": (2533,), "bicycle": (11652,), "car": (1615,), "motorcycle": (10297,), "airplane": (16451,),
    "bus": (2840,), "train": (3231,), "truck": (4629,), "boat": (4440,), "traffic light": (3399, 1395),
    "fire hydrant": (1769, 8031, 773), "stop sign": (1691, 2292), "parking meter": (5984, 10104), "bench": (8771,),
    "bird": (3329,), "cat": (2368,), "dog": (1929,), "horse": (4558,), "sheep": (9629,), "cow": (9706,),
    "elephant": (10299,), "bear": (4298,), "zebra": (22548,), "giraffe": (22826,), "backpack": (14894,),
    "umbrella": (17143,), "handbag": (22654,), "tie": (3422,), "suitcase": (27792,), "frisbee": (45768,),
    "skis": (32843,), "snowboard": (33403,), "sports ball": (2054, 1069), "kite": (19867,),
    "baseball bat": (3470, 6575), "baseball glove": (3470, 16078), "skateboard": (31777,), "surfboard": (10176, 1972),
    "tennis racket": (5298, 37691), "bottle": (5392,), "wine glass": (2604, 3313), "cup": (1937,), "fork": (13700,),
    "knife": (8960,), "spoon": (14024,), "bowl": (3814,), "banana": (8922,), "apple": (3055,), "sandwich": (8687,),
    "orange": (4287,), "broccoli": (19094,), "carrot": (15435,), "hot dog": (2069, 1929), "pizza": (4474,),
    "donut": (18471,), "cake": (2972,), "chair": (4269,), "couch": (12724,), "potted plant": (48581, 3912),
    "bed": (2722,), "dining table": (8658, 2175), "toilet": (11071,), "tv": (1583,), "laptop": (10464,),
    "mouse": (9301,), "remote": (9687,), "keyboard": (13017,), "cell phone": (5533, 1951), "microwave": (24240,),
    "oven": (12579,), "toaster": (39061,), "sink": (14551,), "refrigerator": (36662,), "book": (1116,),
    "clock": (6716,), "vase": (20431,), "scissors": (30867,), "teddy bear": (11798, 4298),
    "hair drier": (2225, 39877), "toothbrush": (36841,),
}  # fmt: skip
"""COCO's names by OpenAI's own tokenizer (bpe_simple_vocab_16e6)."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("clip")
    numbers = {**tokens._numbers(), "<|startoftext|>": tokens.START, "<|endoftext|>": tokens.END}
    (folder / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    merges = gzip.decompress(Path(tokens._MERGES).read_bytes()).decode("utf-8")
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    return transformers.CLIPTokenizer.from_pretrained(folder)


def test_the_vocabulary_is_whole() -> None:
    assert sorted(tokens._numbers().values()) == list(range(tokens.START))


def test_the_names_of_coco_are_those_of_clip() -> None:
    assert {name: encoded(name) for name in COCO_NAMES} == COCO


@pytest.mark.parametrize(
    "word",
    ["shoe", "yellow school bus", "don't stop, it's I'll we've", "123 go!", "café au lait", "鞋子", "naïve   coöperate",
     "a²b ½ ⅷ", "emoji 😀!!", "x'yz --'s..", "İstanbul", "e\u0301cole", "aaaaaaaabbbbabab", "hello_world",
     "a\u00a0b\u3000c",     "한국어", "हिन्दी", "SHOE"],
)  # fmt: skip
def test_any_word_is_what_the_library_makes_of_it(library: Any, word: str) -> None:
    assert encoded(word) == tuple(library(word)["input_ids"][1:-1])


def test_words_are_padded_to_the_networks_length() -> None:
    ids, attention = padded(("hot dog", "fire hydrant"))
    assert ids.shape == attention.shape == (2, 32)
    assert ids[0, :5].tolist() == [49406, 2069, 1929, 49407, 49407]
    assert attention.sum(dim=1).tolist() == [4, 5]
    assert torch.equal(padded(("cat", "cat"))[0][0], padded(("CAT ",))[0][0])


@pytest.mark.parametrize("word", ["", "  \t", "\u3000"])
def test_an_empty_word_is_refused(word: str) -> None:
    with pytest.raises(AdapterError, match="a word to look for is empty"):
        padded(("cat", word))


def test_a_word_may_have_thirty_tokens() -> None:
    assert len(encoded("cat " * 30)) == 30
    assert padded(("cat " * 30,))[1].sum() == 32
    with pytest.raises(AdapterError, match=r"'cat cat .*' has 31 tokens, and the network takes 30"):
        padded(("dog", ("cat " * 31).strip()))


def test_another_tokenizers_words_are_counted_alike(library: Any) -> None:
    def theirs(word: str) -> list[int]:
        numbers: list[int] = library(word)["input_ids"][1:-1]
        return numbers

    for ours, found in zip(padded(("shoe", "hot dog")), padded(("shoe", "hot dog"), theirs), strict=True):
        assert torch.equal(ours, found)
    with pytest.raises(AdapterError, match="has 31 tokens"):
        padded(("cat " * 31,), theirs)
    with pytest.raises(AdapterError, match="is empty"):
        padded((" ",), theirs)
