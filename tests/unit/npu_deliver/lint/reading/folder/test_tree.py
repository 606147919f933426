"""Which files belong together, on names alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from npu_deliver.lint.reading.folder.tree import lots

NAMES = st.lists(
    st.sampled_from(["README.md", "README_en.md", "a.md", "run.log", "x.py", "summary.json", "inference.py"]).flatmap(
        lambda file: st.lists(st.sampled_from("abc"), max_size=3).map(lambda folders: "/".join([*folders, file]))
    ),
    unique=True,
    max_size=30,
)


def _roots(*names: str) -> list[str]:
    return [lot.root for lot in lots(names)]


def test_a_checkout_is_one_submission_a_readme() -> None:
    names = (
        "README.md",
        "cv/a/README.md",
        "cv/a/train.py",
        "cv/a/docs/x.md",
        "cv/b/README_CN.md",
        "cv/b/sub/README.md",
    )
    assert _roots(*names) == ["", "cv/a", "cv/b", "cv/b/sub"]
    (a,) = [lot for lot in lots(names) if lot.root == "cv/a"]
    assert set(a.files) == {"cv/a/README.md", "cv/a/train.py", "cv/a/docs/x.md"}
    assert a.names == {"README.md", "train.py", "docs/x.md"}


def test_a_deliverable_keeps_the_readmes_inside_it() -> None:
    assert _roots("README.md", "summary.json", "upstream/README.md") == [""]
    assert _roots("x/README.md", "x/inference.py", "x/model/README.md", "y/README.md") == ["x", "y"]
    assert _roots("README.md", "npu_deliverables/readme.md", "npu_deliverables/logs/a.log") == [""]


def test_a_summary_without_a_readme_begins_one_too() -> None:
    assert _roots("a/summary.json", "a/logs/run.log") == ["a"]


def test_reports_without_a_readme_stand_alone_and_one_has_its_files() -> None:
    assert [(lot.files, lot.alone) for lot in lots(["a.md", "b.md", "x.log"])] == [(("a.md",), True), (("b.md",), True)]
    assert [(lot.files, lot.alone) for lot in lots(["a.md", "x.log"])] == [(("a.md", "x.log"), False)]
    assert lots([]) == []


def test_a_name_that_only_begins_like_a_readme_is_none() -> None:
    assert _roots("a/readmelike.md", "a/b.md") == ["", ""]


@given(NAMES)
def test_each_file_belongs_to_at_most_one_submission_and_no_page_is_lost(names: list[str]) -> None:
    found = lots(names)
    taken = [file for lot in found for file in lot.files]
    assert len(taken) == len(set(taken))
    assert {name for name in names if name.endswith(".md")} <= set(taken)
    assert all(len(lot.files) == 1 for lot in found if lot.alone)


def test_a_large_checkout_is_sorted_without_comparing_all_with_all() -> None:
    names = [f"area{n % 7}/model{n}/{file}" for n in range(20_000) for file in ("README.md", "train.py", "test/a.sh")]
    assert len(lots(["README.md", *names])) == 20_001  # comparing all with all would not end
