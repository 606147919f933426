"""Whether a device can have given the numbers that are told of it: its peak, its memory, its rounding.

Only of a device that is told to be real: a simulated NPU computes on the CPU and is stamped as what it is.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping

from npu_deliver.review.plausibility.remarks import Remark, contradiction, doubt
from npu_eval.agreement.difference import Difference
from npu_eval.experiments.performance.data import NetworkWork, PerformanceData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.notation import sources
from npu_eval.records.provenance import DeviceFacts
from npu_eval.records.record import Record

PEAKS = {
    "Ascend910B": 354e12,
    "Ascend910_93": 354e12,
    "A100": 312e12,
    "A800": 312e12,
    "H100": 989e12,
    "H800": 989e12,
    "H200": 989e12,
    "H20": 148e12,
    "L40S": 362.05e12,
    "L20": 119.5e12,
}
"""Device → floating-point operations a second at most, dense and in 16 bits (`sources.PEAK_RATES`); float32 is slower.

Devices that the source does not know are not checked.
"""

SAVED = 8.0
"""Times the peak that no algorithm reaches: Winograd's F(4x4, 3x3) saves three quarters of a convolution's products
(Lavin and Gray, 2015, arxiv.org/abs/1509.09308), larger tiles are not in use; twice that is out of reach."""

ENOUGH = 64
"""Elements that were rounded, of which something is said: that so many come out alike in two libraries is no chance."""

HF32_FROM = ("Ascend910B", "Ascend910_93")
"""SoCs that compute float32 convolutions in HF32 unless they are told not to (`sources.TORCH_NPU_MODES`)."""

HF32_LEAST = 1e-6
"""A convolution in HF32 is off by 1.3e-4 and more, one in float32 by 2.4e-7 at most (measured on ResNet-18, operands
rounded to 11 bits); below this no output went through convolutions in HF32."""

MOSTLY = 0.5
"""Share of convolutions in a network's operations from which their rounding must be seen in its outputs."""

TWICE_MEASURED = 4.0
"""One error, measured twice in one run under the same settings, differs by less than this."""

ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def remarks(records: Mapping[str, Record]) -> Iterator[Remark]:
    """What a device cannot have given, or hardly."""
    performance, precision = records.get("performance"), records.get("precision")
    work = performance.data.work if performance and isinstance(performance.data, PerformanceData) else None
    if performance is not None and _real(performance.provenance.device):
        yield from _memory(performance)
        yield from _peak(performance)
    if precision is not None and _real(precision.provenance.device):
        yield from _other_library(precision)
        yield from _hf32(precision, work)


def _real(device: DeviceFacts) -> bool:
    return device.kind != "cpu" and device.evidence == "real"


def _memory(record: Record) -> Iterator[Remark]:
    data, device = record.data, record.provenance.device
    assert isinstance(data, PerformanceData)
    certain = contradiction if device.kind == "npu" else doubt  # a GPU's driver may lend the host's memory
    for run in data.runs:
        peak = run.peak_memory_bytes
        if not peak or run.first_call_s is None:  # torch counts nothing where its caching is turned off
            continue
        place = f"batch {run.batch_size}: its peak memory is {peak} bytes"
        if device.memory_bytes is not None and peak > device.memory_bytes:
            yield certain("performance", f"{place}, the device has {device.memory_bytes}")
        if data.work is not None and peak < data.work.parameter_bytes:
            yield contradiction(
                "performance", f"{place}, its parameters on the device take {data.work.parameter_bytes}"
            )
        elif data.work is None and peak < (
            least := record.provenance.weights.parameters * ITEM_BYTES.get(run.dtype, 1)
        ):
            yield doubt("performance", f"{place}, its parameters in {run.dtype} take {least}")


def _peak(record: Record) -> Iterator[Remark]:
    data, device = record.data, record.provenance.device
    assert isinstance(data, PerformanceData)
    peak = peak_of(device)
    if data.work is None or peak is None:
        return
    rates = [(f"batch {r.batch_size}", r.batch_size / statistics.median(r.samples_s)) for r in data.runs if r.samples_s]
    for windows in (each for each in data.throughput if each.windows_s):
        rate = windows.batch_size * windows.calls / statistics.median(windows.windows_s)
        rates.append((f"batch {windows.batch_size}, pipelined", rate))
    for what, per_second in rates:
        rate = per_second * data.work.flops
        if rate > peak:
            said = f"{what}: {rate / 1e12:.4g} TFLOP/s, and {device.soc or device.description} has {peak / 1e12:g}"
            remark = contradiction if rate > SAVED * peak else doubt
            yield remark("performance", f"{said} at its peak ({sources.PEAK_RATES.cited()})")


def peak_of(device: DeviceFacts) -> float | None:
    """The peak of a device, None where no source is known for it."""
    if device.kind == "npu":
        return next((peak for name, peak in PEAKS.items() if (device.soc or "").startswith(name)), None)
    words = re.split(r"[^A-Za-z0-9]+", device.description)
    return next((peak for name, peak in PEAKS.items() if device.kind == "cuda" and name in words), None)


def _other_library(record: Record) -> Iterator[Remark]:
    """An accelerator whose outputs are those of the reference's library to the last bit computed none of them."""
    data, provenance = record.data, record.provenance
    assert isinstance(data, PrecisionData)
    device = provenance.device
    if provenance.fallbacks or (provenance.reference_device or "").partition(":")[0] in ("", device.kind):
        return
    floors = {(d.input, d.output): d for d in data.floors}
    same = exact = 0
    for d in data.differences:
        floor = floors.get((d.input, d.output))
        if floor is not None and _same_output(d, floor):
            same += floor.finite_count - floor.ulp_counts[0]
        elif d.reference_dtype == "float32" and d.bitwise_equal:
            same += d.finite_count
        elif d.reference_dtype == "float64" and d.candidate_dtype != "float64" and d.max_abs_reference:
            exact += d.finite_count if d.max_abs_diff == 0 else 0
    where = f"of {device.name} ({device.description})"
    if same >= ENOUGH:
        other = f"those of float32 on {provenance.reference_device}, bit by bit: two libraries round in two ways"
        yield doubt("precision", f"{same} elements {where} are {other}")
    if exact >= ENOUGH:
        yield doubt("precision", f"{exact} elements {where} have no error at all beside float64")


def _same_output(d: Difference, floor: Difference) -> bool:
    if d.candidate_dtype != "float32" or floor.candidate_dtype != "float32":
        return False
    sums = [(x.sum_sq_candidate, x.sum_sq_diff, x.sum_abs_diff, x.max_abs_diff) for x in (d, floor)]
    return d.candidate_sha256 == floor.candidate_sha256 or (sums[0] == sums[1] and d.max_abs_diff > 0)


def _hf32(record: Record, work: NetworkWork | None) -> Iterator[Remark]:
    data, device = record.data, record.provenance.device
    assert isinstance(data, PrecisionData)
    errors = [
        (d.output, _error(d.sum_sq_diff, d.sum_sq_reference)) for d in data.differences if not d.nonfinite_mismatch
    ]
    if data.candidate_dtype != "float32" or sum(d.finite_count for d in data.differences) < ENOUGH:
        return
    yield from _switched(data)
    on = record.provenance.numeric_modes.get("hf32_conv") == "on" and (device.soc or "").startswith(HF32_FROM)
    convolutions = work is not None and work.convolution_flops >= MOSTLY * work.flops > 0
    if on and convolutions and errors and (worst := max(error for _, error in errors)) < HF32_LEAST:
        small = f"no output is off by more than {worst:.2g}: convolutions in HF32 are off by 1e-4 each"
        yield doubt("precision", f"hf32_conv is on, but {small}")


def _switched(data: PrecisionData) -> Iterator[Remark]:
    """The deployed settings were measured twice: for the comparison, and once more beside the other settings."""
    deployed = next((run for run in data.switching.modes if run.deployed), None) if data.switching else None
    found = {(d.input, d.output): d for d in deployed.differences} if deployed else {}
    for output in dict.fromkeys(d.output for d in data.differences):
        pairs = [(d, found[d.input, output]) for d in data.differences if (d.input, output) in found]
        pairs = [(d, m) for d, m in pairs if d.output == output]
        first = max((_error(d.sum_sq_diff, d.sum_sq_reference) for d, _ in pairs), default=0.0)
        again = max((_error(m.sum_sq_diff, m.sum_sq_reference) for _, m in pairs), default=0.0)
        if max(first, again) > max(TWICE_MEASURED * min(first, again), HF32_LEAST):
            switched = f"by {again:.2g} under the same settings where they are switched"
            yield doubt("precision", f"{output} is off by {first:.2g} where it is compared, and {switched}")


def _error(sum_sq_diff: float, sum_sq_reference: float) -> float:
    return math.sqrt(sum_sq_diff / sum_sq_reference) if sum_sq_reference else float(sum_sq_diff > 0)
