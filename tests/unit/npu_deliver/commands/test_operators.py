"""What a process said of a model's operators is found among whatever its libraries print."""

from __future__ import annotations

import pytest

from npu_deliver.commands.operators import answer_in
from npu_deliver.errors import StepError

TOLD = '{"operators": [], "versions": {"torch_npu": "2.7.1"}}'


@pytest.mark.parametrize("noise", ["", "[W] a line at the end\n", "{}\n17\n"])
def test_the_answer_is_found_before_what_a_library_prints_at_its_end(noise: str) -> None:
    assert answer_in(f"[W] a line\n{TOLD}\n{noise}", "tiny")["versions"] == {"torch_npu": "2.7.1"}


def test_no_answer_is_told_in_a_line() -> None:
    with pytest.raises(StepError, match="tiny: told nothing of its operators"):
        answer_in("[W] a line\n", "tiny")
