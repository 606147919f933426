"""Verdicts and what they rest on: threshold, outputs compared, inputs, a second run (checks 6, 9, 14, 16)."""

from __future__ import annotations

from collections.abc import Iterator

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.pages.genre import Genre, genre
from npu_deliver.lint.reading.precision.agreement import (
    about_npu,
    agreements,
    compares,
    finds_objects,
    names_stand_ins,
    outputs_compared,
    repeats,
)
from npu_deliver.lint.reading.precision.inputs import random_inputs, single_inputs
from npu_deliver.lint.reading.precision.outcome import outcome, passes
from npu_deliver.lint.reading.words.number import Number

EXCUSED = rule("NPU006a")
CONTRADICTED = rule("NPU006b")
PROXY = rule("NPU009")
UNREAL_INPUT = rule("NPU014a")
ONE_INPUT = rule("NPU014b")
NO_REPEAT = rule("NPU016")
RULES = (EXCUSED, CONTRADICTED, PROXY, UNREAL_INPUT, ONE_INPUT, NO_REPEAT)

NEAR = 12
"""Lines within which an excuse belongs to a failure, beyond its own section."""
_NORMS = frozenset({"max_abs", "mean_abs", "cosine", "relative_l2", "rel_error"})


def check(submission: Submission) -> Iterator[Finding]:
    """The verdicts of a submission's reports."""
    for document in submission.reports:
        yield from _excused(document)
        yield from _inequalities(document)
        yield from _over_threshold(document)
        yield from _inputs(document)
    if (main := submission.main) is not None:
        yield from _uncompared(submission, main)
        yield from _no_repeat(submission, main)


def _excused(document: Document) -> Iterator[Finding]:
    said = outcome(document)
    for excuse in said.excused:
        near = [
            failure
            for failure in said.failed
            if failure.section == excuse.section or abs(failure.at.line - excuse.at.line) <= NEAR
        ]
        if near:
            yield found(
                EXCUSED,
                excuse.at,
                Text(f"结果未通过，这里却说“{excuse.words}”", f"the result failed, and this calls it '{excuse.words}'"),
                expected="FAIL",
                got=excuse.words,
                evidence=(near[0].at,),
            )


def _inequalities(document: Document) -> Iterator[Finding]:
    for said in outcome(document).inequalities:
        if _false(said.a, said.sign, said.b):
            yield found(
                CONTRADICTED,
                said.at,
                Text(f"“{said.words}”不成立", f"'{said.words}' is false"),
                expected=f"{said.sign} {said.b.text}",
                got=said.a.text,
            )


def _false(a: Number, sign: str, b: Number) -> bool:
    scale_a = 0.01 if a.unit == "%" else 1.0
    scale_b = 0.01 if b.unit == "%" else 1.0
    lo, hi, limit = a.span.lo * scale_a, a.span.hi * scale_a, b.value * scale_b
    return lo > limit if sign in ("<", "<=", "≤") else hi < limit


def _over_threshold(document: Document) -> Iterator[Finding]:
    """A percentage of error that passes, over the one limit that the report sets for errors."""
    said = outcome(document)
    if said.limit is None:
        return
    for at, number in said.passed:
        if number.span.lo > said.limit.value:
            yield found(
                CONTRADICTED,
                at,
                Text(
                    f"{number.text} 超过 {said.limit.text}，却写通过",
                    f"{number.text} is over {said.limit.text}, and passes",
                ),
                expected=f"< {said.limit.value:g} %",
                got=number.text,
            )


def _uncompared(submission: Submission, main: Document) -> Iterator[Finding]:
    if genre(main) is Genre.TRAINING or not finds_objects(main) or any(map(outputs_compared, submission.texts)):
        return
    stand_ins = any(map(names_stand_ins, submission.texts))
    for claim in agreements(main):
        if stand_ins or claim.of_outputs:
            yield found(
                PROXY,
                claim.at,
                Text(
                    "称输出与 CPU 一致，但没有任何框、分数或掩码的对比数值",
                    "the outputs are said to agree, without one number for boxes, scores or masks",
                ),
                expected=due.EACH_PART,
                got=claim.words,
            )
            return


def _inputs(document: Document) -> Iterator[Finding]:
    if not (compares(document) and passes(document)):
        return
    for basis in random_inputs(document)[:1]:
        yield found(
            UNREAL_INPUT,
            basis.at,
            Text("精度结论所用输入是随机或合成的", "the input behind the precision verdict is random or synthetic"),
            expected=due.REAL_INPUTS,
            got=basis.words,
        )
        return
    for basis in single_inputs(document)[:1]:
        yield found(
            ONE_INPUT,
            basis.at,
            Text("精度结论只用了一个输入", "the precision verdict rests on one input"),
            expected=due.SEVERAL_INPUTS,
            got=basis.words,
        )


def _no_repeat(submission: Submission, main: Document) -> Iterator[Finding]:
    norms = [q for q in main.quantities.all if q.kind in _NORMS]
    if (
        not norms
        or genre(main) is not Genre.REPORT
        or any(map(repeats, submission.texts))
        or not any(map(about_npu, submission.texts))
    ):
        return
    yield found(
        NO_REPEAT,
        main.heading(norms[0].at.line),
        Text("没有给出同一输入重复运行的差异", "no difference between two runs of one input is given"),
        expected=due.TWO_RUNS,
        got=due.NONE,
    )
