from __future__ import annotations

from pathlib import Path

import pytest

from npu_eval.errors import ConfigError
from npu_eval.experiments.dataset.labelled_folder import read

NAMES = ("cat", "dog", "crane", "crane")


def touch(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, NAMES, limit=None)
    assert caught.value.exit_code == 2
    return str(caught.value)


def labels(folder: Path, **options: int | None) -> list[tuple[str, int]]:
    return [(i.file, i.label) for i in read(folder, NAMES, limit=options.get("limit")).images]


def test_a_folder_for_each_class_is_counted_in_the_order_of_the_names(tmp_path: Path) -> None:
    touch(tmp_path, "val/n01/a.JPEG", "val/n02/b.png", "val/n03/c.jpg", "val/n04/d.jpg", "val/n04/notes.txt")
    assert labels(tmp_path) == [("val/n01/a.JPEG", 0), ("val/n02/b.png", 1), ("val/n03/c.jpg", 2), ("val/n04/d.jpg", 3)]


def test_folders_may_be_numbers_or_names(tmp_path: Path) -> None:
    assert labels(touch(tmp_path / "a", "3/x.png", "1/y.png")) == [("1/y.png", 1), ("3/x.png", 3)]
    assert labels(touch(tmp_path / "b", "dog/x.png")) == [("dog/x.png", 1)]


def test_a_limit_takes_as_many_classes_as_it_can(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{label}/{n}.png" for label in range(3) for n in range(5)))
    assert [label for _, label in labels(tmp_path, limit=4)] == [0, 1, 2, 0]
    found = read(tmp_path, NAMES, limit=4).image_set
    assert (found.images, found.available, found.annotations_sha256) == (4, 15, None)


def test_a_list_names_files_by_number_or_name(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "labels.csv").write_text("file,label\na.png,dog\nsub/b.png,3\n")
    assert sorted(labels(tmp_path)) == [("a.png", 1), ("sub/b.png", 3)]
    assert read(tmp_path, NAMES, limit=None).image_set.annotations == "labels.csv"


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("file,label\na.png,catt\n", "did you mean 'cat'?"),
        ("file,label\na.png,4\n", "numbers go from 0 to 3"),
        ("file,label\na.png,crane\n", "'crane' is no class"),  # which of the two?
        ("file,label\na.png,\n", "'' is no class"),
        ("file,label\n../a.png,1\n", "no file of the folder"),
        ("file,label\na.png,1\na.png,1\n", "line 3: 'a.png' is no file of the folder, or stands there twice"),
        ("name,class\na.png,1\n", "found name, class"),
        ("", "no row"),
    ],
)
def test_lists_that_cannot_be_read_are_told(tmp_path: Path, rows: str, what: str) -> None:
    (tmp_path / "labels.csv").write_text(rows)
    assert what in refusal(tmp_path)


def test_other_layouts_say_what_was_expected_and_found(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")
    touch(tmp_path / "flat", "a.png", "b.png")
    assert "found a.png, b.png; expected a folder of images for each class" in refusal(tmp_path / "flat")
    touch(tmp_path / "strange", "n01/a.png", "n02/b.png")
    assert "'n01' is no class of the model, and 2 folders are not one for each of 4" in refusal(tmp_path / "strange")
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    assert "holds no labelled image" in refusal(tmp_path / "empty")
