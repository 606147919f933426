"""What several cards can do at most and at least, and what a step of a stated batch makes per second (check 4)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Rule, Text, found, rule
from npu_deliver.lint.reading.arithmetic.rates import Paced, stepped
from npu_deliver.lint.reading.folder.submission import Submission
from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.speeds.linearity import Linearity, linearities
from npu_deliver.lint.reading.speeds.spoken_trials import spoken_trials
from npu_deliver.lint.reading.speeds.trial import Speed, Trial
from npu_deliver.lint.reading.speeds.trials import trials
from npu_deliver.lint.reading.words.number import Interval

CARDS = rule("NPU004k")
STEP = rule("NPU004l")
LINEARITY = rule("NPU004n")
UNLIKELY = rule("NPU004o")
STEP_APART = rule("NPU004p")
RULES = (CARDS, STEP, LINEARITY, UNLIKELY, STEP_APART)

_BEYOND_LINEAR = 1.05
"""N cards at most N times as fast, and a twentieth for what a larger memory or a warmer cache may add."""
_FAR_BEYOND = 3.0
"""What no honest pair of numbers reaches: three times the cards. Below, pages leave too much open: in a collection of
900 the scripts beside them show 1.1 to 1.8 times the cards from another batch on each (2 and 16, 4 and 16, 64 and 128),
or from the best step of a long run beside the mean of a short one. What is over three has no such reason there."""
_STEP_SLACK = 0.02
"""A rate and a step time may be averages over different steps: two hundredths."""
_STEP_FAR = 0.1
"""A step time may leave out what a rate holds, the loading of data or a validation: up to a tenth it may be honest."""
_LINEARITY_SLACK = 0.002
"""Rates are printed with fewer digits than the linearity was computed from: two thousandths."""


def check(submission: Submission) -> Iterator[Finding]:
    """Every pair of card counts, and every rate beside a step time, of a submission's reports."""
    for document in submission.reports:
        by_table: dict[int, list[Trial]] = defaultdict(list)
        for trial in (*document.facts(trials), *document.facts(spoken_trials)):
            if not trial.best:
                by_table[trial.table].append(trial)
        for group in by_table.values():
            yield from _cards(group)
            yield from _steps(group)
        for linearity in document.facts(linearities):
            yield from _linearity(linearity)
        for pair in document.facts(stepped):
            yield from _told_apart(pair)


# One card and many


def _cards(group: list[Trial]) -> Iterator[Finding]:
    counted = [t for t in group if t.cards and t.speed is not Speed.TIME and not t.per_card]
    for many in counted:
        few = [t for t in counted if _comparable(t, many)]
        verdicts = [_verdict(one, many) for one in few]
        if few and all(verdicts):
            mildest = next((v for v in ("faster", "far faster") if v in verdicts), "slower")
            yield _told(few[verdicts.index(mildest)], many, mildest)


def _comparable(one: Trial, many: Trial) -> bool:
    """Whether two speeds differ in the number of cards alone."""
    if not one.cards or not many.cards or one.cards >= many.cards or one.speed is not many.speed:
        return False
    if one.settings != many.settings or one.whole_batch != many.whole_batch:
        return False
    if one.batch is None or many.batch is None:
        return one.batch is many.batch
    return True


def _verdict(one: Trial, many: Trial) -> str:
    """``slower``, ``faster`` or ``far faster`` than the cards allow, or empty."""
    times = (many.cards or 1) / (one.cards or 1)
    grown = (many.batch or 1) / (one.batch or 1)
    alike = grown == times or (grown == 1 and not one.whole_batch)
    if many.speed is Speed.RATE and alike and not many.of_step and many.number.span.hi < one.number.span.lo:
        return "slower"
    # a batch that is larger on each card may be quicker, at most by as much as it is larger
    most = one.number.span.hi * times * (1.0 if alike else max(1.0, grown))
    if many.number.span.lo > most * _FAR_BEYOND:
        return "far faster"
    return "faster" if many.number.span.lo > most * _BEYOND_LINEAR else ""


def _told(one: Trial, many: Trial, verdict: str) -> Finding:
    ratio = many.number.value / one.number.value
    few, lot = (f"{t.cards} 卡" for t in (one, many))
    stated = one.batch is not None
    open_zh, open_en = ("", "") if stated else ("；旁边没有写明批大小", "; no batch size stands beside them")
    if verdict == "slower":
        text = Text(
            f"{lot}的 {many.number.text} 低于 {few}的 {one.number.text}{open_zh}",
            f"{many.cards} cards give {many.number.text}, below the {one.number.text} of {one.cards}{open_en}",
        )
        expected = f"> {one.number.text}"
    else:
        text = Text(
            f"{lot}的 {many.number.text} 是 {few}（{one.number.text}）的 {ratio:.3g} 倍，超过卡数之比{open_zh}",
            f"{many.cards} cards give {many.number.text}, {ratio:.3g} times the {one.number.text} of "
            f"{one.cards}{open_en}",
        )
        expected = f"<= {one.number.value * _BEYOND_LINEAR * (many.cards or 1) / (one.cards or 1):.5g}"
    broken = CARDS if verdict == "far faster" and many.speed is Speed.RATE else UNLIKELY
    return found(broken, many.at, text, expected=expected, got=many.number.text, evidence=(one.at,))


# Rate × step time = batch


def _steps(group: list[Trial]) -> Iterator[Finding]:
    rows: dict[int, list[Trial]] = defaultdict(list)
    for trial in group:
        rows[trial.row].append(trial)
    for row in rows.values():
        rates = [t for t in row if t.speed is Speed.RATE and t.number.unit == "/s" and t.of_samples]
        times = [t for t in row if t.speed is Speed.TIME and t.of_step and t.number.unit == "s"]
        passes = [t for t in rates if t.of_step]
        rates = [t for t in rates if not t.of_step]
        if len(rates) == len(times) == 1 and rates[0].batch:
            yield from _step(rates[0], times[0], _batches(rates[0], rates[0].batch), per_pass=_per_pass(rates[0]))
        if len(rates) == len(passes) == 1 and rates[0].batch:
            yield from _pass(rates[0], passes[0], _batches(rates[0], rates[0].batch), per_pass=_per_pass(rates[0]))


def _batches(rate: Trial, batch: int) -> frozenset[int]:
    """What rate × step time may be: unless the batch is said to be all cards', it may be one card's, or the rate so."""
    cards = rate.cards or 1
    of_one = {max(1, batch // cards)}
    if rate.whole_batch:
        return frozenset(of_one if rate.per_card else {batch})
    return frozenset({batch, batch * cards} | of_one)


def _per_pass(rate: Trial) -> int:
    return 0 if rate.whole_batch else rate.batch or 0


def _is_batch(product: Interval, sizes: frozenset[int], *, per_pass: int) -> bool:
    """Whether a product may be a batch: a stated one, or ``per_pass`` accumulated over any number of passes."""
    if any(product.lo <= size <= product.hi for size in sizes):
        return True
    return per_pass > 0 and math.floor(product.hi / per_pass) > math.floor(product.lo / per_pass)


def _broken(product: Interval, sizes: frozenset[int], *, per_pass: int) -> Rule | None:
    """Which rule a product breaks; a stated size may be missed by more than what accumulated passes come to."""
    if _is_batch(product.wider(_STEP_SLACK), sizes, per_pass=per_pass):
        return None
    return STEP_APART if _is_batch(product.wider(_STEP_FAR), sizes, per_pass=0) else STEP


def _pass(rate: Trial, passes: Trial, sizes: frozenset[int], *, per_pass: int) -> Iterator[Finding]:
    """Steps per second and samples per second."""
    if broken := _broken(rate.number.span / passes.number.span, sizes, per_pass=per_pass):
        size = min(sizes, key=lambda size: abs(size - rate.number.value / passes.number.value))
        value = rate.number.value / passes.number.value
        yield found(
            broken,
            rate.at,
            Text(
                f"{rate.number.text} / {passes.number.text} = {value:.4g}，而批大小为 {size}",
                f"{rate.number.text} / {passes.number.text} = {value:.4g}, and the batch size is {size}",
            ),
            expected=f"{passes.number.span.times(size)} /s",
            got=rate.number.text,
        )


# Linearity


def _linearity(linearity: Linearity) -> Iterator[Finding]:
    parts = [(_reached(linearity.speed, base), base) for base in linearity.bases]
    if any(linearity.part.wider(_LINEARITY_SLACK).meets(part) for part, _ in parts):
        return
    part, base = min(parts, key=lambda item: abs(item[0].lo - linearity.part.lo))
    right, few, many = f"{50 * (part.lo + part.hi):.1f} %", base.number.text, linearity.speed.number.text
    stated = linearity.stated.text
    yield found(
        LINEARITY,
        linearity.at,
        Text(
            f"{linearity.speed.cards} 卡 {many} 与 {base.cards} 卡 {few} 的线性度为 {right}，不是 {stated}",
            f"{many} on {linearity.speed.cards} cards and {few} on {base.cards} give {right}, not {stated}",
        ),
        expected=right,
        got=stated,
        evidence=(base.at,),
    )


def _reached(speed: Trial, base: Trial) -> Interval:
    return (speed.number.span / base.number.span).times((base.cards or 1) / (speed.cards or 1))


def _told_apart(pair: Paced) -> Iterator[Finding]:
    if pair.rate.table < 0:
        yield from _step(pair.rate, pair.times[0], pair.sizes, per_pass=pair.per_pass)


def _step(rate: Trial | Quantity, time: Trial | Quantity, sizes: frozenset[int], *, per_pass: int) -> Iterator[Finding]:
    broken = _broken(rate.number.span * time.number.span, sizes, per_pass=per_pass)
    if broken is None:
        return
    value = rate.number.value * time.number.value
    size = min(sizes, key=lambda size: abs(size - value))
    yield found(
        broken,
        rate.at,
        Text(
            f"{rate.number.text} × {time.number.text} = {value:.4g}，而批大小为 {size}",
            f"{rate.number.text} × {time.number.text} = {value:.4g}, and the batch size is {size}",
        ),
        expected=f"{Interval(size, size) / time.number.span} /s",
        got=rate.number.text,
        evidence=(time.at,),
    )
