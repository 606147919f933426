from __future__ import annotations

import copy

import torch
from torch import nn

from npu_eval.models import autocasting
from npu_eval.models.adapter import checked_forward
from tiny_model import TinyClassifier


def test_a_forward_pass_of_the_model_that_carries_it_is_cast_and_no_other() -> None:
    adapter = TinyClassifier()
    plain = adapter.build().eval()
    candidate = copy.deepcopy(plain)
    autocasting.carry(candidate, "cpu", "bfloat16")
    batch = torch.rand(1, 3, 16, 16)
    cast, whole = (checked_forward(adapter, model, batch, "tiny")["logits"] for model in (candidate, plain))
    assert (cast.dtype, whole.dtype) == (torch.bfloat16, torch.float32)
    assert next(candidate.parameters()).dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu"), "nothing is left behind"


def test_what_torch_tells_inside_is_what_is_read() -> None:
    model = nn.Identity()
    assert autocasting.reading(model) == "off"
    for dtype in ("bfloat16", "float16"):
        autocasting.carry(model, "cpu", dtype)
        assert autocasting.reading(copy.deepcopy(model)) == dtype


def test_a_format_that_the_device_refuses_reads_off_without_a_warning() -> None:
    assert autocasting.read("cpu", "float64") == "off"
