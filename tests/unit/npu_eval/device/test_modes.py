from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from npu_eval.asked.spec import NUMERIC_MODES
from npu_eval.device import modes as device_modes
from npu_eval.device.modes import read_modes, set_modes


class FakeNpu:
    """The switches of `torch.npu`, as torch_npu 2.7 to 2.14 have them."""

    def __init__(self) -> None:
        self.conv = types.SimpleNamespace(allow_hf32=True)
        self.matmul = types.SimpleNamespace(allow_hf32=False)
        self.config = types.SimpleNamespace()
        self.jit = False

    def is_jit_compile_false(self) -> bool:
        return not self.jit

    def set_compile_mode(self, *, jit_compile: bool) -> None:
        self.jit = jit_compile


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    kept = torch.are_deterministic_algorithms_enabled(), torch.backends.cuda.matmul.allow_tf32
    yield
    torch.use_deterministic_algorithms(kept[0])
    torch.backends.cuda.matmul.allow_tf32 = kept[1]


def test_the_defaults_of_an_npu_are_read_not_assumed() -> None:
    assert read_modes("npu", FakeNpu()) == {
        "deterministic": "off", "hf32_conv": "on", "hf32_matmul": "off", "jit_compile": "off",
    }  # fmt: skip


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("name", ["hf32_conv", "hf32_matmul", "jit_compile", "deterministic"])
def test_each_switch_of_an_npu_is_set_and_read_back(name: str, on: bool) -> None:
    assert set_modes("npu", FakeNpu(), {name: on})[name] == ("on" if on else "off")


def test_a_switch_that_does_not_move_is_read_as_it_is() -> None:
    class Stuck(FakeNpu):
        def set_compile_mode(self, *, jit_compile: bool) -> None:
            """Accepted and forgotten."""

    assert set_modes("npu", Stuck(), {"jit_compile": True})["jit_compile"] == "off"


def test_what_a_device_does_not_have_is_not_among_its_modes() -> None:
    found = set_modes("cpu", None, dict.fromkeys(NUMERIC_MODES, True))
    assert found["deterministic"] == "on"
    assert not {"hf32_conv", "tf32_conv", "jit_compile"} & set(found)


def test_cuda_has_tf32() -> None:
    assert set_modes("cuda", torch.cuda, {"tf32_matmul": True})["tf32_matmul"] == "on"
    assert set_modes("cuda", torch.cuda, {"tf32_matmul": False})["tf32_matmul"] == "off"


@pytest.mark.parametrize(("told", "found"), [(b"enable", "on"), (b"disable", "off"), (b"", None)])
def test_the_internal_format_is_read_where_torch_npu_tells_it(
    told: bytes, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    library: Any = types.SimpleNamespace(_C=types.SimpleNamespace(_npu_getOption=lambda name: told))
    monkeypatch.setitem(sys.modules, "torch_npu", library)
    npu = FakeNpu()
    assert set_modes("npu", npu, {"internal_format": False}).get("internal_format") == found
    assert npu.config.allow_internal_format is False


def test_every_mode_that_a_spec_may_name_can_be_set() -> None:
    assert {name for _, name in device_modes._SETTERS} == set(NUMERIC_MODES)
