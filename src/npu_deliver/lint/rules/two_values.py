"""One value for each quantity, wherever it is stated (check 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.arithmetic.statements import gains, statements, summarised
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.pages.genre import is_own_report
from npu_deliver.lint.reading.quantities.quantity import Quantity

TWO_VALUES = rule("NPU003a")
TWO_GAINS = rule("NPU003b")
SUMMARY_DIFFERS = rule("NPU003d")
RULES = (TWO_VALUES, TWO_GAINS, SUMMARY_DIFFERS)

_SERIES = 3
"""A quantity with more values than this under one name is a series (batches, images), not a contradiction."""


def check(submission: Submission) -> Iterator[Finding]:
    """Contradictions between the values of one submission."""
    for document in submission.reports:
        yield from _two_gains(document)
        yield from _summary_differs(document)
    yield from _two_values(submission)


def _two_values(submission: Submission) -> Iterator[Finding]:
    seen: dict[Hashable, list[Quantity]] = defaultdict(list)
    for document in submission.documents:
        if document.kind in ("report", "json") and is_own_report(submission, document):
            for statement in document.facts(statements):
                seen[statement.key].append(statement.quantity)
    for quantities in seen.values():
        distinct = _distinct(quantities)
        by_file = [sum(q.at.file == file for q in distinct) for file in {q.at.file for q in distinct}]
        if 1 < len(distinct) <= _SERIES and max(by_file) <= _SERIES - 1:
            yield _differ(*distinct[:2])


def _distinct(quantities: list[Quantity]) -> list[Quantity]:
    """One quantity for each value that none of the others can be, the first file's first.

    Two rows of one table, tables of one section and blocks of logs are trials of their own, whatever is not said of
    them.
    """
    first_file = quantities[0].at.file
    distinct: list[Quantity] = []
    for quantity in sorted(quantities, key=lambda q: (q.at.file != first_file, q.at.line)):
        if not any(
            quantity.number.span.meets(other.number.span) or _of_two_trials(quantity, other) for other in distinct
        ):
            distinct.append(quantity)
        if len(distinct) > _SERIES:  # so many are no two values of one quantity, whatever the others are
            break
    return distinct


def _of_two_trials(one: Quantity, other: Quantity) -> bool:
    tables = one.table >= 0 and other.table >= 0 and one.section == other.section
    return one.at.file == other.at.file and (tables or (one.logged and other.logged))


def _differ(first: Quantity, second: Quantity) -> Finding:
    return found(
        TWO_VALUES,
        second.at,
        Text(
            f"“{second.label}”为 {second.number.text}，而第 {first.at.line} 行（{first.at.file}）为 "
            f"{first.number.text}",
            f"'{second.label}' is {second.number.text} here and {first.number.text} in line {first.at.line} "
            f"of {first.at.file}",
        ),
        expected=first.number.text,
        got=second.number.text,
        evidence=(first.at,),
    )


def _two_gains(document: Document) -> Iterator[Finding]:
    for (setting, _), same in document.facts(gains).items():
        first = same[0].quantity
        for gain in same[1:]:
            here = gain.quantity
            others = (other.quantity for other in same if other.quantity.at != here.at)
            apart = not any(here.number.span.meets(other.number.span) for other in others)
            if apart and any(gain.tabled != other.tabled for other in same):
                yield found(
                    TWO_GAINS,
                    here.at,
                    Text(
                        f"{setting} 的增益在此为 {here.number.text}，在第 {first.at.line} 行为 {first.number.text}",
                        f"the gain of {setting} is {here.number.text} here and {first.number.text} in line "
                        f"{first.at.line}",
                    ),
                    expected=first.number.text,
                    got=here.number.text,
                    evidence=(first.at,),
                )
                break


def _summary_differs(document: Document) -> Iterator[Finding]:
    for summary in document.facts(summarised):
        here, own = summary.quantity, summary.own
        lo, hi = min(q.number.span.lo for q in own), max(q.number.span.hi for q in own)
        if here.number.span.hi < lo or here.number.span.lo > hi:
            values = ", ".join(q.number.text for q in own[:4])
            yield found(
                SUMMARY_DIFFERS,
                here.at,
                Text(
                    f"汇总写 {here.number.text}，而“{summary.title}”一节是 {values}",
                    f"the summary says {here.number.text}, section '{summary.title}' has {values}",
                ),
                expected=f"{1e3 * lo:.5g} – {1e3 * hi:.5g} ms",
                got=here.number.text,
                evidence=tuple(q.at for q in own[:4]),
            )
