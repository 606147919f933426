"""What a sweep over the batch size can show, and whether the best of it is the best (check 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.folder.submission import Submission
from npu_deliver.lint.reading.speeds.series import Rate, rates_by_batch
from npu_deliver.lint.reading.speeds.sweeps import BestRow, BestSentence, Sweep, best_rows, best_sentences, sweeps
from npu_deliver.lint.reading.speeds.trial import Speed, Trial

BEST = rule("NPU004j")
OUTLIER = rule("NPU004m")
RULES = (BEST, OUTLIER)

_A_DIGIT = (6.0, 15.0)
"""How far a rate with a shifted digit lies from its neighbours: ten times, and what the batch size itself changes."""
_CHIPS_OF_A_CARD = (1, 2, 4)
"""A table may hold the rate of one chip, and a sentence that of the card."""
_AS_GOOD = 0.002
"""Two speeds this near are one: whoever calls either the best says nothing false. Runs differ by more."""
_NEIGHBOURS = 2.5
"""How far apart the neighbours may lie for the one between them to be the odd one."""


def check(submission: Submission) -> Iterator[Finding]:
    """Every sweep, best row and best sentence of a submission's reports."""
    for document in submission.reports:
        for sweep in document.facts(sweeps):
            if sweep.speed is not Speed.RATE:
                yield from _outliers(sweep.points)
        for rates in rates_by_batch(document):
            yield from _outliers(rates)
        for row in document.facts(best_rows):
            yield from _row(row)
        for sentence in document.facts(best_sentences):
            yield from _sentence(sentence)


def _outliers(points: Sequence[Trial | Rate]) -> Iterator[Finding]:
    for before, odd, after in zip(points, points[1:], points[2:], strict=False):
        a, b, c = (trial.number.value for trial in (before, odd, after))
        if max(a, c) > _NEIGHBOURS * min(a, c):
            continue
        for up, down in ((b / max(a, c), b / min(a, c)), (min(a, c) / b, max(a, c) / b)):
            if up >= _A_DIGIT[0] and down <= _A_DIGIT[1]:
                yield found(
                    OUTLIER,
                    odd.at,
                    Text(
                        f"batch {odd.batch} 的 {odd.number.text} 与两侧的 {before.number.text}、{after.number.text} "
                        f"相差约 10 倍，像是小数点错位",
                        f"{odd.number.text} at batch {odd.batch} is about ten times off its neighbours "
                        f"{before.number.text} and {after.number.text}: a digit seems shifted",
                    ),
                    expected=f"{min(a, c):.5g} – {max(a, c):.5g}",
                    got=odd.number.text,
                    evidence=(before.at, after.at),
                )


def _row(row: BestRow) -> Iterator[Finding]:
    best = row.of.best
    if any(row.claim.number.span.wider(_AS_GOOD).meets(point.number.span) for point in best):
        return
    yield found(
        BEST,
        row.claim.at,
        Text(
            f"“{row.claim.claim}”的 {row.claim.number.text} 不是该列（{row.claim.header}）的最优值 "
            f"{best[0].number.text}",
            f"'{row.claim.claim}' has {row.claim.number.text}, and the best of its column ({row.claim.header}) is "
            f"{best[0].number.text}",
        ),
        expected=best[0].number.text,
        got=row.claim.number.text,
        evidence=(best[0].at,),
    )


def _sentence(sentence: BestSentence) -> Iterator[Finding]:
    if sentence.batch is None:
        points = [(sweep, point) for sweep in sentence.sweeps for point in sweep.best]
    else:
        points = [(sweep, point) for sweep in sentence.sweeps if (point := sweep.at(sentence.batch))]
    value, (sweep, point) = sentence.value, points[0]
    spans = [point.number.span.times(chips) for _, point in points for chips in _CHIPS_OF_A_CARD]
    if value is not None and not any(value.span.meets(span) for span in spans):
        yield found(
            BEST,
            sentence.at,
            Text(
                f"这里说 batch {point.batch} 为 {value.text}，表中为 {point.number.text}",
                f"this gives {value.text} for batch {point.batch}, the table {point.number.text}",
            )
            if sentence.batch
            else Text(
                f"这里说最优为 {value.text}，表中最优为 {point.number.text}",
                f"this gives {value.text} as the best, and the best in the table is {point.number.text}",
            ),
            expected=point.number.text,
            got=value.text,
            evidence=(point.at,),
        )
    elif not any(_is_best(sweep, point) for sweep, point in points):
        best = sweep.best[0]
        yield found(
            BEST,
            sentence.at,
            Text(
                f"这里说 batch {sentence.batch} 最优，表中 batch {best.batch} 为 {best.number.text}，优于 "
                f"{point.number.text}",
                f"this calls batch {sentence.batch} the best; in the table batch {best.batch} has {best.number.text}, "
                f"better than {point.number.text}",
            ),
            expected=f"batch {best.batch}",
            got=f"batch {sentence.batch}",
            evidence=(point.at, best.at),
        )


def _is_best(sweep: Sweep, point: Trial) -> bool:
    return any(point.number.span.wider(_AS_GOOD).meets(best.number.span) for best in sweep.best)
