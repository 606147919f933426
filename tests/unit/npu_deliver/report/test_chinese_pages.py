"""No English sentence reaches a Chinese page: every refusal, every end and every failing criterion is provoked."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest

import samples
from npu_deliver.chinese import CHINESE
from npu_deliver.experiments.optimisation.summary import Direction
from npu_deliver.experiments.performance.summary import Unmeasured
from npu_deliver.report.render import render
from npu_deliver.review.numerals import allowed_numbers, stray_numerals
from npu_deliver.summary import Summary, summarize
from npu_eval.agreement.detections import CAUSES as LONE_CAUSES
from npu_eval.agreement.levels import CAUSES, LEVELS
from npu_eval.asked.criteria import CONTEST_ERROR, NO_FALLBACK, Comparison, Criterion
from npu_eval.asked.layout import LAYOUTS
from npu_eval.asked.metrics import METRICS
from npu_eval.asked.profiles import PROFILES, criteria_of
from npu_eval.asked.spec import TASKS, TrainingProtocol
from npu_eval.experiments.dataset.coco_repair import REPAIRS
from npu_eval.experiments.dataset.data import Repaired
from npu_eval.experiments.optimisation.effects import Outcome
from npu_eval.experiments.performance.data import ENDS
from npu_eval.notation.phrases import ENGLISH, as_written, placeholders, said
from npu_eval.records.record import Record
from npu_eval.records.stamps import Stamp, shouted
from npu_eval.records.verdict import Status

ALIEN = "RuntimeError: there is `no` such | kernel <here> on this device"
"""What a library says: it may only stand as code."""

PHRASES = [
    said(code, **{name: ALIEN if f"{{{name}:code}}" in form else "x1" for name in placeholders(form)})
    for code, form in ENGLISH.items()
] + [as_written(ALIEN)]
EVERYTHING = PHRASES[0].then(*PHRASES[1:])
TASK = "instance-segmentation"


def is_english(text: str) -> list[str]:
    """The English sentences of a Chinese page: three ASCII words in a row that are no code, address, name or unit."""
    body = text.split("---\n", 2)[-1] if text.startswith("---\n") else text
    for stamp in Stamp:
        body = body.replace(shouted(stamp), "")  # the mark that people and tools look for, in every language
    body = re.sub(r"```.*?```", _without_commands, body, flags=re.DOTALL)
    body = re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "·", body)
    body = re.sub(r"https?://\S+|!?\[[^\]]*\]\([^)]*\)|</?[a-z][^>\n]*>|\S*[/_]\S*", "·", body)
    return re.findall(r"(?<![A-Za-z0-9_.-])[A-Za-z][a-z']+(?:[ ,;:]+[A-Za-z]?[a-z']+){2,}(?![A-Za-z0-9_-])", body)


def _without_commands(block: re.Match[str]) -> str:
    """A block of code without what is typed or named in it: what is left of a line is said of it."""
    return re.sub(r"^[^\u4e00-\u9fff]*", "", block[0], flags=re.MULTILINE)


FINE = (
    "`there is no such kernel`", "``a ` b c d e``", "[see this page](the page here.md)", "MLPerf Inference 99 %",
    "evaluation/logs/a.log", "Kunpeng-920, Linux", "float32 下一致", "torch 2.7.1", "top-1 一致",
)  # fmt: skip


def test_the_detector_finds_sentences_and_nothing_else() -> None:
    assert is_english("| finite | 未测量：no element is finite |")
    assert is_english("搜索提前结束：did not answer within 5 s。")
    assert is_english("the record holds no output 'masks'")
    for fine in FINE:
        assert not is_english(fine), fine


# --- whole deliverables ----------------------------------------------------------------------------------------------


def spec_of(criteria: tuple[Criterion, ...], **changes: Any) -> Any:
    return samples.eval_spec(task=TASK, training=TrainingProtocol(), criteria=criteria, **changes)


def all_of(spec: Any) -> dict[str, Record]:
    """A record of each experiment, of a detector that is trained too."""
    lone = tuple(samples.lone_detection(cause=cause) for cause in LONE_CAUSES)
    seen = samples.detections(candidate_count=2 + len(lone), lone=lone)
    precision = samples.precision_data(rankings=(samples.ranking(),), detections=(seen,))
    every = samples.all_records(spec) | {
        "precision": samples.precision_record(spec=spec, data=precision),
        "training": samples.training_record(spec=spec),
        "optimisation": samples.optimisation_record(spec=spec),
    }
    repairs = tuple(Repaired(kind=kind, count=2) for kind in REPAIRS)
    dataset = every["dataset"]
    return every | {"dataset": replace(dataset, data=replace(dataset.data, repairs=repairs))}


def summary_of(criteria: tuple[Criterion, ...], records: dict[str, Record] | None = None, **changes: Any) -> Summary:
    spec = spec_of(criteria)
    return summarize(samples.spec_file(evaluation=spec, **changes), all_of(spec) if records is None else records)


def check(summary: Summary) -> dict[str, str]:
    """The Chinese pages, once they are known to hold no English sentence and no number from nowhere."""
    found = render(summary, lang="zh")
    allowed = allowed_numbers(summary)
    labels = [prediction.label for result in summary.inference for prediction in result.predictions]
    for name, text in found.items():
        page = name.replace(".simulated", "")
        own = re.sub("|".join(map(re.escape, labels)) or "$^", "·", text)  # the model's names of its classes
        assert not is_english(own), (name, is_english(own))
        assert not list(stray_numerals(text, page, allowed, summary.layout)), name
    return found


def rule(metric: str, comparison: Comparison, threshold: float) -> Criterion:
    return Criterion(id=metric.replace("_", "-"), metric=metric, comparison=comparison, threshold=threshold, why="自定")


EVERY_METRIC = tuple(rule(name, Comparison.AT_MOST, -1.0) for name in METRICS)
OWN = (rule("relative_l2", Comparison.AT_MOST, CONTEST_ERROR),)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_criterion_fails(layout: str) -> None:
    summary = summary_of(EVERY_METRIC, profile=layout)
    failed = {v.metric for v in summary.verdicts if v.status is Status.FAIL}
    assert set(METRICS) - failed <= {"top1_accuracy", "top5_accuracy", "task_metric_ratio"}  # those of a classifier
    check(summary)


def test_every_criterion_of_every_profile_is_said_in_chinese() -> None:
    every = [criteria_of(*asked, training=True) for asked in itertools.product(PROFILES, TASKS)]
    check(replace(summary_of(OWN), criteria=tuple(dict.fromkeys((*itertools.chain(*every), NO_FALLBACK)))))


def test_every_criterion_is_not_measured() -> None:
    spec = spec_of(EVERY_METRIC)
    alone = {"inference": samples.inference_record(spec=spec)}
    summary = summary_of(EVERY_METRIC, alone)
    assert {v.status for v in summary.verdicts} == {Status.NOT_MEASURED}
    check(summary)
    nothing = samples.detections(reference_count=0, candidate_count=0, pairs=(), lone=())
    hollow = samples.difference((), ulp_counts=(0,) * 8, count=4, nonfinite_reference=4, nonfinite_candidate=4)
    data = samples.precision_data(differences=(hollow,), detections=(nothing,), rankings=(), floors=())
    empty = all_of(spec) | {"precision": samples.precision_record(spec=spec, data=data)}
    found = summary_of(EVERY_METRIC, empty)
    assert {"hollow", "no-detection", "no-partner", "no-metric"} <= {v.reason.code for v in found.verdicts}
    check(found)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_classifier_whose_labels_are_the_names_of_folders(layout: str) -> None:
    spec = spec_of(EVERY_METRIC)
    images = samples.image_set(layout="labelled", annotations="names of the folders", annotations_sha256=None)
    data = samples.class_data(image_set=images)
    records = all_of(spec) | {"dataset": samples.dataset_record(spec=spec, data=data)}
    summary = summary_of(EVERY_METRIC, records, profile=layout)
    check(summary)


@pytest.mark.parametrize("status", Status)
def test_every_verdict(status: Status) -> None:
    summary = summary_of(OWN)
    check(replace(summary, overall=status, verdicts=tuple(replace(v, status=status) for v in summary.verdicts)))


# --- every phrase in every place -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base() -> Summary:
    return summary_of(OWN)


def test_every_phrase_as_the_reason_and_the_place_of_a_verdict(base: Summary) -> None:
    (one,) = base.verdicts
    verdicts = [
        replace(one, criterion=f"c-{i}", value=None, status=Status.NOT_MEASURED, evidence=phrase, reason=phrase)
        for i, phrase in enumerate(PHRASES)
    ]
    page = check(replace(base, verdicts=tuple(verdicts)))["readme.md"]
    assert sum(line.startswith("| c-") for line in page.splitlines()) == len(PHRASES)


def test_every_phrase_as_the_reason_of_a_switch_and_the_end_of_a_search(base: Summary) -> None:
    assert base.optimisation is not None
    row = base.optimisation.rows[1]
    rows = tuple(
        replace(row, switches=(f"s-{i}",), reason=phrase, outcome=outcome)
        for (i, phrase), outcome in zip(enumerate(PHRASES), itertools.cycle(Outcome), strict=False)
    )
    point = base.optimisation.sweep[0]
    ends = [replace(point, batch_size=2**i, ended_by=end) for i, end in enumerate(ENDS)]
    ends += [replace(point, batch_size=100 + i, ended_by="failed", failed=p) for i, p in enumerate(PHRASES) if p]
    reasons = ("host-bound", "fallback", "operator", "batching", "no-batching", "outside")
    search = replace(
        base.optimisation,
        rows=rows,
        sweep=tuple(ends),
        directions=tuple(Direction(why=why, name="x1", share=0.5) for why in reasons),
        ended=said("without-switches").then(*PHRASES),
    )
    check(replace(base, optimisation=search))
    nothing = tuple(replace(r, outcome=Outcome.NONE) for r in rows)
    poor = replace(search, rows=nothing, best=(), stages=(), scaling=(), sweep=(), aa_factor=None)
    check(replace(base, optimisation=poor))


def test_every_phrase_as_the_evidence_of_an_operator(base: Summary) -> None:
    assert base.localisation is not None
    one = base.localisation.worst[0]
    worst = tuple(
        replace(one, module=f"m{i}", evidence=phrase, cause=cause)
        for (i, phrase), cause in zip(enumerate(PHRASES), itertools.cycle(CAUSES), strict=False)
    )
    for first in (None, replace(one, evidence=EVERYTHING)):
        outputs = tuple(replace(base.localisation.outputs[0], level=level) for level in LEVELS)
        found = replace(base.localisation, worst=worst, outputs=outputs, first_fault=first)
        check(replace(base, localisation=found))


def test_every_phrase_where_no_mode_was_run(base: Summary) -> None:
    assert base.precision is not None
    mode = base.precision.modes[0] if base.precision.modes else None
    levels = tuple(replace(base.precision.levels[0], level=level) for level in LEVELS)
    check(
        replace(
            base, precision=replace(base.precision, modes=(), no_modes=PHRASES[0].then(*PHRASES[1:]), levels=levels)
        )
    )
    stuck = replace(mode, reason=EVERYTHING) if mode else None
    assert stuck is not None
    check(replace(base, precision=replace(base.precision, modes=(mode, stuck))))


def test_every_end_of_a_run_that_gives_no_statistics(base: Summary) -> None:
    assert base.performance is not None
    unmeasured = tuple(Unmeasured(batch_size=2**i, ended_by=end, sample_count=3) for i, end in enumerate(ENDS))
    check(replace(base, performance=replace(base.performance, unmeasured=unmeasured)))
    check(replace(base, performance=replace(base.performance, unmeasured=unmeasured, runs=(), throughput=())))


@pytest.mark.parametrize(
    "part", ["precision", "performance", "training", "dataset", "optimisation", "localisation", "inference", "runs"]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_not_run(base: Summary, part: str, layout: str) -> None:
    check(replace(base, profile=layout, **{part: () if part == "inference" else None}))


@pytest.mark.parametrize("count", range(1, len(Stamp) + 1))
def test_every_stamp(base: Summary, count: int) -> None:
    for stamps in itertools.combinations(Stamp, count):
        check(replace(base, stamps=stamps, hardware=None))


def test_the_english_pages_show_every_phrase_too(base: Summary) -> None:
    (one,) = base.verdicts
    verdicts = tuple(
        replace(one, criterion=f"c-{i}", value=None, status=Status.NOT_MEASURED, reason=phrase, evidence=phrase)
        for i, phrase in enumerate(PHRASES)
    )
    page = render(replace(base, verdicts=verdicts), lang="en")["readme.md"]
    rows = [line for line in page.splitlines() if line.startswith("| c-")]
    assert len(rows) == len(PHRASES)
    for row in rows:
        assert not re.search("[\u4e00-\u9fff]", row), row
        assert len(re.findall(r"(?<!\\)\|", row)) == 8  # nothing that is said breaks the table


def test_a_sentence_that_was_left_in_english_would_be_found(base: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = base.verdicts
    for code in ("hollow", "no-floor", "why-finite", "without-switches", "quicker", "done-by-others", "same-random"):
        with monkeypatch.context() as patch:
            patch.setitem(CHINESE, code, ENGLISH[code])
            verdict = replace(one, value=None, status=Status.NOT_MEASURED, reason=said(code))
            with pytest.raises(AssertionError):
                check(replace(base, verdicts=(verdict,)))
