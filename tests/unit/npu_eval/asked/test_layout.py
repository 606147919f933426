"""Layouts: every file has one place in each of them, and the place tells the file."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_deliver.experiments.registry import KINDS
from npu_eval.asked.layout import LAYOUTS, LEDGER, NPU_DELIVERABLES, OPTIMISATION_REPORT, REPORT, SUMMARY
from npu_eval.records.stamps import stamped_name

FILES = [
    "inference.py", "requirements.txt", "spec.json", "MANIFEST.json", "verify_deliverable.py", "deploy.sh",
    "adapter.py", SUMMARY, LEDGER, REPORT, OPTIMISATION_REPORT, "readme.zh.md.j2", "npu_eval/session/script.py",
    "inputs/cat.jpg", "evaluation/make_reference.py", *(f"evaluation/eval_{kind}.py" for kind in KINDS),
    *(f"evaluation/records/{kind}.json" for kind in KINDS),
    *(stamped_name(f"evaluation/logs/{kind.log}", simulated=s) for kind in KINDS.values() for s in (False, True)),
    *(f"evaluation/screenshots/{kind}_report.png" for kind in KINDS),
    "evaluation/results/cat.png", "evaluation/results/dataset.jsonl",
]  # fmt: skip
FOLDERS = [f"evaluation/{name}" for name in ("records", "logs", "results", "screenshots")]
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)


@layouts
def test_every_file_and_folder_has_a_place_of_its_own_that_tells_it(layout):
    places = [layout.at(name) for name in [*FILES, *FOLDERS]]
    assert len(set(places)) == len(places)
    assert [layout.canonical(place) for place in places] == [*FILES, *FOLDERS]


@layouts
@given(name=st.text(st.sampled_from("abr_./e"), min_size=1, max_size=12), folder=st.sampled_from(["", *FOLDERS]))
def test_a_place_leads_back_to_a_path_that_lies_there(layout, name, folder):
    place = layout.at(f"{folder}/{name}" if folder else name)
    assert layout.at(layout.canonical(place)) == place


@layouts
def test_a_folder_holds_what_lies_below_it(layout):
    for folder in FOLDERS:
        assert layout.at(f"{folder}/some.file") == f"{layout.at(folder)}/some.file"


@layouts
def test_the_scripts_write_below_their_home(layout):
    for name in ("evaluation/records/precision.json", "evaluation/logs/precision_eval.log", "evaluation/results"):
        assert (PurePosixPath(layout.home) / layout.below_home(name)).as_posix() == layout.at(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("eval_results", {"eval/eval_accuracy.py", "eval/eval_performance.py", "logs/accuracy_eval.log", "readme.md",
                          "results/accuracy_eval.json", "assets/precision_report.png"}),
        ("flat", {"logs/accuracy_compare.log", "logs/summary.json", "README.md", "eval_precision.py"}),
        ("model_zoo", {"adaptation_report.md", "evaluation/eval_precision.py"}),
    ],
)  # fmt: skip
def test_the_names_that_a_layout_is_known_by(name, expected):
    assert expected <= {LAYOUTS[name].at(file) for file in FILES}


def test_the_first_layout_is_the_canonical_one():
    assert [NPU_DELIVERABLES.at(name) for name in FILES] == FILES


def test_a_path_that_moved_away_has_no_place():
    assert LAYOUTS["eval_results"].canonical("evaluation/records/precision.json") is None
