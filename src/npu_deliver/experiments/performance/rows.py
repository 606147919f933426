"""The table rows in which latencies and throughputs may stand. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.part import Rows
from npu_deliver.experiments.performance.summary import Performance


def rows(found: Performance, device: str) -> Rows:
    """Rows by batch size, by phase, and that of the one latency that is quoted."""
    for run in found.runs:
        yield (str(run.batch_size),), run
        for stage in ("baseline", "\u57fa\u7ebf"):  # the stage's name in both languages of the optimisation record
            yield (stage, found.dtype, str(run.batch_size)), run, found.dtype
    for throughput in found.throughput:
        yield (str(throughput.batch_size),), throughput
        for stage in ("baseline", "\u57fa\u7ebf"):
            yield (stage, found.dtype, str(throughput.batch_size)), throughput
    for fresh in found.processes:
        yield (str(fresh.batch_size),), fresh
    for phase in found.whole_way.phases if found.whole_way else ():
        yield (phase.name,), phase
    if (single := found.single) is not None:
        yield (f"{device} latency_ms",), single.mean_s, single.batch_size
