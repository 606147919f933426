from __future__ import annotations

import pytest

from npu_deliver.lint.reading.words.label import meaning, statistic, unit_of

KINDS = {
    "mIoU(ms+flip)": "miou",
    "mIoU (ms)": "miou",
    "mIoU": "miou",
    "Lr schd": "schedule",
    "cosine scheduler": "schedule",
    "余弦退火": "schedule",
    "cosine lr decay": "schedule",
    "cosine": "cosine",
    "cos_sim": "cosine",
    "余弦相似度": "cosine",
    "Inf time (fps)": "throughput",
    "inference_time(video/s)": "throughput",
    "ms/iter": "latency",
    "Train time (s/iter)": "step_time",
    "性能-单步迭代耗时(ms)": "step_time",
    "平均step耗时(s)": "step_time",
    "Iteration time (s)": "step_time",
    "推理时延(ms)": "latency",
    "download": None,
    "模型加载": "load_time",
    "性能": "performance",
    "310P性能": "performance",
    "性能(fps)": "throughput",
    "精度": "score",
    "精度TOP1": "accuracy1",
    "PSNR(dB)": "score",
    "最大绝对误差": "max_abs",
}


@pytest.mark.parametrize(("label", "kind"), KINDS.items(), ids=KINDS.keys())
def test_the_kind_that_a_label_names(label: str, kind: str | None) -> None:
    found = meaning(label)
    assert (found.kind if found else None) == kind


STATISTICS = {
    "95% latency": "p95",
    "95%时延": "p95",
    "95th percentile": "p95",
    "TP99": "p99",
    "P99": "p99",
    "p99.9 latency": "p99.9",
    "99分位时延": "p99",
    "median latency": "p50",
    "mean latency": "mean",
    "avg_latency": "mean",
    "Latency confidence interval 95% (s)": "interval",
    "Latency std (s)": "std",
    "latency": "",
    "命中率 95%": "",
}


@pytest.mark.parametrize(("label", "stat"), STATISTICS.items(), ids=STATISTICS.keys())
def test_the_statistic_that_a_label_names(label: str, stat: str) -> None:
    assert statistic(label) == stat


UNITS = {
    "latency_ms": ("s", 1e-3),
    "时延(ms)": ("s", 1e-3),
    "mIoU(ms+flip)": None,
    "mIoU (ms)": None,
    "AP (ms-train)": None,
    "推理时间 (video/s)": ("/s", 1.0),
    "Train time (s/iter)": ("s", 1.0),
    "Train time(h)": ("s", 3600.0),
    "Avg latency (s)": ("s", 1.0),
    "mIoU (%)": ("%", 1.0),
    "性能": None,
}


@pytest.mark.parametrize(("label", "unit"), UNITS.items(), ids=UNITS.keys())
def test_the_unit_that_a_label_states(label: str, unit: tuple[str, float] | None) -> None:
    assert unit_of(label) == unit
