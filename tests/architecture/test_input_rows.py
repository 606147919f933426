"""Every row of the page on inputs is held by a test of that name, and no row is without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/inputs.md"
FILE, SETS, CHECKPOINT, INERT, NAMES = (
    f"npu_eval/models/checkpoint/test_{name}.py" for name in ("file", "sets", "loading", "inert", "names")
)
TAKEN, PHOTOS = (f"npu_eval/models/test_{name}.py" for name in ("accepted_inputs", "photo_files"))
LAYOUT, DATASET = (f"npu_eval/experiments/dataset/test_{name}.py" for name in ("coco_layout", "run"))
REPAIRED = f"{LAYOUT}::test_what_has_one_reading_is_repaired_and_counted"

TESTS = {
    # checkpoints
    "`.safetensors`": f"{CHECKPOINT}::test_safetensors_comes_back_sorted",
    "several files with an index": f"{FILE}::test_several_files_with_an_index_load",
    "an index that names files elsewhere": f"{FILE}::test_an_index_and_files_that_do_not_agree",
    "float16, bfloat16, float64": f"{CHECKPOINT}::test_half_precision_is_widened",
    "the state dictionary at the top": f"{CHECKPOINT}::test_the_wrapping_of_training_tools_is_taken_off",
    "one prefix common to all names": f"{SETS}::test_one_prefix_of_all_names_is_taken_off_and_told",
    "averaged weights (EMA) beside": f"{SETS}::test_averaged_weights_are_the_default_and_both_are_told",
    "averaged weights alone": f"{SETS}::test_averaged_weights_alone",
    "two sets of weights that fit": f"{SETS}::test_two_that_fit_are_never_chosen_from",
    "settings, paths, numbers": f"{FILE}::test_objects_beside_the_weights_keep_nobody_from_reading_them",
    "entries of a loss function": f"{SETS}::test_what_is_declared_is_left_out_and_told",
    "counters of an averaging": f"{NAMES}::test_what_may_be_left_out",
    "a contrastive training's": f"{SETS}::test_a_contrastive_training_evaluates_its_queries",
    "tensors under another key": f"{SETS}::test_another_networks_weights_are_no_pair",
    "any other entry without a place": f"{SETS}::test_what_is_not_declared_stays_for_the_strict_loading",
    "another number of classes": f"{CHECKPOINT}::test_another_class_count_is_called_so",
    "no classifier": f"{CHECKPOINT}::test_a_checkpoint_without_a_head_is_called_so",
    "a whole pickled network": f"{FILE}::test_the_line_that_converts_a_whole_network_works",
    "a pickle that asks to run": f"{INERT}::test_what_asks_to_run_is_refused_and_nothing_runs",
    "NaN or infinity in what": f"{CHECKPOINT}::test_values_that_are_not_finite_are_named",
    "a file that is cut short": f"{FILE}::test_a_file_of_another_kind",
    # COCO annotations
    "no `area`, `iscrowd`": f"{TAKEN}::test_an_annotation_file_is_taken_as_it_is",
    "uncompressed RLE, crowds": f"{TAKEN}::test_masks_as_counts_of_pixels_are_taken_as_they_are",
    "a byte order mark": f"{LAYOUT}::test_a_byte_order_mark_is_read_over",
    "image, annotation or category ids": REPAIRED,
    "image ids that are no numbers": f"{LAYOUT}::test_ids_that_are_no_numbers_are_numbered_anew",
    "images without width and height": REPAIRED,
    "names with the path of another machine": f"{LAYOUT}::test_a_name_never_leads_out_of_the_data_set",
    "an image entry that stands there twice": REPAIRED,
    "a category without annotations": REPAIRED,
    "annotations of an image, or of a category": REPAIRED,
    "a box with NaN": f"{LAYOUT}::test_a_box_that_is_no_box_is_named_with_its_annotation",
    "a mask that is no polygon": f"{LAYOUT}::test_broken_polygons_are_named_and_cost_only_the_mask",
    "an image that cannot be read": f"{DATASET}::test_unreadable_images_are_counted_and_stay_in_the_set",
    "sizes of which *none*": f"{LAYOUT}::test_sizes_of_other_images_are_told_before_anything_runs",
    "several annotation files": f"{LAYOUT}::test_several_annotation_files_must_be_chosen_from",
    "two different images with one id": f"{LAYOUT}::test_annotations_that_contradict_themselves_are_refused",
    "no object to find": f"{DATASET}::test_a_set_without_an_object_is_refused_before_the_model_runs",
    "no image that could be read": f"{DATASET}::test_a_run_in_which_nothing_could_be_read_is_no_result",
    "a list of results": f"{LAYOUT}::test_a_file_that_is_no_json_or_no_annotations_is_one_line",
    # photos
    "`.jpg .jpeg .png": f"{TAKEN}::test_each_kind_of_photo_is_found_and_decoded",
    "CMYK, palettes": f"{TAKEN}::test_each_mode_of_pixels_becomes_eight_bits_of_three_colours",
    "hidden files of a folder": f"{PHOTOS}::test_a_folder_gives_its_photos_by_name_and_counts_the_rest",
    "other files of a folder": f"{PHOTOS}::test_a_folder_gives_its_photos_by_name_and_counts_the_rest",
    "a file of another kind by name": f"{PHOTOS}::test_a_file_of_another_kind_is_refused_by_name",
    "a truncated or empty file": "npu_deliver/staging/test_stage.py::test_wrong_inputs_are_told",
    "any name": "npu_deliver/staging/test_names.py::test_any_name_of_a_photo_ends_in_a_deliverable_that_holds_together",
    "control and direction characters": f"{PHOTOS}::test_a_name_keeps_its_letters_and_loses_what_means_something_else",
}
"""How a row begins → the test that holds it, below tests/unit."""


def rows() -> list[str]:
    """The first cell of each row."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in lines if not re.match(r"\| (?:what|---)", line)]
    assert len(cells) > 40
    return cells


def test_each_row_has_one_test_and_each_test_a_row() -> None:
    found = {row: [begin for begin in TESTS if row.startswith(begin)] for row in rows()}
    assert {row: begins for row, begins in found.items() if len(begins) != 1} == {}
    assert sorted(begin for begins in found.values() for begin in begins) == sorted(TESTS)


@pytest.mark.parametrize("test", sorted(set(TESTS.values())))
def test_the_tests_are_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"\ndef {name}(" in (ROOT / "tests/unit" / path).read_text(encoding="utf-8")
