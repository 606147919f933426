from __future__ import annotations

import builtins
import importlib.util
import re
import sys
import types
from typing import Any

import pytest
import torch

from npu_eval.device import device as devices
from npu_eval.device.device import Times, best_device, is_out_of_memory, open_device, timed, timed_with_events
from npu_eval.errors import DeviceError
from npu_eval.npu import evidence as npu_evidence
from npu_eval.npu import probe as npu_probe


def refusal(requested: str) -> str:
    with pytest.raises(DeviceError) as caught:
        open_device(requested)
    line = str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in line
    return line


# --- the CPU ---------------------------------------------------------------------------------------------------------


def test_the_cpu_opens_proves_itself_and_tells_what_it_is() -> None:
    cpu = open_device("cpu")
    assert cpu.name == "cpu"
    assert cpu.facts().kind == "cpu"
    assert cpu.facts().description == npu_evidence.cpu_model()
    assert cpu.numeric_modes()["float32_matmul_precision"] == torch.get_float32_matmul_precision()
    cpu.reset_peak_memory()
    assert cpu.peak_memory() is None, "the CPU allocator counts nothing, and that is not zero"


def test_modes_are_read_back_not_remembered() -> None:
    cpu = open_device("cpu")
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        assert cpu.numeric_modes()["float32_matmul_precision"] == "high"
        torch._C._set_deterministic_algorithms(True)  # what use_deterministic_algorithms does, without its import
        assert cpu.numeric_modes()["deterministic"] == "on"
    finally:
        torch._C._set_deterministic_algorithms(False)
        torch.set_float32_matmul_precision(before)
    assert cpu.numeric_modes()["deterministic"] == "off"


def test_a_cpu_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_Cpu", lambda: types.SimpleNamespace(name="cpu", synchronize=lambda: None))
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: a + b)
    assert refusal("cpu") == "cpu: computes a wrong product: [[2.0, 4.0], [6.0, 8.0]]; do not use it"


# --- what is not there -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "gpu", "CPU", "npu:", "npu:x", "npu:-1", "cuda:0 ", "cpu\n", "cuda:0,1", "mps"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    assert refusal(name).endswith("is unknown; use auto, cpu, cuda:0 or npu:0")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_on_a_machine_without_it_is_refused(name: str) -> None:
    assert re.search("no cuda device is visible|built without CUDA", refusal(name))


def test_an_npu_without_torch_npu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_npu", None)
    line = refusal("npu:0")
    assert line.startswith("npu: torch_npu is not installed; ")
    assert "DEVICE=cpu" in line


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libhccl.so: cannot open shared object file: No such file or directory"),
        OSError("libascendcl.so: cannot open\nshared object file"),
        RuntimeError("torch version mismatch"),
    ],
)
def test_a_torch_npu_that_does_not_load_says_why(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch_npu", raising=False)
    real = builtins.__import__

    def importing(name: str, *args: Any, **options: Any) -> Any:
        if name == "torch_npu":
            raise error
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", importing)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    line = refusal("npu")
    assert line.startswith("npu: torch_npu ")
    assert "set_env.sh" in line
    assert (re.findall(r"lib\w+", str(error)) or [str(error)])[0] in line


def test_a_cuda_build_of_torch_is_tried_in_another_process_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch_npu", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    failure = npu_probe.Failure(what="torch 2.14.1+cu130 is a CUDA build", fix="install the CPU build")
    monkeypatch.setattr(npu_probe, "probe", lambda: npu_probe.Report(facts={}, failure=failure))
    assert refusal("npu:0") == "npu: torch 2.14.1+cu130 is a CUDA build; install the CPU build"


def test_cuda_asked_of_a_build_without_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert f"torch {torch.__version__} is built without CUDA" in refusal("cuda:0")


# --- auto ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "npu", "cuda", "best"),
    [
        ((), False, False, "cpu"),
        ((), True, True, "cuda:0"),  # torch_npu without device nodes is not even imported
        (("/dev/davinci0",), True, True, "npu:0"),
        (("/dev/davinci0",), False, True, "cuda:0"),
        (("/dev/davinci0",), False, False, "cpu"),
    ],
)
def test_auto_takes_the_best_that_is_there(
    nodes: tuple[str, ...],
    npu: bool,
    cuda: bool,
    best: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(npu_evidence, "device_nodes", lambda: nodes)
    monkeypatch.setattr(devices, "_module", lambda kind: types.SimpleNamespace(is_available=lambda: npu))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert best_device() == best


def test_a_broken_torch_npu_beside_real_nodes_is_no_reason_to_take_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npu_evidence, "device_nodes", lambda: ("/dev/davinci0",))
    monkeypatch.setitem(sys.modules, "torch_npu", None)
    assert "torch_npu is not installed" in refusal("auto")


# --- an accelerator --------------------------------------------------------------------------------------------------


class FakeAccelerator:
    """What `torch.cuda` and `torch.npu` offer, on no hardware."""

    def __init__(self, count: int = 2, *, available: bool = True) -> None:
        self.count, self.available = count, available
        self.calls: list[tuple[str, Any]] = []
        self.conv = types.SimpleNamespace(allow_hf32=True)
        self.matmul = types.SimpleNamespace(allow_hf32=False)

    def is_available(self) -> bool:
        return self.available

    def device_count(self) -> int:
        return self.count

    def set_device(self, index: int) -> None:
        self.calls.append(("set_device", index))

    def synchronize(self, index: int) -> None:
        self.calls.append(("synchronize", index))

    def reset_peak_memory_stats(self, index: int) -> None:
        self.calls.append(("reset", index))

    def max_memory_allocated(self, index: int) -> int:
        return 1000 + index

    def get_device_properties(self, index: int) -> Any:
        return types.SimpleNamespace(total_memory=2**35 + index)

    def get_device_name(self, index: int) -> str:
        return f"Ascend910B{index}"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeAccelerator:
    """A machine with two accelerators whose tensors are the CPU's."""
    module = FakeAccelerator()
    monkeypatch.setattr(devices, "_module", lambda kind: module)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
    return module


def test_an_accelerator_is_chosen_proven_and_described(fake: FakeAccelerator) -> None:
    npu = open_device("npu:1")
    assert npu.name == "npu:1"
    assert fake.calls == [("set_device", 1), ("synchronize", 1)]
    facts = npu.facts()
    assert (facts.kind, facts.description, facts.soc) == ("npu", "Ascend910B1", "Ascend910B1")
    assert facts.memory_bytes == 2**35 + 1
    assert facts.evidence == npu_evidence.collect_proof().verdict != "real"
    assert npu.peak_memory() == 1001
    npu.reset_peak_memory()
    npu.synchronize()
    assert fake.calls[-2:] == [("reset", 1), ("synchronize", 1)]


def test_a_name_without_a_number_is_the_first_device(fake: FakeAccelerator) -> None:
    assert open_device("cuda").name == "cuda:0"
    assert fake.calls[0] == ("set_device", 0)


def test_modes_of_an_npu_name_hf32(fake: FakeAccelerator) -> None:
    modes = open_device("npu").numeric_modes()
    assert modes == {"deterministic": "off", "hf32_conv": "on", "hf32_matmul": "off"}
    fake.is_jit_compile_false = lambda: True  # type: ignore[attr-defined]  # newer torch_npu
    assert open_device("npu").numeric_modes()["jit_compile"] == "off"


def test_autocast_is_read_back_once_it_is_asked_for() -> None:
    cpu = open_device("cpu")
    assert "autocast" not in cpu.numeric_modes()
    assert cpu.set_numeric_modes({"autocast": "bfloat16"})["autocast"] == "bfloat16"
    assert cpu.set_numeric_modes({})["autocast"] == "bfloat16"
    assert cpu.set_numeric_modes({"autocast": "float64"})["autocast"] == "off", "the device does not take it"
    assert "autocast" not in open_device("cpu").numeric_modes()


def test_modes_of_cuda_name_tf32(fake: FakeAccelerator) -> None:
    modes = open_device("cuda").numeric_modes()
    assert modes["tf32_conv"] == ("on" if torch.backends.cudnn.allow_tf32 else "off")
    assert set(modes) == {"deterministic", "tf32_matmul", "tf32_conv"}
    assert open_device("cuda").facts().soc is None


def test_an_index_beyond_the_last_names_what_there_is(fake: FakeAccelerator) -> None:
    assert refusal("npu:2") == (
        "npu:2: there is no such device; 2 visible: npu:0, npu:1; use npu:0, npu:1"
    )  # fmt: skip
    assert fake.calls == []


@pytest.mark.parametrize(("count", "available"), [(0, True), (2, False)])
def test_no_visible_device_is_refused(fake: FakeAccelerator, count: int, available: bool) -> None:
    fake.count, fake.available = count, available
    assert refusal("npu:0").startswith("npu:0: no npu device is visible; check npu-smi info")


def test_a_device_that_cannot_be_set_is_refused_and_no_bug_of_ours(
    fake: FakeAccelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(index: int) -> None:
        raise RuntimeError("error code 507033\n[Error]: the device is busy")

    monkeypatch.setattr(fake, "set_device", busy)
    assert refusal("npu:0").startswith("npu:0: cannot be used (error code 507033 [Error]: the device is busy); check")


def test_a_device_that_fails_to_compute_is_refused(fake: FakeAccelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(index: int) -> None:
        raise RuntimeError("EZ9999: Inner Error!\n\tTraceback")

    monkeypatch.setattr(fake, "synchronize", fail)
    assert refusal("npu:0").startswith("npu:0: does not compute (EZ9999: Inner Error! Traceback); check npu-smi info")


def test_a_device_that_computes_a_wrong_product_is_refused(
    fake: FakeAccelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: tensor + torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    assert refusal("npu:1") == "npu:1: computes a wrong product: [[7.0, 10.0], [15.0, 23.0]]; do not use it"


# --- the clock -------------------------------------------------------------------------------------------------------


def test_the_device_is_synchronised_before_both_readings_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    readings = iter([10.0, 10.25])

    def clock() -> float:
        events.append("clock")
        return next(readings)

    def call() -> str:
        events.append("call")
        return "result"

    device: Any = types.SimpleNamespace(synchronize=lambda: events.append("synchronize"))
    monkeypatch.setattr(devices.time, "perf_counter", clock)
    assert timed(device, call) == (0.25, "result")
    assert events == ["synchronize", "clock", "call", "synchronize", "clock"]


class FakeEvent:
    """An event of a device whose clock the test sets."""

    now_ms = 0.0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at_ms = FakeEvent.now_ms

    def elapsed_time(self, end: FakeEvent) -> float:
        return end.at_ms - self.at_ms


def test_events_of_the_device_measure_beside_the_clock(fake: FakeAccelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.Event = FakeEvent  # type: ignore[attr-defined]
    monkeypatch.setattr(torch, "get_device_module", lambda kind: fake)
    device = open_device("npu:0")
    readings = iter([10.0, 10.125, 10.5])
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(readings))

    def call() -> str:
        FakeEvent.now_ms += 250.0
        return "result"

    fake.calls.clear()
    assert timed_with_events(device, call) == (Times(wall_s=0.5, enqueue_s=0.125, device_s=0.25), "result")
    assert fake.calls == [("synchronize", 0)] * 2


def test_a_cpu_has_no_events() -> None:
    times, result = timed_with_events(open_device("cpu"), lambda: "result")
    assert result == "result"
    assert (times.enqueue_s, times.device_s) == (None, None)
    assert times.wall_s > 0


def test_an_error_of_the_call_is_not_swallowed() -> None:
    def call() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        timed(open_device("cpu"), call)


# --- full memory -----------------------------------------------------------------------------------------------------


def test_this_machines_own_allocator_says_that_memory_is_full() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError("whatever"), True),
        (RuntimeError("NPU out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_full_memory_is_told_from_other_errors(error: BaseException, full: bool) -> None:
    assert is_out_of_memory(error) is full
