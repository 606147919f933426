"""Which files are photos, and the names that they are given in a deliverable."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.errors import ConfigError
from npu_eval.models.photo_files import file_names, find_photos
from npu_eval.process.visible import visible


def test_a_folder_gives_its_photos_by_name_and_counts_the_rest(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "._a.png", ".DS_Store", "Thumbs.db", "c.heic", "d.heic", "README"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.jpg").mkdir()
    found = find_photos(tmp_path)
    assert [p.name for p in found.photos] == ["a.png", "b.JPG"]
    assert found.passed_over == {".heic": 2, "README": 1}
    assert "2 .heic, 1 README" in found.note
    assert find_photos(tmp_path / "a.png").note == ""


def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "c.heic").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"of the kind '.heic' are not read; save it as one of .jpg"):
        find_photos(tmp_path / "c.heic")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("23 \u7a7a\u683c \u540d \u00e9moji\U0001f600 (1).jpg", "23 \u7a7a\u683c \u540d \u00e9moji\U0001f600 (1).jpg"),
        ("a#b%20c.png", "a#b%20c.png"),
        ("new\nline.png", "new_line.png"),
        ("\x1b[31mred.png", "_[31mred.png"),
        ("\u202egnp.png", "_gnp.png"),
        ("-rf.png", "_rf.png"),
        ("a|b`c.png", "a_b_c.png"),
        ("back\\slash.png", "back_slash.png"),
    ],
)
def test_a_name_keeps_its_letters_and_loses_what_means_something_else(given: str, taken: str) -> None:
    assert file_names([given]) == {given: taken}


@given(st.lists(st.text(min_size=1, max_size=300).map(lambda stem: f"{stem}.png"), unique=True, max_size=8))
def test_every_name_is_short_visible_and_nobody_elses(names: list[str]) -> None:
    taken = file_names(names)
    assert set(taken) == set(names)
    assert len({name.casefold() for name in taken.values()}) == len(names)
    for name in taken.values():
        assert name.endswith(".png")
        assert not name.startswith(("-", ".", "~"))
        assert "/" not in name
        assert len(name.encode("utf-8")) <= 130
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name)
        assert visible(name) == name


@given(st.text())
def test_visible_text_has_nothing_hidden_and_says_the_same(text: str) -> None:
    shown = visible(text)
    assert not any(c in shown for c in "\x1b\x00\r\x7f\x85\u2028\u202e\u2066\ufeff")
    assert visible(shown) == shown
    assert (
        visible("\u5ef6\u8fdf 1.5 ms \U0001f469\u200d\U0001f680\tx\n")
        == "\u5ef6\u8fdf 1.5 ms \U0001f469\u200d\U0001f680\tx\n"
    )
    assert visible("a\x1b[2Jb\u202e") == "a\\x1b[2Jb\\u202e"
