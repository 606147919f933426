"""Which ways to compile are offered, why not, and that what is read back is of the model alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import samples
from contexts import context
from npu_deliver.words import phrase_words as told
from npu_eval.notation.phrases import NOTHING
from npu_eval.under_test import compiling
from npu_eval.under_test.bench import Bench, make_bench
from npu_eval.under_test.compiling import Backend, BackendError
from npu_eval.under_test.switches import Place, switch_named, switches_of

AOT = Backend("aot_eager")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    compiling._forget()
    yield
    compiling._forget()


@pytest.fixture
def torch_npu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a torch_npu that is only pretended; it has every generator and TorchAir."""
    module: Any = ModuleType("torch_npu")
    module.__file__, module.__version__ = str(tmp_path / "torch_npu" / "__init__.py"), "2.9.0"
    for part in ("_inductor/dvm", "_inductor/ascend_npu_ir", "_inductor/ascendc", "dynamo/torchair"):
        (tmp_path / "torch_npu" / part).mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "torch_npu", module)
    return tmp_path / "torch_npu"


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers backends for one test."""
    import torch._dynamo.backends.registry as registry

    def call(name: str, function: Any) -> None:
        monkeypatch.setitem(registry._BACKENDS, name, None)
        monkeypatch.setitem(registry._COMPILER_FNS, name, function)

    return call


def bench_of(tmp_path: Path) -> Bench:
    return make_bench(context(tmp_path))


def test_what_was_compiled_is_read_back(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    assert compiling.reading(bench, AOT) == "off"
    expected = bench.call(1)
    compiling.turn_on(bench, AOT)
    assert not compiling.took(compiling.reading(bench, AOT))  # nothing of the model was compiled yet
    found = bench.call(1)
    assert compiling.reading(bench, AOT) == "1 graphs"
    assert compiling.took(compiling.reading(bench, AOT))
    assert all(torch.allclose(found[name], expected[name]) for name in expected)


def test_a_generator_that_was_not_loaded_did_not_take(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    compiling.turn_on(bench, AOT)
    bench.call(1)
    said = compiling.reading(bench, Backend("aot_eager", "dvm"))
    assert said == "1 graphs, without dvm"
    assert not compiling.took(said)


@pytest.mark.parametrize(
    ("said", "took"),
    [("off", False), ("0 graphs", False), ("2 graphs", True), ("2 graphs, 1 not captured", True),
     ("2 graphs, 2 not captured", False)],
)  # fmt: skip
def test_a_graph_that_nobody_captured_is_none(said: str, took: bool) -> None:
    assert compiling.took(said) is took


def test_a_backend_that_cannot_is_refused_in_its_own_words(register: Any, tmp_path: Path) -> None:
    def breaks(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("Failed to find function aclmdlRICaptureBegin\n[ERROR] a time and a process")

    register("breaks", breaks)
    bench = bench_of(tmp_path)
    with pytest.raises(BackendError, match=r"'breaks' fails on a small product: .*aclmdlRICaptureBegin") as refused:
        compiling.turn_on(bench, Backend("breaks"))
    assert bench.forward is None
    assert "torch.compile 的后端 'breaks'" in told(refused.value.how, "zh")


def test_a_backend_that_computes_something_else_is_refused(register: Any) -> None:
    register("wrong", lambda graph, inputs: lambda *given: (graph(*given)[0] + 1,))
    with pytest.raises(BackendError, match="'wrong' computes a wrong small product"):
        compiling.prove(Backend("wrong"), "cpu")


def test_what_is_not_registered_is_refused_with_the_versions(torch_npu: Path) -> None:
    why = compiling.refusal(Backend("npugraphs"))
    assert (
        str(why)
        == f"torch {torch.__version__} with torch_npu 2.9.0 registered no backend 'npugraphs' for torch.compile"
    )
    assert "没有为 torch.compile 注册后端" in told(why, "zh")
    assert compiling.refusal(compiling.INDUCTOR) == compiling.refusal(AOT) == NOTHING


def test_what_torch_npu_lacks_is_found_in_its_folder(torch_npu: Path, register: Any) -> None:
    register("npu", lambda graph, inputs: graph)
    asked = (Backend("npu"), Backend("inductor", "dvm"), Backend("inductor", "mlir"))
    assert [compiling.refusal(backend) for backend in asked] == [NOTHING] * 3
    (torch_npu / "dynamo" / "torchair").rmdir()
    (torch_npu / "_inductor" / "dvm").rmdir()
    torchair, dvm, mlir = (compiling.refusal(backend) for backend in asked)
    assert torchair.code == "no-torchair"
    assert "has no code generator 'dvm'" in str(dvm)
    assert not mlir
    assert all(told(why, "zh") != str(why) for why in (torchair, dvm))


def test_a_backend_that_nobody_expected_is_found(torch_npu: Path, register: Any) -> None:
    def novel(graph: Any, inputs: Any) -> Any:
        return graph

    novel.__module__ = "torch_npu.dynamo"
    register("novel", novel)
    register("somebody_elses", lambda graph, inputs: graph)
    assert compiling.on_npu() == (*compiling.EXPECTED, Backend("novel"))
    switch = switch_named("compile-novel", object())
    place = Place(device=samples.device_facts(), network=nn.Identity(), dtype="float32", threads=1)
    assert not switch.needs(place)
    assert switch.default_at(place) == "off"


def test_nothing_of_torch_npu_is_offered_where_there_is_none() -> None:
    assert compiling.on_npu() == ()
    assert [s.name for s in switches_of(object()) if s.name.startswith("compile")] == ["compile"]
