from __future__ import annotations

import torch

from npu_eval.locate.choices import judge_choice
from npu_eval.notation.phrases import NOTHING


def test_ties_may_come_in_another_order() -> None:
    x = torch.tensor([[3.0, 1.0, 3.0, 2.0]])
    values = torch.tensor([[3.0, 3.0]])
    error, words = judge_choice(
        "aten::topk", (x, 2), [values, torch.tensor([[0, 2]])], [values, torch.tensor([[2, 0]])]
    )
    assert error == 0.0
    assert str(words) == "2 of 2 indices differ"


def test_an_index_that_leads_elsewhere_is_an_error() -> None:
    x = torch.tensor([[3.0, 1.0, 3.0, 2.0]])
    values = torch.tensor([[3.0, 3.0]])
    error, _ = judge_choice("aten::topk", (x, 2), [values, torch.tensor([[0, 2]])], [values, torch.tensor([[0, 1]])])
    assert error > 0.3


def test_nms_is_a_set() -> None:
    kept, other = torch.tensor([4, 1, 7]), torch.tensor([7, 4, 1])
    assert judge_choice("torchvision::nms", (), [kept], [other]) == (0.0, NOTHING)
    error, words = judge_choice("torchvision::nms", (), [kept], [torch.tensor([4, 1])])
    assert error == 1 / 3
    assert str(words) == "1 chosen by the reference only and 0 by the candidate only"


def test_nonzero_is_a_set_of_rows() -> None:
    rows = torch.tensor([[0, 1], [2, 3]])
    assert judge_choice("aten::nonzero", (), [rows], [rows.flip(0)])[0] == 0.0
    assert judge_choice("aten::nonzero", (), [rows], [rows.flip(1)])[0] == 1.0


def test_arg_max_may_take_either_of_two_equal_values() -> None:
    x = torch.tensor([[1.0, 5.0, 5.0]])
    assert judge_choice("aten::argmax", (x, 1), [torch.tensor([1])], [torch.tensor([2])])[0] == 0.0
    assert judge_choice("aten::argmax", (x, 1), [torch.tensor([1])], [torch.tensor([0])])[0] > 0.5
    assert judge_choice("aten::argmax", (x,), [torch.tensor(1)], [torch.tensor(2)])[0] == 0.0
