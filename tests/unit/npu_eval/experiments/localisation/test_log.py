from __future__ import annotations

import samples
from npu_eval.experiments.localisation.log import SHOWN, localisation_lines
from npu_eval.records.log import log_text


def test_the_log_names_the_worst_operator_first_with_its_evidence() -> None:
    lines = localisation_lines(samples.localisation_data(), [samples.criterion()])
    start = lines.index("worst first")
    assert lines[start + 3].split()[:4] == ["layer3.conv", "aten::convolution", "3", "0"]
    assert lines[start + 3].endswith("fault")
    assert "operators 4: ok 1, hf32 1, fault 2" in lines
    assert any("argument 2 instead of 1" in line for line in lines)
    assert any(line.split()[:2] == ["logits", "within-criteria"] for line in lines)


def test_a_model_without_differences_says_so() -> None:
    data = samples.localisation_data(operators=(samples.located(0),))
    assert localisation_lines(data, [samples.criterion()])[-1] == "no operator differs by more than float32 itself does"


def test_a_long_list_is_cut_and_says_of_how_many() -> None:
    operators = tuple(samples.located(i, cause="hf32") for i in range(SHOWN + 5))
    lines = localisation_lines(samples.localisation_data(operators=operators), [samples.criterion()])
    assert f"the {SHOWN} of {SHOWN + 5} that differ, worst first" in lines


def test_the_whole_log_is_that_of_its_record() -> None:
    text = log_text(samples.localisation_record(), samples.eval_spec().criteria)
    assert text.startswith("Localisation: the operators that differ from the reference, and why\n")
    assert text.endswith("exit code  0\n")
