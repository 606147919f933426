from __future__ import annotations

import json
from pathlib import Path

import pytest

from npu_deliver.errors import SpecError
from npu_deliver.spec.labels import read_labels, words_of
from npu_eval.models.coco_classes import COCO_NAMES


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\n",
        "cat\r\ndog",
        "\ufeffcat\ndog\n\n",
        '["cat", "dog"]',
        '{"1": "dog", "0": "cat"}',
        '{"0": ["n02123045", "cat"], "1": ["n02085620", "dog"]}',
    ],
)
def test_names_as_people_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels").write_text(text, encoding="utf-8")
    assert read_labels(tmp_path / "labels") == ("cat", "dog")


@pytest.mark.parametrize("name", ["猫", "a | b", "<b>", "`x`", "😀", "${x}"])
def test_a_name_is_data(tmp_path: Path, name: str) -> None:
    (tmp_path / "labels.txt").write_text(f"{name}\nx\n", encoding="utf-8")
    (tmp_path / "labels.json").write_text(json.dumps([name, "x"]), encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt") == read_labels(tmp_path / "labels.json") == (name, "x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no label"),
        ("cat\n\ndog\n", "class 1 has no name"),
        ('["cat", 3]', "a label is 3"),
        ('["cat", ""]', "class 1 has no name"),
        ('{"1": "cat"}', "its keys are not the indices from 0 on"),
        ('{"0": "cat"', "not readable as JSON"),
    ],
)
def test_what_leaves_a_class_without_a_name(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=told):
        read_labels(tmp_path / "labels.txt")


def test_files_that_are_no_labels(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    for name in ("b", "absent", "."):
        with pytest.raises(SpecError, match="cannot be read"):
            read_labels(tmp_path / name)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("shoe", ("shoe",)),
        (" shoe ,yellow   school bus", ("shoe", "yellow school bus")),
        (["shoe", "salt, pepper"], ("shoe", "salt, pepper")),
        ("鞋子,Person", ("鞋子", "Person")),
        ("COCO80 ", COCO_NAMES),
    ],
)
def test_words_are_a_list_or_a_text_with_commas(given, words):
    assert words_of(given) == words


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "word 1 is empty"),
        ("shoe, ,cat", "word 2 is empty"),
        ("shoe,", "word 2 is empty"),
        ([], "there is no word"),
        ("cat,dog,Cat", "'Cat' is there twice"),
        (["hot dog", "hot  dog "], "'hot dog' is there twice"),
    ],
)
def test_empty_words_and_twins_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        words_of(given)
