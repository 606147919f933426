"""Values as such: none left as a placeholder, none empty, one for each quantity (checks 1 to 3)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.label import batches, dtypes, many, subject
from npu_deliver.lint.reading.quantity import Quantity
from npu_deliver.lint.reading.submission import Document, Submission

PLACEHOLDER = rule("NPU001")
EMPTY = rule("NPU002")
TWO_VALUES = rule("NPU003a")
TWO_GAINS = rule("NPU003b")
VERSIONS_DIFFER = rule("NPU003c")
SUMMARY_DIFFERS = rule("NPU003d")
RULES = (PLACEHOLDER, EMPTY, TWO_VALUES, TWO_GAINS, VERSIONS_DIFFER, SUMMARY_DIFFERS)

_LEFT = re.compile(
    r"(?P<brace>\$\{\w+\}|\{\{[^{}]*\}\}|\{%.*?%\})|(?P<shell>(?<![\w$\\`])\$[A-Za-z_]\w*)(?!\w*\$)"
    r"|(?P<angle><\s*(?:TODO|TBD|FIXME|your[\w -]*|xxx+|填写[^<>]*|待[^<>]{1,8}|请[^<>]{1,12}|path[ _/]to[^<>]*|"
    r"model[ _-]?name|name here)\s*>)"
    r"|(?P<word>(?<![\w/.-])(?:TODO|TBD|FIXME|XXX+|xxx+)(?![\w/.-]))"
    r"|(?P<zh>待补充|待填写|待填|此处填写|请填写|待定(?=[\s|。)]|$)|(?<![\w.])[xX]\.[xX](?:\.[xX])?(?![\w.])|"
    r"lorem ipsum|占位符)",
)
_CODE_SPAN = re.compile(r"`[^`]*`")
_MATH = re.compile(r"\$[^$]*[\\^_={}+*/<>][^$]*\$|\$\$.*?\$\$")
_ABOUT_THEM = re.compile(r"占位符|placeholder|未展开|unexpanded|模板变量", re.IGNORECASE)
_EMPTY_VALUES = re.compile(
    r"^\s*(?:[-–—_/]+|n/?a|none|null|nan|undefined|\?+|。|;|无数据|)\s*[。;]?\s*$", re.IGNORECASE
)
_REQUIRED = re.compile(
    r"参考端|适配端|真实权重|权重(?:路径|来源|地址)|pretrained_used|local_weight_used|max_abs|mean_abs|"
    r"cos(?:ine)?_?sim|top[15]_match|match_within|latency"
    r"|误差值|精度误差|判定依据|权重模型地址|精度对比日志|结构化结果|^设备$|^NPU$|^CANN$|^torch(?:_npu)?$|^python$|"
    r"模型名称|模型来源|任务类型|平均延迟|吞吐|帧率|fps"
    r"|余弦|是否满足|npu 数量|输出形状|状态|hardware|threshold|阈值|relative_error|throughput|cosine",
    re.IGNORECASE,
)
_INLINE_EMPTY = re.compile(r"(?P<key>\b[a-z]+(?:_[a-z0-9]+)+)\s*=\s*(?=[;。,，；]|$)")


def check(submission: Submission) -> Iterator[Finding]:
    """Placeholders, empty fields and contradictions of one submission."""
    for document in submission.reports:
        yield from _placeholders(document)
        yield from _empty_fields(document)
        yield from _two_gains(document)
        yield from _summary_differs(document)
    yield from _two_values(submission)
    yield from _versions(submission)


def _placeholders(document: Document) -> Iterator[Finding]:
    for line in document.lines:
        if line.zone not in ("text", "table", "front") or _ABOUT_THEM.search(line.plain):
            continue
        plain = _MATH.sub(lambda m: " " * len(m[0]), _without_code(line.plain))
        for match in _LEFT.finditer(plain):
            if match["shell"] and (match[0][1:].isupper() or plain.count("$") > 1):
                continue
            at = document.span(line.number)
            yield found(
                PLACEHOLDER,
                at,
                Text(f"“{match[0]}”没有被替换成值", f"'{match[0]}' was never replaced by a value"),
                expected="a value",
                got=match[0],
            )
            break


def _without_code(plain: str) -> str:
    """A line without its code spans, unless a span is all that a cell or value holds."""

    def blank(match: re.Match[str]) -> str:
        around = plain[: match.start()].rstrip()[-1:] + plain[match.end() :].lstrip()[:1]
        inner = match[0].strip("`")
        alone = around in ("||", ":", "=") and re.fullmatch(r"\$\{?[a-z_]\w*\}?|\{\{.*\}\}", inner)
        return f" {inner} " if alone else " " * len(match[0])

    return _CODE_SPAN.sub(blank, plain)


def _empty_fields(document: Document) -> Iterator[Finding]:
    for pair in document.structure.pairs:
        if (
            document.lines[pair.line - 1].zone == "log"
            or pair.nested
            or not _REQUIRED.search(pair.key)
            or len(pair.key) > 40
        ):
            continue
        value = re.sub(r"[*`✅❌]", "", pair.value).strip()
        if _EMPTY_VALUES.match(value):
            yield found(
                EMPTY,
                document.span(pair.line),
                Text(f"字段“{pair.key}”没有值", f"the field '{pair.key}' has no value"),
                expected="a value, or 'not measured' and why",
                got=value or "(empty)",
            )
    for line, match in document.search(_INLINE_EMPTY, ("text", "table")):
        yield found(
            EMPTY,
            document.span(line.number),
            Text(f"“{match['key']}=”后面没有值", f"nothing stands after '{match['key']}='"),
            expected="a value",
            got="(empty)",
        )


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


# Versions

_COMPONENT = re.compile(
    r"(?<![\w-])(?P<name>torch[_-]npu|torchvision|torch|pytorch|cann|python|timm|transformers|mindspore)(?![\w-])"
    r"[\s:=|*`(]{0,6}(?:版本|version)?[\s:=|*`v]{0,4}(?P<version>\d+\.\d+(?:\.\w+)*(?:\+\w+)?)",
    re.IGNORECASE,
)


_NAME = r"torch[_-]npu|torchvision|torch|pytorch|cann|python"
_VERSION = r"\d+\.\d+(?:\.\w+)*(?:\+\w+)?"
_PAIRED = re.compile(
    rf"(?P<a>{_NAME})\s*[/、&]\s*(?P<b>{_NAME})[\s:=|*`]+(?P<x>{_VERSION})\s*[/、&]\s*(?P<y>{_VERSION})", re.IGNORECASE
)
"""``torch / torch_npu | 2.8.0 / 2.8.0.post2`` names two components and then two versions."""


def _component(name: str) -> str:
    return name.lower().replace("-", "_").replace("pytorch", "torch")


def components(
    document: Document, zones: tuple[str, ...] = ("text", "table", "log")
) -> Iterator[tuple[str, str, Span]]:
    """(component, version, place) for every version that a document states."""
    for line in document.lines:
        if line.zone in zones and not re.search(r"https?://\S*$|docker pull|image:", line.plain[:200]):
            if pair := _PAIRED.search(line.plain):
                for name, version in ((pair["a"], pair["x"]), (pair["b"], pair["y"])):
                    yield _component(name), version, document.span(line.number)
                continue
            for match in _COMPONENT.finditer(line.plain):
                yield _component(match["name"]), match["version"].rstrip("."), document.span(line.number)


def _versions(submission: Submission) -> Iterator[Finding]:
    for document in submission.reports:
        seen: dict[str, tuple[str, Span]] = {}
        for name, version, at in components(document, ("text", "table")):
            if re.search(
                r"支持|兼容|要求|需要|或|以上|及|/|support|compatib|require|or later|升级|upgrade|issue|对应|"
                r"配套关系|not |不",
                at.text,
            ):
                continue
            plain = version.split("+")[0].lower()
            first = seen.setdefault(name, (plain, at))
            if not (plain.startswith(first[0]) or first[0].startswith(plain)):
                yield found(
                    VERSIONS_DIFFER,
                    at,
                    Text(
                        f"{name} 在此为 {version}，在第 {first[1].line} 行为 {first[0]}",
                        f"{name} is {version} here and {first[0]} in line {first[1].line}",
                    ),
                    expected=first[0],
                    got=version,
                    evidence=(first[1],),
                )
                seen[name] = (plain, at)
