"""What a real device could give is left alone; what is beyond its peak, its memory or its rounding is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import samples
from npu_deliver.review.plausibility import device_limits
from npu_eval.agreement.compare import difference
from npu_eval.experiments.performance.data import NetworkWork
from npu_eval.experiments.precision.switching_data import ModeDifference, ModeRun, Switching
from npu_eval.records.provenance import CpuFallback, DeviceFacts

WORK = NetworkWork(flops=4_000_000_000, convolution_flops=3_900_000_000, parameter_bytes=18_608_032)
GPU = DeviceFacts(name="cuda:0", kind="cuda", description="NVIDIA H200", evidence="real", memory_bytes=2**37)


def on(record, device):
    return replace(record, provenance=replace(record.provenance, device=device))


def told(*records):
    found = list(device_limits.remarks({record.kind: record for record in records}))
    return [r.what for r in found if r.certain], [r.what for r in found if not r.certain]


def timed(work=WORK, device=None, **changes):
    runs = (samples.latency_run(1, **changes),)
    data = samples.performance_data(runs=runs, work=work)
    return on(samples.performance_record(data=data), device or samples.device_facts())


def outputs(candidate, *, device=None, floors=None, **provenance):
    """A precision record whose reference is a vector in float64, on the CPU."""
    reference = torch.linspace(-3, 5, 1000, dtype=torch.float64).exp().reshape(1, -1)
    float32 = difference("inputs/cat.jpg", "logits", reference, floors if floors is not None else reference.float())
    found = difference("inputs/cat.jpg", "logits", reference, candidate(reference))
    data = samples.precision_data(differences=(found,), floors=(float32,), repeats=(), switching=None)
    record = on(samples.precision_record(data=data), device or samples.device_facts())
    return replace(record, provenance=replace(record.provenance, **provenance))


def off_by(error):
    noise = torch.randn(1000, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return lambda reference: (reference * (1 + error * noise)).float()


# --- speed and memory ------------------------------------------------------------------------------------------------


def test_the_examples_are_left_alone():
    assert told(*samples.all_records().values()) == ([], [])
    assert told(timed()) == ([], [])


def test_a_call_beyond_the_peak_is_a_doubt_and_far_beyond_it_impossible():
    times = tuple(6e-6 + 1e-9 * ((n * 7) % 31) for n in range(64))  # 660 TFLOP/s
    contradictions, doubts = told(timed(samples_s=times))
    assert contradictions == []
    assert "Ascend910B4 has 354 at its peak (verl" in doubts[0]
    contradictions, _ = told(timed(samples_s=tuple(t / 10 for t in times)))
    assert "batch 1: 6" in contradictions[0]


@pytest.mark.parametrize("device", [
    samples.device_facts(description="Ascend310P3", soc="Ascend310P3"),
    samples.simulated_facts(),
    samples.cpu_facts(),
    replace(GPU, description="NVIDIA GeForce RTX 9090"),
])  # fmt: skip
def test_a_device_of_which_no_peak_is_known_or_which_is_none_is_not_checked(device):
    assert told(timed(device=device, samples_s=(1e-9,) * 64)) == ([], [])


def test_records_without_the_work_are_not_checked():
    assert told(timed(work=None, samples_s=(1e-9,) * 64)) == ([], [])


@pytest.mark.parametrize(("name", "peak"), [
    ("NVIDIA H200", 989e12), ("NVIDIA H20", 148e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA GH200 480GB", None),
])  # fmt: skip
def test_a_gpu_is_known_by_a_whole_word_of_its_name(name, peak):
    assert device_limits.peak_of(replace(GPU, description=name)) == peak


def test_a_peak_below_the_parameters_or_above_the_memory_is_told():
    contradictions, _ = told(timed(peak_memory_bytes=18_000_000))
    assert "its parameters on the device take 18608032" in contradictions[0]
    contradictions, doubts = told(timed(work=None, peak_memory_bytes=18_000_000))
    assert contradictions == []
    assert "its parameters in float32 take 18608032" in doubts[0]
    contradictions, _ = told(timed(peak_memory_bytes=2**40))
    assert "the device has 34359738368" in contradictions[0]
    contradictions, doubts = told(timed(device=GPU, peak_memory_bytes=2**40))
    assert (contradictions, len(doubts)) == ([], 1)
    assert told(timed(peak_memory_bytes=0)) == ([], [])  # torch's caching is turned off, and with it the count
    out = samples.out_of_memory_run(1)
    assert told(timed(**{name: getattr(out, name) for name in ("first_call_s", "samples_s", "ended_by")},
                      peak_memory_bytes=0)) == ([], [])  # fmt: skip


# --- rounding --------------------------------------------------------------------------------------------------------


def exactly(reference):
    return reference.float()


def test_an_npu_that_rounds_as_the_cpu_does_is_a_doubt():
    contradictions, doubts = told(outputs(exactly))
    assert contradictions == []
    assert "are those of float32 on cpu, bit by bit" in doubts[0]


@pytest.mark.parametrize("record", [
    outputs(off_by(1e-7)),
    outputs(off_by(1e-4)),
    outputs(exactly, device=samples.cpu_facts()),
    outputs(exactly, device=samples.simulated_facts()),
    outputs(exactly, fallbacks=(CpuFallback(operator="aten::convolution", calls=1),)),
    outputs(exactly, device=GPU, reference_device="cuda:0"),
    outputs(lambda reference: reference.half()),
])  # fmt: skip
def test_other_rounding_the_same_library_and_a_simulation_are_left_alone(record):
    assert told(replace(record, provenance=replace(record.provenance, numeric_modes={}))) == ([], [])


def test_no_error_at_all_beside_float64_is_a_doubt():
    whole = torch.arange(1, 1001, dtype=torch.float64).reshape(1, -1)
    found = difference("inputs/cat.jpg", "logits", whole, whole.float())
    data = samples.precision_data(differences=(found,), floors=(), repeats=(), switching=None)
    _, doubts = told(samples.precision_record(data=data))
    assert "1000 elements of npu:0 (Ascend910B4) have no error at all beside float64" in doubts[0]


def test_hf32_that_rounds_nothing_is_a_doubt_in_a_network_of_convolutions():
    record, work = outputs(off_by(1e-7)), samples.performance_record(data=samples.performance_data(work=WORK))
    _, doubts = told(record, work)
    assert doubts[0].startswith("hf32_conv is on, but no output is off by more than")
    assert told(outputs(off_by(1e-4)), work) == ([], [])
    few = replace(WORK, convolution_flops=WORK.flops // 10)
    assert told(record, samples.performance_record(data=samples.performance_data(work=few))) == ([], [])
    assert told(record) == ([], [])
    older = samples.device_facts(soc="Ascend310P3", description="Ascend310P3")
    assert told(on(record, older), work) == ([], [])


def switched(deployed, other):
    def run(setting, error, *, first):
        found = ModeDifference(input="inputs/cat.jpg", output="logits", sum_sq_reference=16.0,
                               sum_sq_diff=16.0 * error**2, nonfinite_mismatch=0)  # fmt: skip
        return ModeRun(settings={"hf32_conv": setting}, deployed=first, differences=(found,), samples_s=())

    return Switching(modes=(run("on", deployed, first=True), run("off", other, first=False)))


def test_the_same_error_measured_twice_is_the_same():
    record = outputs(off_by(1e-7))
    forged = replace(record, data=replace(record.data, switching=switched(1e-4, 1e-7)))
    _, doubts = told(forged)
    assert "logits is off by 1e-07 where it is compared, and by 0.0001" in doubts[0]
    honest = outputs(off_by(1e-4))
    assert told(replace(honest, data=replace(honest.data, switching=switched(1.2e-4, 1e-7)))) == ([], [])
