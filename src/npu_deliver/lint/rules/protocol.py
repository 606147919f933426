"""How time was measured and what a speed-up is against (checks 21, 22 and 23)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.arithmetic.rates import batch_of
from npu_deliver.lint.reading.environment.switches import (
    Setting,
    default_of,
    documented,
    known_on,
    misspelt,
    of_an_older_stack,
    read_by_itself,
    settings,
    source_of,
)
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.pages.genre import Genre, genre
from npu_deliver.lint.reading.speeds.protocol_words import (
    PARTS,
    cold_starts,
    counts_threads,
    explains_a_fall,
    names_a_cpu,
    published_baselines,
    stated,
    timed,
    times_a_step,
)
from npu_deliver.lint.reading.speeds.series import Rate, gain_lines, rates_by_batch, repeats_of_baselines
from npu_deliver.lint.reading.words.label import many

UNSTATED = rule("NPU021a")
HIDDEN_BATCH = rule("NPU021b")
COLD = rule("NPU021c")
COLLAPSE = rule("NPU021d")
NAMELESS_CPU = rule("NPU022a")
PAPER_BASE = rule("NPU022b")
DEFAULT = rule("NPU023a")
UNKNOWN_SWITCH = rule("NPU023b")
NOISE = rule("NPU023c")
NO_ABLATION = rule("NPU023d")
RULES = (UNSTATED, HIDDEN_BATCH, COLD, COLLAPSE, NAMELESS_CPU, PAPER_BASE, DEFAULT, UNKNOWN_SWITCH, NOISE, NO_ABLATION)


def check(submission: Submission) -> Iterator[Finding]:
    """Timing, baselines and optimisations of a submission's reports."""
    if (main := submission.main) is not None and genre(main) is Genre.REPORT:
        yield from _unstated(submission, main)
    for document in submission.reports:
        yield from _hidden_batch(document)
        yield from _collapse(document)
        yield from _baselines(submission, document)
        yield from _switches(submission, document)
        yield from _ablations(document)
        yield from _noise(document)
        yield from _cold(document)


def _unstated(submission: Submission, main: Document) -> Iterator[Finding]:
    """A page that trains on eight cards, or a vendor's table of batches, is no latency benchmark: only a report is."""
    time = timed(main)
    if time is None:
        return
    said = frozenset().union(*(stated(document) for document in submission.texts))
    missing = due.listed(part for part in PARTS if part not in said)
    if missing.en:
        yield found(
            UNSTATED,
            main.heading(time.at.line),
            Text(f"计时协议缺少：{missing.zh}", f"the timing protocol lacks: {missing.en}"),
            expected=due.listed(PARTS),
            got=due.without(missing),
            evidence=(time.at,),
        )


_CERTAIN = 0.1
"""Width of FPS × latency below which a whole number inside is no accident in nine cases of ten."""


def _hidden_batch(document: Document) -> Iterator[Finding]:
    for group in document.quantities.groups:
        latencies, rates = group.one("latency", ("mean", "")), group.one("throughput", ("mean", ""))
        if (
            len(latencies) != 1
            or len(rates) != 1
            or many(group.context)
            or batch_of(document, group)
            or latencies[0].side != rates[0].side
            or times_a_step(latencies[0])
        ):
            continue
        product = latencies[0].number.span * rates[0].number.span
        value = latencies[0].number.value * rates[0].number.value
        if 1.9 <= value <= 256 and product.lo <= round(value) <= product.hi and product.hi - product.lo < _CERTAIN:
            yield found(
                HIDDEN_BATCH,
                rates[0].at,
                Text(
                    f"{rates[0].number.text} × {latencies[0].number.text} = {value:.3g}：batch 没有写明",
                    f"{rates[0].number.text} × {latencies[0].number.text} = {value:.3g}: an unstated batch size",
                ),
                expected=due.batch_stated(round(value)),
                got=due.NO_BATCH,
                evidence=(latencies[0].at,),
            )
            return


def _cold(document: Document) -> Iterator[Finding]:
    for said in cold_starts(document)[:1]:
        yield found(
            COLD,
            said.at,
            Text("计时包含首次调用或没有预热", "the first call is timed, or there was no warm-up"),
            expected=due.WARM_UP,
            got=said.words,
        )


_FALL = 0.7
"""A larger batch that keeps less of the throughput than this is remarkable; noise and tiling stay above it."""


def _collapse(document: Document) -> Iterator[Finding]:
    for rates in rates_by_batch(document):
        fall = _first_fall(rates)
        if fall is not None and not explains_a_fall(document):
            rate, best = fall
            yield found(
                COLLAPSE,
                rate.at,
                Text(
                    f"batch {rate.batch} 的吞吐降到 {rate.number.text}，没有说明原因",
                    f"throughput falls to {rate.number.text} at batch {rate.batch}, unexplained",
                ),
                expected=due.or_explained(f">= {_FALL} × {best.number.text}"),
                got=rate.number.text,
                evidence=(best.at,),
            )


def _first_fall(rates: tuple[Rate, ...]) -> tuple[Rate, Rate] | None:
    """(the rate that fell, the best of the smaller batches), None where nothing falls so far."""
    best: Rate | None = None
    for rate in rates:
        if best is not None and rate.number.span.hi < _FALL * best.number.span.lo:
            return rate, best
        best = rate if best is None or rate.number.value > best.number.value else best
    return None


def _baselines(submission: Submission, document: Document) -> Iterator[Finding]:
    claims = [q for q in document.quantities.all if q.kind == "speedup" and q.number.value > 1.0]
    cpu = next(
        (q for q in document.quantities.all if q.side == "cpu" and q.kind in ("latency", "throughput", "total_time")),
        None,
    )
    if claims and cpu is not None and not _names_its_cpu(submission):
        yield found(
            NAMELESS_CPU,
            document.heading(cpu.at.line),
            Text(
                "加速比以 CPU 为基准，但没有 CPU 型号与线程数",
                "the speed-up is over a CPU whose model and threads are not named",
            ),
            expected=due.CPU_FACTS,
            got="CPU",
            evidence=(cpu.at,),
        )
    for said in published_baselines(document)[:1]:
        yield found(
            PAPER_BASE,
            said.at,
            Text("以他人公布的数字为基准", "a number that others published is the baseline"),
            expected=due.BASELINE_HERE,
            got=said.words,
        )


def _names_its_cpu(submission: Submission) -> bool:
    return any(map(names_a_cpu, submission.texts)) and any(map(counts_threads, submission.texts))


# Switches


def _switches(submission: Submission, document: Document) -> Iterator[Finding]:
    told: set[str] = set()
    for setting in settings(document):
        if setting.name in told:
            continue
        if _is_unknown(submission, setting):
            told.add(setting.name)
            yield _unknown(setting)
        elif (
            setting.tunes
            and not setting.explains
            and setting.zone != "code"
            and default_of(setting.name) == setting.value
            and not of_an_older_stack(document)
        ):
            told.add(setting.name)
            text, source = f"{setting.name}={setting.value}", source_of(setting.name)
            yield found(
                DEFAULT,
                setting.at,
                Text(f"{text} 本来就是默认值（{source.cited('zh')}）", f"{text} is the default ({source.cited('en')})"),
                expected=due.NO_DEFAULT,
                got=text,
            )


def _is_unknown(submission: Submission, setting: Setting) -> bool:
    """Whether a page sells a variable that nobody reads: none that is documented, and none of its own scripts."""
    if not setting.name.isupper() or documented(setting.name):
        return False
    if not setting.tunes and misspelt(setting.name) is None:
        return False
    return not any(setting.name in read_by_itself(document) for document in submission.documents)


def _unknown(setting: Setting) -> Finding:
    near = misspelt(setting.name)
    zh, en = (f"，是否为 {near}", f"; did you mean {near}") if near else ("", "")
    return found(
        UNKNOWN_SWITCH,
        setting.at,
        Text(
            f"torch_npu 与 CANN 的文档（{known_on()} 查阅）中没有变量 {setting.name}{zh}",
            f"{setting.name} is not among the variables that torch_npu and CANN document (read {known_on()}){en}",
        ),
        expected=due.DOCUMENTED,
        got=setting.name,
    )


def _ablations(document: Document) -> Iterator[Finding]:
    by_line: dict[int, list[Setting]] = defaultdict(list)
    for setting in settings(document):
        if setting.zone == "table":
            by_line[setting.at.line].append(setting)
    for line, together in by_line.items():
        names = sorted({setting.name for setting in together})
        if len(names) > 1 and line in gain_lines(document):
            yield found(
                NO_ABLATION,
                together[0].at,
                Text(f"{len(names)} 个开关一起打开，只有一个增益", f"{len(names)} switches, and one gain"),
                expected=due.ONE_SWITCH,
                got=" + ".join(names),
            )


# Noise

_SAME = 1.5
"""A gain below one and a half times the spread of one setting cannot be told from it."""
_ANOTHER_SETTING = 30.0
"""Percent: values of one baseline that lie further apart than this were measured under other settings."""


def _noise(document: Document) -> Iterator[Finding]:
    repeats = repeats_of_baselines(document)
    for kind, values in repeats.baselines.items():
        if len(values) < 2 or len({q.section for q in values}) < 2:
            continue
        low, high = min(values, key=lambda q: q.number.value), max(values, key=lambda q: q.number.value)
        spread = 100 * (high.number.span.lo / low.number.span.hi - 1)
        claim = next((q for q in repeats.gains if q.number.value <= _SAME * spread), None)
        if 0 < spread < _ANOTHER_SETTING and claim is not None:
            yield found(
                NOISE,
                claim.at,
                Text(
                    f"同一配置的 {kind} 在各节间相差 {spread:.2g} %，与 {claim.number.text} 的增益相当",
                    f"one setting's {kind} differs by {spread:.2g} % between sections, as much as the gain of "
                    f"{claim.number.text}",
                ),
                expected=f"> {_SAME * spread:.2g} %",
                got=claim.number.text,
                evidence=(low.at, high.at),
            )
            return
