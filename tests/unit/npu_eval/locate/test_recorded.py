from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from npu_eval.errors import RecordError
from npu_eval.locate import locate, locate_from
from npu_eval.locate.record import state_of
from npu_eval.locate.recorded import Words, _decoded, _encoded, recording_of, recording_text
from npu_eval.locate.run import record_reference
from npu_eval.locate.values import Ref


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        x = self.norm(self.conv(x)).clamp(-math.inf, 6.0)
        return OrderedDict(logits=self.fc(x.mean((2, 3))), largest=x.flatten(1).topk(2).values)


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


IMAGE = (torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)),)


def carried(folder: Path) -> str:
    made = record_reference(net().double(), IMAGE, folder)
    return recording_text(made, input="x.png")


def test_what_was_carried_over_finds_what_a_direct_run_finds(tmp_path: Path) -> None:
    text = carried(tmp_path)
    found, facts = recording_of(text, tmp_path / "values", state_of(net().double()), "operators.json")
    assert facts == {"input": "x.png"}
    assert recording_text(found, **facts) == text
    faulty = net()
    with torch.no_grad():
        faulty.fc.bias[1] += 0.5
    direct = locate(net().double(), faulty, IMAGE)
    assert locate_from(found, faulty, IMAGE) == direct
    assert [f.module for f in direct if f.cause == "fault"] == ["fc"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(schema="npu-deliver/operators/2"), "schema 'npu-deliver/operators/2' is not"),
        (lambda c: c["operators"][0].update(name="aten::nothing"), "the operator aten::nothing is not known to torch"),
        (lambda c: c["operators"][0].update(scope=99), "is no recording of operators"),
        (lambda c: c["operators"][0].update(args={"pickle": "x"}), "is no recording of operators"),
        (lambda c: c.pop("places"), "is no recording of operators"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, change: Any, said: str) -> None:
    content = json.loads(carried(tmp_path))
    change(content)
    with pytest.raises(RecordError, match=said) as told:
        recording_of(json.dumps(content), tmp_path / "values", {}, "operators.json")
    assert "\n" not in str(told.value)


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.sampled_from([torch.float64, torch.int8, torch.strided, torch.channels_last, torch.device("cpu"),
                       Ref("value", 3, "", torch.bfloat16, (2, 3), (3, 1), 0), Words("object()")])
)  # fmt: skip
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner)
)


@given(values)
def test_any_argument_comes_back_as_it_was(value: Any) -> None:
    text = json.dumps(_encoded(value), allow_nan=False)
    assert repr(_decoded(json.loads(text))) == repr(value)
