"""Experiment `performance`: how quick the model is, in each of the ways in which that can be asked, every time kept.

Latency (each call waited for) and throughput (pipelined calls) are measured apart; so are the forward pass and a
photo's whole way. Fresh processes say how much of a number belongs to the process that measured it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import torch

from npu_eval.asked.spec import MIN_WINDOWS
from npu_eval.errors import DeviceError
from npu_eval.experiments.performance import honesty, latency, network_work, phases, throughput
from npu_eval.experiments.performance.data import (
    FreshProcess,
    LatencyRun,
    PerformanceData,
    SampledOutput,
    ThroughputRun,
)
from npu_eval.experiments.performance.kind import KIND
from npu_eval.machine import load as machine
from npu_eval.machine.load import MachineState, is_busy
from npu_eval.session.script import Context
from npu_eval.under_test.batches import single_inputs
from npu_eval.under_test.crew import ProcessEnded, Worker
from npu_eval.under_test.messages import Request, Role

__all__ = ["DESCRIPTION", "KIND", "add_arguments", "run"]

DESCRIPTION = """Measure the latency and the throughput of the model's forward pass, and a photo's whole way.

example: python %(prog)s --device auto"""

TIMED = "forward pass of one batch that already lies on the device; one synchronised call per sample"
CLOCK = "time.perf_counter (monotonic), device synchronised before both readings"

WATCH_S = {"smoke": 0.2, "standard": 1.0, "publish": 3.0}
"""Tier → seconds for which the machine is watched before anything is timed."""
PROCESSES = {"smoke": 0, "standard": 5, "publish": 10}
"""Tier → fresh processes; five is the fewest whose spread means anything (pyperf starts at least as many)."""
PROCESS_S = {"smoke": 0.2, "standard": 1.0, "publish": 5.0}
"""Tier → seconds of calls, and again of windows, for each batch size in each fresh process."""
SLOW_CALL_S = 2.0
"""A batch whose call takes longer is not measured again in fresh processes, unless it is the smallest."""
CROWDED_BYTES = 2**30
"""Accelerator memory that others may use before `publish` refuses: a context of a process at rest takes less."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: the timing protocol was fixed in spec.json."""
    del parser


def run(context: Context, arguments: argparse.Namespace) -> PerformanceData:
    """Time each batch size of the protocol; one that does not fit into memory is recorded as such.

    Raises:
        DeviceError: the tier is ``publish`` and others keep the machine or the device busy.
    """
    del arguments
    tier = context.spec.timing.tier
    before = machine.watch(WATCH_S[tier], others_memory_bytes=_others_memory(context.device.name))
    _refuse_busy(before, tier)
    started = machine.reading()
    model = context.model(context.spec.candidate, context.device.name)
    named = single_inputs(context)
    singles = list(named.values())
    runs, windows, sampled = _each_size(context, model, named)
    fits = runs[0].ended_by != "out of memory"
    cache = honesty.cache_run(context, model, singles[0]) if fits else None
    ways = phases.measure(context, model) if fits else ()
    work = network_work.measure(context, model, singles[0]) if fits else None
    del model  # fresh processes find the device's memory as this one did
    fresh = _fresh_processes(context, runs)
    return PerformanceData(
        clock=CLOCK,
        timed=TIMED,
        runs=runs,
        throughput=windows,
        processes=fresh,
        end_to_end=ways,
        cache=cache,
        sampled=sampled,
        work=work,
        machine=(before, machine.state("during", started, machine.reading())),
    )


def _each_size(
    context: Context, model: torch.nn.Module, named: Mapping[str, torch.Tensor]
) -> tuple[tuple[LatencyRun, ...], tuple[ThroughputRun, ...], tuple[SampledOutput, ...]]:
    runs: list[LatencyRun] = []
    windows: list[ThroughputRun] = []
    sampled: list[SampledOutput] = []
    singles = list(named.values())
    for size in context.spec.timing.batch_sizes:
        found, outputs = latency.measure(context, model, singles, size)
        runs.append(found)
        sampled += honesty.sampled_outputs(context, model, named, size, outputs)
        outputs.clear()
        windows.append(throughput.measure(context, model, singles, found))
    return tuple(runs), tuple(windows), tuple(sampled)


def _refuse_busy(before: MachineState, tier: str) -> None:
    if tier != "publish":
        return
    fix = "end the other work, or measure with TIER=standard, which says that the machine was busy"
    if is_busy(before):
        busy = f"other processes keep {before.foreign_cpus:.1f} of {before.cpus} CPUs busy"
        raise DeviceError(busy, where="tier publish", fix=fix)
    if (before.others_memory_bytes or 0) > CROWDED_BYTES:
        used = (before.others_memory_bytes or 0) / 2**30
        raise DeviceError(f"other processes hold {used:.1f} GiB of the device's memory", where="tier publish", fix=fix)


def _others_memory(device: str) -> int | None:
    """Bytes of an accelerator's memory that are in use beside this process's own; None on a CPU."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return None
    module = torch.get_device_module(kind)
    free, total = module.mem_get_info(int(index or 0))
    return max(0, int(total) - int(free) - int(module.memory_reserved(int(index or 0))))


def _fresh_processes(context: Context, runs: Sequence[LatencyRun]) -> tuple[FreshProcess, ...]:
    """Each batch size again in processes of their own; one that dies is said and left out."""
    tier = context.spec.timing.tier
    measured = [run for run in runs if run.samples_s]
    chosen = [run for i, run in enumerate(measured) if i == 0 or min(run.samples_s) <= SLOW_CALL_S]
    found: list[FreshProcess] = []
    role = Role(root=str(context.root), spec=context.spec, device=context.device.name, switches=())
    for number in range(PROCESSES[tier] if chosen else 0):
        context.say(f"[performance] fresh process {number + 1} of {PROCESSES[tier]}")
        try:
            with Worker(role, {}) as worker:
                if worker.refused:
                    raise ProcessEnded(worker.refused)
                found += [_in_process(worker, run, PROCESS_S[tier]) for run in chosen]
        except ProcessEnded as ended:
            context.say(f"[performance] fresh process {number + 1}: {ended}")
    return tuple(found)


def _in_process(worker: Worker, run: LatencyRun, seconds: float) -> FreshProcess:
    size = run.batch_size
    slow = min(run.samples_s) > throughput.WINDOW_S  # a window holds one call then, and one window tells as much
    calls = throughput.calls_in(seconds, run.samples_s, least=2 if slow else 3)
    each = throughput.calls_in(seconds / MIN_WINDOWS, run.samples_s, least=1 if slow else 2)
    timeout_s = 60.0 + 100.0 * seconds + 20.0 * calls * max(run.samples_s)
    replies = [
        worker.ask(request, timeout_s=timeout_s)
        for request in (
            Request(do="warm", batch_size=size, seconds=seconds),
            Request(do="burst", batch_size=size, calls=calls),
            Request(do="windows", batch_size=size, calls=each, windows=1 if slow else MIN_WINDOWS),
        )
    ]
    failed = next((reply.failed for reply in replies if reply.failed), None)
    if failed is not None:
        raise ProcessEnded(failed)
    warm, burst, windows = replies
    assert warm.first_call_s is not None
    return FreshProcess(
        batch_size=size,
        start_s=worker.start_s,
        first_call_s=warm.first_call_s,
        samples_s=burst.times_s,
        calls=each,
        windows_s=windows.times_s,
    )
