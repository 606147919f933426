"""The simulator itself: what it claims to be real is torch_npu's own, and what it simulates follows the knobs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simnpu import simulator
from simnpu.conftest import Machine

pytestmark = pytest.mark.slow

MARK = "[SIMULATED NPU]"
MIXED = re.compile(r"same device|NPU tensor|NPUStorageImpl")
"""Common to the texts of all releases of torch_npu for tensors of two devices."""

PRELUDE = """
import json, time, torch, torch_npu
npu = torch.npu
def said(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"
"""


def answers(machine: Machine, code: str, **options: Any) -> dict[str, Any]:
    """What a program that ends with ``print(json.dumps(…))`` says; ``stderr`` is added."""
    done = machine.python(PRELUDE + code, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return {**json.loads(done.stdout.splitlines()[-1]), "stderr": done.stderr}


@pytest.fixture(scope="module")
def bare(simnpu: Callable[..., Machine]) -> dict[str, Any]:
    """torch_npu on the stub alone: everything that needs no kernel."""
    return answers(
        simnpu(kernels=False, memory_mib=64),
        """
layer, photo = torch.nn.Conv2d(1, 1, 3), torch.empty(1, 1, 8, 8, device="npu:0")
kept = torch.empty(3 << 20, dtype=torch.uint8, device="npu:1")
print(json.dumps({
    "count": npu.device_count(), "name": npu.get_device_name(0), "cann": npu.utils.get_cann_version(),
    "hf32": [npu.conv.allow_hf32, npu.matmul.allow_hf32],
    "allocated": [npu.memory_allocated(0), npu.memory_allocated(1)],
    "mixed": said(lambda: layer(photo)),
    "no device": said(lambda: torch.empty(1, device="npu:2")),
    "full": said(lambda: torch.empty(1 << 27, dtype=torch.uint8, device="npu:0")),
    "channels last": said(lambda: torch.ones(1, 3, 4, 4).to("npu:0", memory_format=torch.channels_last)),
}))
""",
    )


def test_the_wheel_is_untouched(simnpu: Callable[..., Machine]) -> None:
    import base64
    import csv
    import hashlib

    wheel = simulator.prepare().wheel
    (listed,) = wheel.glob("torch_npu-*.dist-info/RECORD")
    for name, digest, _ in csv.reader(listed.read_text().splitlines()):
        if name.startswith("torch_npu/") and name.endswith((".so", ".py")) and digest:
            found = hashlib.sha256((wheel / name).read_bytes()).digest()
            assert digest == "sha256=" + base64.urlsafe_b64encode(found).decode().rstrip("="), name


def test_what_the_stub_answers_is_told_by_torch_npu(bare: dict[str, Any]) -> None:
    assert (bare["count"], bare["name"], bare["cann"]) == (2, "Ascend910B2", "8.5.0.simulated")
    assert bare["hf32"] == [True, False], "torch_npu's own defaults: conv on, matmul off"
    small, large = bare["allocated"]
    assert small % 512 == 0
    assert large - (3 << 20) in range(1024), "the real caching allocator's rounding, per device"


def test_the_errors_are_torch_npus(bare: dict[str, Any]) -> None:
    assert MIXED.search(bare["mixed"])
    assert "107001" in bare["no device"] or "Invalid device" in bare["no device"]
    assert "NPU out of memory. Tried to allocate" in bare["full"]
    assert "contiguous_format or preserve_format" in bare["channels last"]


def test_the_simulation_says_so(bare: dict[str, Any]) -> None:
    assert f"{MARK} stub of the CANN runtime: 2 device(s)" in bare["stderr"]


@pytest.fixture(scope="module")
def computing(simnpu: Callable[..., Machine]) -> dict[str, Any]:
    """With kernels, on the second of two devices."""
    return answers(
        simnpu(latency_us=2000),
        """
torch.manual_seed(0)
device = torch.device("npu:1")
def error(layer, *values, **switches):
    npu.conv.allow_hf32, npu.matmul.allow_hf32 = switches.get("conv", False), switches.get("matmul", False)
    with torch.no_grad():
        expected, found = layer(*values), layer.to(device)(*(v.to(device) for v in values)).cpu()
    layer.cpu()
    npu.conv.allow_hf32 = npu.matmul.allow_hf32 = False
    return ((found - expected).norm() / expected.norm()).item()
conv, photo = torch.nn.Conv2d(8, 8, 3), torch.randn(1, 8, 16, 16)
linear, batch = torch.nn.Linear(64, 64), torch.randn(4, 64)
errors = [error(conv, photo), error(conv, photo, conv=True), error(linear, batch), error(linear, batch, matmul=True)]
x = torch.ones(8, device=device)
start, end = npu.Event(enable_timing=True), npu.Event(enable_timing=True)
with npu.device(device):
    npu.synchronize(device)
    began = time.perf_counter()
    start.record()
    for _ in range(50):
        x = x + 1
    end.record()
    early = time.perf_counter() - began
    npu.synchronize(device)
    late = time.perf_counter() - began
    measured = start.elapsed_time(end) / 1e3
training, wanted = torch.nn.Linear(4, 1), torch.nn.Linear(4, 1)
wanted.load_state_dict(training.state_dict())
for model, where in ((training.to(device), device), (wanted, "cpu")):
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        model(torch.ones(2, 4, device=where)).square().mean().backward()
        optimiser.step()
npu.set_device(device)
npu.manual_seed(5)
first = torch.rand(4, device=device).cpu()
npu.manual_seed(5)
again = torch.rand(4, device=device).cpu()
torch.manual_seed(5)
print(json.dumps({
    "errors": errors, "clock": [early, late, measured],
    "trained": [training.weight.tolist(), wanted.weight.tolist()],
    "random": [first.tolist(), again.tolist(), torch.rand(4).tolist()],
    "two devices": said(lambda: torch.ones(2, device="npu:0") + torch.ones(2, device="npu:1")),
    "host tensor": said(lambda: x + torch.ones(8)), "scalar": (x + torch.tensor(1.0)).cpu().tolist(),
    "view": (lambda a: (a.t()[1].add_(1), a.cpu().tolist())[1])(torch.zeros(2, 2, device=device)),
    "strides": list(torch.ones(1, 2, 3, 3, device=device).to(memory_format=torch.contiguous_format).stride()),
}))
""",
    )


def test_hf32_follows_the_programs_own_switches(computing: dict[str, Any]) -> None:
    conv_off, conv_on, matmul_off, matmul_on = computing["errors"]
    assert conv_off == matmul_off == 0.0, "bit for bit the CPU's"
    for found in (conv_on, matmul_on):
        assert 3e-5 < found < 5e-4, "11 explicit bits of the mantissa: some 1e-4"


def test_a_host_that_does_not_synchronise_reads_the_clock_too_early(computing: dict[str, Any]) -> None:
    early, late, measured = computing["clock"]
    assert late >= 0.1, "50 kernels of 2 ms"
    assert early < late / 2
    assert 0.09 <= measured <= late + 0.05


def test_it_trains_as_the_cpu_does(computing: dict[str, Any]) -> None:
    found, expected = computing["trained"]
    assert found[0] == pytest.approx(expected[0], rel=1e-6)


def test_its_random_numbers_are_seeded_and_not_the_cpus(computing: dict[str, Any]) -> None:
    first, again, cpu = computing["random"]
    assert first == again
    assert first != cpu


def test_tensors_of_two_devices_do_not_mix(computing: dict[str, Any]) -> None:
    for case in ("two devices", "host tensor"):
        assert MIXED.search(computing[case])
        assert computing[case].rstrip().splitlines()[0].endswith(MARK) or MARK in computing[case]
    assert computing["scalar"] == [52.0] * 8, "a number may come from the CPU"


def test_a_view_shares_its_memory(computing: dict[str, Any]) -> None:
    assert computing["view"] == [[0.0, 1.0], [0.0, 1.0]]
    assert computing["strides"] == [18, 9, 3, 1]


def test_faults_are_injected_by_operator(simnpu: Callable[..., Machine]) -> None:
    found = answers(
        simnpu(faults={"aten::relu": "nan", "aten::exp": "error", "aten::cumsum": "real"}),
        """
x = torch.ones(3, device="npu:0")
print(json.dumps({"nan": x.relu().isnan().all().item(), "error": said(x.exp),
                  "real": said(lambda: (x.cumsum(0), npu.synchronize())), "rest": x.add(1).cpu().tolist()}))
""",
        ASCEND_LAUNCH_BLOCKING="1",
    )
    assert found["nan"] is True
    assert "aten::exp: NPU function error" in found["error"]
    assert "aclnnCumsum" in found["real"], "torch_npu's own words about an operator that CANN refuses"
    assert "161002" in found["real"]


def test_an_older_soc_computes_float32_products_in_float16(simnpu: Callable[..., Machine]) -> None:
    found = answers(
        simnpu(soc="Ascend310P3"),
        """
torch.manual_seed(0)
left, right = torch.randn(32, 32), torch.randn(32, 32)
expected, found = left @ right, (left.to("npu:0") @ right.to("npu:0")).cpu()
print(json.dumps({"error": ((found - expected).norm() / expected.norm()).item(), "bf16": npu.is_bf16_supported()}))
""",
    )
    assert 1e-4 < found["error"] < 1e-3, "10 bits of the mantissa"
    assert found["bf16"] is False, "torch_npu's own table"


def test_kernels_are_refused_to_a_library_without_the_mark(tmp_path: Path, simnpu: Callable[..., Machine]) -> None:
    import ctypes

    library = ctypes.CDLL(str(simulator.prepare().kernels))
    library.simnpu_install.argtypes = (
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double, ctypes.c_char_p, ctypes.c_char_p,
    )  # fmt: skip
    why = ctypes.create_string_buffer(512)
    assert library.simnpu_install(None, None, None, 0.0, b"", why) == -1
    assert b"refusing to replace kernels" in why.value


def test_nothing_is_simulated_beside_a_real_npu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda path, pattern: iter([path / "davinci0"]))
    with pytest.raises(simulator.NotHereError, match="device nodes"):
        simulator.prepare.__wrapped__()
