"""What is asked: specs, criteria, what a model is said to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from npu_eval.asked.criteria import Comparison, Criterion
from npu_eval.asked.profiles import default_criteria
from npu_eval.asked.spec import (
    SCHEMA,
    EvalSpec,
    InputFile,
    ModelFacts,
    Side,
    SpecFile,
    TimingProtocol,
    ToolVersion,
    WeightsSpec,
)

PHOTOS = {"inputs/cat.jpg": "ca7a" * 16, "inputs/flower.jpg": "f10a" * 16}
"""Path → sha256 of the inputs of ``eval_spec()``."""


def criterion(metric: str = "relative_l2", threshold: float = 0.01, **changes: Any) -> Criterion:
    at_least = ("cosine_similarity", "top1_agreement", "top5_agreement", "sample_count", "throughput_per_s")
    at_least_too = ("within" in metric or metric.endswith(("hundredth_ratio", "thousandth_ratio", "thousandths_ratio"))
                    or metric == "task_metric_ratio")  # fmt: skip
    comparison = Comparison.AT_LEAST if metric in at_least or at_least_too else Comparison.AT_MOST
    rule = Criterion(id=metric, metric=metric, comparison=comparison, threshold=threshold, why="a test's own rule")
    return replace(rule, **changes)


def eval_spec(**changes: Any) -> EvalSpec:
    spec = EvalSpec(
        name="tiny",
        adapter="adapter.py",
        task="classification",
        weights=WeightsSpec(source="file:tiny.pth", sha256="3e16" * 16),
        inputs=tuple(InputFile(path=path, sha256=sha256) for path, sha256 in PHOTOS.items()),
        reference=Side(device="cpu", dtype="float64"),
        candidate=Side(device="npu:0", dtype="float32"),
        seed=0,
        repeats=3,
        timing=TimingProtocol(),
        criteria=default_criteria("classification"),
    )
    return replace(spec, **changes)


def model_facts(**changes: Any) -> ModelFacts:
    facts = ModelFacts(
        title="Tiny",
        source="https://example.org/tiny",
        paper="https://example.org/tiny.pdf",
        license="apache-2.0",
        dataset="ImageNet-1k",
        summary_zh="一个很小的分类网络。",
        summary_en="A very small classifier.",
    )
    return replace(facts, **changes)


def spec_file(**changes: Any) -> SpecFile:
    content = SpecFile(
        schema=SCHEMA, profile="npu_deliverables", model=model_facts(), requirements=(), evaluation=eval_spec(),
        measured_with=tool_version(),
    )  # fmt: skip
    return replace(content, **changes)


def tool_version(**changes: Any) -> ToolVersion:
    """A version of the tool that is no real one, so that no page changes with the code."""
    return replace(ToolVersion(version="0.2.0", rules_sha256="a1" * 32, commit="v0.2.0"), **changes)
