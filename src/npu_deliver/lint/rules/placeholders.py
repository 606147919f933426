"""No value left as a placeholder, none empty (checks 1 and 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.submission import Document, Submission

PLACEHOLDER = rule("NPU001")
EMPTY = rule("NPU002")
RULES = (PLACEHOLDER, EMPTY)

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
    """Placeholders and empty fields of one submission."""
    for document in submission.reports:
        yield from _placeholders(document)
        yield from _empty_fields(document)


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
