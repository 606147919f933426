"""What a performance record is. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.performance.data import PerformanceData, check_performance
from npu_eval.experiments.performance.log import performance_lines
from npu_eval.experiments.performance.values import values
from npu_eval.records.kind import Kind, Telling


def _lines(data: PerformanceData, telling: Telling) -> list[str]:
    return performance_lines(data, simulated=telling.simulated)


KIND = Kind(
    name="performance",
    title="Performance evaluation: latency, throughput and the whole way",
    log="performance_eval.log",  # the contest layout's name
    script=("evaluation/eval_performance.py",),
    data=PerformanceData,
    check=check_performance,
    lines=_lines,
    values=values,
    counts_calls=False,
    repeats=True,
)
