"""A process under test: it loads the model, turns its switches on, and then does what it is asked, a line at a time.

Started by `crew`, in `isolation`, with the number of a file descriptor. Nothing but replies goes there.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import torch

from npu_eval.agreement.compare import difference
from npu_eval.agreement.ranking import ranking
from npu_eval.device.device import is_out_of_memory
from npu_eval.errors import DeliverError
from npu_eval.models.adapter import SupportsClassification
from npu_eval.notation.phrases import NOTHING, said
from npu_eval.session.script import open_context
from npu_eval.timing.samples import STEADY_WINDOW, is_steady
from npu_eval.under_test import profiling
from npu_eval.under_test.bench import Bench, make_bench
from npu_eval.under_test.compiling import BackendError
from npu_eval.under_test.messages import Reply, Request, Role, line_of, message_of
from npu_eval.under_test.switches import Switch, switch_named


def main() -> int:
    """Serve until standard input ends."""
    replies = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    os.set_inheritable(replies.fileno(), False)  # noqa: FBT003  it takes no names
    role = message_of(Role, sys.stdin.readline())
    try:
        bench, switches = _open(role)
    except Exception as error:  # noqa: BLE001  whatever a switch or an adapter raises is the answer
        _say(replies, _failed(error))
        return 1
    _say(replies, Reply())
    for line in sys.stdin:
        request = message_of(Request, line)
        try:
            reply = _DEEDS[request.do](bench, request, switches)
        except Exception as error:  # noqa: BLE001  as above
            reply = _failed(error)
        _say(replies, reply)
    return 0


def _say(stream: TextIO, reply: Reply) -> None:
    stream.write(line_of(reply))
    stream.flush()


def _failed(error: BaseException) -> Reply:
    if isinstance(error, BackendError):
        return Reply(failed=error.how, full=is_out_of_memory(error))
    words = str(error) if isinstance(error, DeliverError) else f"{type(error).__name__}: {error}"
    told = " ".join(words.split())[:500] or type(error).__name__
    return Reply(failed=said("raised", error=told), full=is_out_of_memory(error))


def _open(role: Role) -> tuple[Bench, tuple[Switch, ...]]:
    context = open_context(Path(role.root), role.spec, device=role.device, say=lambda text: None)
    bench = make_bench(context, upload=role.upload)
    switches = tuple(switch_named(name, context.adapter) for name in role.switches)
    for switch in switches:
        switch.turn_on(bench)
    return bench, switches


def _warm(bench: Bench, request: Request, switches: tuple[Switch, ...]) -> Reply:
    """First call and warm-up until steady, at most so many seconds; then the switches' values are read back."""
    device = bench.context.device
    device.reset_peak_memory()
    first = bench.latencies(request.batch_size, 1)[0]
    warm: list[float] = []
    while sum(warm) < request.seconds:
        warm += bench.latencies(request.batch_size, 1)
        if len(warm) >= STEADY_WINDOW and is_steady(warm):
            break
    readings = {switch.name: switch.probe(bench) for switch in switches}
    untaken = next((s.name for s in switches if not s.wanted(readings[s.name])), None)
    failed = NOTHING if untaken is None else said("not-taken", switch=untaken, reading=readings[untaken])
    return Reply(
        failed=failed,
        first_call_s=first,
        times_s=tuple(warm),
        readings=readings,
        peak_memory_bytes=device.peak_memory(),
        resident_bytes=_resident(),
    )


def _read(bench: Bench, request: Request, switches: tuple[Switch, ...]) -> Reply:
    """The values of switches that nobody turned on: what they are here without us."""
    del switches
    named = (switch_named(name, bench.context.adapter) for name in request.names)
    return Reply(readings={switch.name: switch.probe(bench) for switch in named})


def _resident() -> int:
    """Bytes of memory of this process at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts it in KiB


def _burst(bench: Bench, request: Request, switches: tuple[Switch, ...]) -> Reply:
    del switches
    return Reply(times_s=tuple(bench.latencies(request.batch_size, request.calls)))


def _windows(bench: Bench, request: Request, switches: tuple[Switch, ...]) -> Reply:
    del switches
    times = [bench.window(request.batch_size, request.calls) for _ in range(request.windows)]
    peak = bench.context.device.peak_memory()
    return Reply(times_s=tuple(times), peak_memory_bytes=peak, resident_bytes=_resident())


def _race(bench: Bench, request: Request, switches: tuple[Switch, ...]) -> Reply:
    del switches
    count, seconds = bench.race(request.batch_size, request.start_at, request.seconds)
    return Reply(count=count, seconds=seconds)


def _compare(bench: Bench, request: Request, switches: tuple[Switch, ...]) -> Reply:
    """The outputs of each input whose reference lies at ``path``, against it."""
    del switches
    context = bench.context
    references: dict[str, dict[str, torch.Tensor]] = torch.load(request.path, weights_only=True)
    differences, rankings = [], []
    for entry, photo in zip(context.spec.inputs, context.photos(), strict=True):
        if entry.path not in references:
            continue
        batch = bench.ready(context.preprocess([photo]))
        found = {name: tensor.cpu() for name, tensor in bench.outputs(batch).items()}
        reference = references[entry.path]
        differences += [difference(entry.path, name, reference[name], found[name]) for name in reference]
        if isinstance(context.adapter, SupportsClassification):
            output = context.adapter.class_output
            rankings.append(ranking(entry.path, output, reference, found, context.spec.adapter))
    dtype = str(bench.dtype or context.spec.candidate.dtype).removeprefix("torch.")
    return Reply(differences=tuple(differences), rankings=tuple(rankings), dtype=dtype)


def _profile(bench: Bench, request: Request, switches: tuple[Switch, ...]) -> Reply:
    del switches
    return Reply(profile=profiling.profile(bench, request.batch_size, request.calls))


_DEEDS: dict[str, Callable[[Bench, Request, tuple[Switch, ...]], Reply]] = {
    "read": _read,
    "warm": _warm,
    "burst": _burst,
    "windows": _windows,
    "race": _race,
    "compare": _compare,
    "profile": _profile,
}

if __name__ == "__main__":
    sys.exit(main())
