"""One value for each quantity, wherever it is stated (check 3)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.label import batches, dtypes, many, subject
from npu_deliver.lint.reading.quantity import Quantity
from npu_deliver.lint.reading.submission import Document, Submission

TWO_VALUES = rule("NPU003a")
TWO_GAINS = rule("NPU003b")
SUMMARY_DIFFERS = rule("NPU003d")
RULES = (TWO_VALUES, TWO_GAINS, SUMMARY_DIFFERS)


def check(submission: Submission) -> Iterator[Finding]:
    """Contradictions between the values of one submission."""
    for document in submission.reports:
        yield from _two_gains(document)
        yield from _summary_differs(document)
    yield from _two_values(submission)


# One value per quantity

_EXACT = {
    "max_abs",
    "mean_abs",
    "cosine",
    "relative_l2",
    "rmse",
    "max_rel",
    "mean_rel",
    "latency",
    "throughput",
    "map",
    "map50",
    "accuracy1",
    "accuracy5",
}
_SERIES = 3
"""A quantity with more values than this under one name is a series (batches, images), not a contradiction."""
_PLAIN_LABEL = re.compile(
    r"^(?:avg|mean|average|平均|均值|npu|cpu|gpu|ascend|昇腾|latency|延迟|时延|耗时|推理|单次|单帧|ms|s|数值|value|"
    r"result|结果|指标|fps|帧率|吞吐量?|throughput|images?"
    r"|max|min|abs|diff|err|error|最大|最小|绝对|误差|cos|cosine|similarity|sim|余弦|相似度|relative|rel|l2|相对|"
    r"差异|diff|time|inference|per|sec|img|imgs|张|帧|秒|毫秒"
    r"|p\d\d|median|中位数?|std|标准差|map|ap|top[-_ ]?[15]|acc|accuracy|准确率|精度|[\s_=:()/.,%\-*`~≈约为是·])*$",
    re.IGNORECASE,
)


def _key(quantity: Quantity, document: Document) -> tuple[str, ...] | None:
    """What must be the same for two quantities to be one; None where a label says more than we understand."""
    if (
        quantity.kind not in _EXACT
        or quantity.number.bound
        or (quantity.table >= 0 and not _PLAIN_LABEL.match(quantity.label))
    ):
        return None
    if not _PLAIN_LABEL.match(quantity.label) or many(quantity.context):
        return None
    sections = document.structure.sections
    titles = sections[quantity.section].titles[1:] if quantity.section < len(sections) else ()
    about = " ".join(filter(None, map(subject, titles)))
    if document.kind == "json":
        about = ""
        if re.search(r"\d|per_|train|batch|layer|stage|image", quantity.context.rsplit(" ", 1)[0]):
            return None
    stat = {"mean": "", "": ""}.get(quantity.stat, quantity.stat)
    own_side = {"npu": ""}.get(quantity.side, quantity.side)
    settings = (
        *sorted(set(dtypes(quantity.context)) - {"fp32"}),
        *(str(b) for b in batches(quantity.context) if b != 1),
    )
    return (quantity.kind, stat, own_side, about, *settings)


def _two_values(submission: Submission) -> Iterator[Finding]:
    seen: dict[tuple[str, ...], list[Quantity]] = defaultdict(list)
    for document in submission.documents:
        if document.kind in ("report", "json"):
            for quantity in document.quantities.all:
                if (key := _key(quantity, document)) is not None:
                    seen[key].append(quantity)
    for quantities in seen.values():
        first_file = quantities[0].at.file
        same = sorted(quantities, key=lambda q: (q.at.file != first_file, q.at.line))
        distinct: list[Quantity] = []
        for quantity in same:
            if not any(quantity.number.span.meets(other.number.span) for other in distinct):
                distinct.append(quantity)
        by_file = [sum(q.at.file == file for q in distinct) for file in {q.at.file for q in distinct}]
        if 1 < len(distinct) <= _SERIES and max(by_file) <= _SERIES - 1:
            first, second = distinct[0], distinct[1]
            yield found(
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


# One gain, one value


def _two_gains(document: Document) -> Iterator[Finding]:
    stated: dict[tuple[str, ...], list[Quantity]] = defaultdict(list)
    for quantity in document.quantities.all:
        if quantity.kind != "gain" or quantity.number.unit != "%" or quantity.number.bound:
            continue
        context = quantity.at.text
        named = batches(context)
        settings = {f"batch {b}" for b in named if b != 1} | (set(dtypes(context)) - {"fp32", "hf32"})
        if len(settings) == 1 and not many(context):
            stated[tuple(settings)].append(quantity)
    for (setting, *_), same in stated.items():
        for here in same[1:]:
            first = same[0]
            apart = not any(here.number.span.meets(other.number.span) for other in same if other.at != here.at)
            if apart and any((here.table < 0) != (other.table < 0) for other in same):
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


# A summary against its sections

_SUMMARY = re.compile(r"汇总|总结|总览|summary|overview", re.IGNORECASE)
_DUAL = re.compile(r"双\s?卡|双\s?npu|dual|两卡|2\s?[x×]\s?npu", re.IGNORECASE)


def _setting(text: str) -> str:
    """The one setting that a heading or a row is about; empty where it is about none or several."""
    found_settings = {*(set(dtypes(text)) - {"fp32"}), *(f"batch {b}" for b in batches(text) if b != 1)}
    if _DUAL.search(text):
        found_settings.add("dual")
    return found_settings.pop() if len(found_settings) == 1 else ""


def _summary_differs(document: Document) -> Iterator[Finding]:
    sections = document.structure.sections
    for quantity in document.quantities.all:
        title = sections[quantity.section].title
        if (
            quantity.table < 0
            or quantity.kind != "latency"
            or quantity.stat not in ("", "mean")
            or not _SUMMARY.search(title)
        ):
            continue
        setting = _setting(quantity.at.text)
        own = [
            q
            for q in document.quantities.all
            if q.kind == "latency"
            and q.stat in ("", "mean")
            and setting
            and _setting(sections[q.section].title) == setting
            and _setting(q.at.text) in ("", setting)
            and "fp32" not in dtypes(q.at.text)
        ]
        if not own or _WHOLE_PIPELINE.search(quantity.context):
            continue
        lo, hi = min(q.number.span.lo for q in own), max(q.number.span.hi for q in own)
        if quantity.number.span.hi < lo or quantity.number.span.lo > hi:
            yield found(
                SUMMARY_DIFFERS,
                quantity.at,
                Text(
                    f"汇总写 {quantity.number.text}，而“{sections[own[0].section].title}”一节是 "
                    f"{', '.join(q.number.text for q in own[:4])}",
                    f"the summary says {quantity.number.text}, section '{sections[own[0].section].title}' has "
                    f"{', '.join(q.number.text for q in own[:4])}",
                ),
                expected=f"{1e3 * lo:.5g} – {1e3 * hi:.5g} ms",
                got=quantity.number.text,
                evidence=tuple(q.at for q in own[:4]),
            )


_WHOLE_PIPELINE = re.compile(r"端到端|e2e|end.to.end", re.IGNORECASE)
