"""Verdicts and what they rest on: threshold, outputs compared, inputs, a second run (checks 6, 9, 14, 16)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.markdown import bare
from npu_deliver.lint.reading.number import Number, numbers
from npu_deliver.lint.reading.submission import Document, Submission

EXCUSED = rule("NPU006a")
CONTRADICTED = rule("NPU006b")
PROXY = rule("NPU009")
UNREAL_INPUT = rule("NPU014a")
ONE_INPUT = rule("NPU014b")
NO_REPEAT = rule("NPU016")
RULES = (EXCUSED, CONTRADICTED, PROXY, UNREAL_INPUT, ONE_INPUT, NO_REPEAT)

PRECISION = re.compile(
    r"max_abs|mean_abs|cos(?:ine)?_?sim|余弦|相对误差|精度(?:对比|误差|验证)|rel(?:ative)?[_ ]?(?:err|diff|l2)|"
    r"accuracy compar|precision compar",
    re.IGNORECASE,
)
_PASS = re.compile(r"✅|通过|\bpass(?:ed)?\b|满足|合格|达标|\btrue\b|成功|一致|\bok\b|是\s*[(|]", re.IGNORECASE)
_PASS_NOT = re.compile(
    r"未通过|不通过|不满足|不达标|没有通过|未满足|不合格|\bfail|not pass|❌|不一致|未达", re.IGNORECASE
)
_FAIL = re.compile(
    r"\bfail(?:ed)?\b|未通过|不通过|❌|略超|超出阈值|超过阈值|超出.{0,4}1(?:\.0)?\s*%|略高于|exceeds? the threshold|"
    r"slightly above",
    re.IGNORECASE,
)
_EXCUSE = re.compile(
    r"(?:完全|可以|仍)?可接受|可以接受|可忽略|视为通过|仍(?:然)?(?:在)?合理|正常范围|不影响(?:使用|精度|结论)|"
    r"acceptable|negligible|considered (?:a )?pass|within reason",
    re.IGNORECASE,
)
_INEQUALITY = re.compile(
    r"(?<![\d.])(?P<a>\d{1,20}(?:\.\d{1,20})?(?:[eE][-+]?\d+)?\s*%?)\s*(?P<op><=?|>=?|≤|"
    r"≥)\s*(?P<b>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\s*%?)(?![\w.])"
)


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
    failed = [line for line, _ in document.search(_FAIL)]
    if not failed:
        return
    for line, match in document.search(_EXCUSE, ("text", "table")):
        near = [other for other in failed if other.section == line.section or abs(other.number - line.number) <= 12]
        if near and not re.search(r"不可接受|unacceptable|不能接受|not acceptable|无法接受|不可忽略", line.plain):
            yield found(
                EXCUSED,
                document.span(line.number),
                Text(f"结果未通过，这里却说“{match[0]}”", f"the result failed, and this calls it '{match[0]}'"),
                expected="FAIL",
                got=match[0],
                evidence=(document.span(near[0].number),),
            )


def _inequalities(document: Document) -> Iterator[Finding]:
    for line in document.lines:
        if line.zone not in ("text", "table"):
            continue
        for match in _INEQUALITY.finditer(line.plain):
            a, b = (next(numbers(match[k].strip()), None) for k in "ab")
            before = line.plain[max(0, match.start() - 2) : match.start()]
            if a is None or b is None or re.search(r"[\w.<>=-]$", before) or re.search(r"if |判断|条件", line.plain):
                continue
            if _false(a, match["op"], b):
                yield found(
                    CONTRADICTED,
                    document.span(line.number),
                    Text(f"“{match[0]}”不成立", f"'{match[0]}' is false"),
                    expected=f"{match['op']} {match['b'].strip()}",
                    got=match["a"].strip(),
                )


def _false(a: Number, sign: str, b: Number) -> bool:
    scale_a = 0.01 if a.unit == "%" else 1.0
    scale_b = 0.01 if b.unit == "%" else 1.0
    if (a.unit == "%") != (b.unit == "%") and not (a.unit == "%" or b.unit == "%"):
        return False
    lo, hi, limit = a.span.lo * scale_a, a.span.hi * scale_a, b.value * scale_b
    return lo > limit if sign in ("<", "<=", "≤") else hi < limit


_LIMIT = re.compile(r"(?:<=?|≤|小于|低于|不超过|below|under|within)\s*(?P<limit>\d+(?:\.\d+)?\s*%)", re.IGNORECASE)
_ERROR_KEY = re.compile(r"误差|error|diff|偏差|差异|loss", re.IGNORECASE)


def _over_threshold(document: Document) -> Iterator[Finding]:
    """A percentage of error that passes, over the one limit that the report sets for errors."""
    limits = {
        match["limit"].replace(" ", "")
        for line, match in document.search(_LIMIT)
        if _ERROR_KEY.search(line.plain) or "精度" in line.plain
    }
    for pair in document.structure.pairs:
        if re.search(r"^(?:threshold|阈值|门限)$", pair.key, re.IGNORECASE):
            limits |= {n.text.replace(" ", "") for n in numbers(pair.value) if n.unit == "%"}
    parsed = [next(numbers(limit)) for limit in limits]
    if len({n.value for n in parsed}) != 1:
        return
    limit = parsed[0]
    for line in document.lines:
        if line.zone not in ("text", "table") or not _ERROR_KEY.search(line.plain) or _INEQUALITY.search(line.plain):
            continue
        if (
            not _PASS.search(line.plain)
            or _PASS_NOT.search(line.plain)
            or _FAIL.search(line.plain)
            or re.search(r"性能|提升|wer|cer|占比|share|cosine|余弦", line.plain, re.IGNORECASE)
        ):
            continue
        over = [n for n in numbers(line.plain) if n.unit == "%" and not n.bound and n.span.lo > limit.value]
        values = [n for n in numbers(line.plain) if n.unit == "%" and not n.bound]
        if len(values) == 1 and over and over[0].value < 100:
            yield found(
                CONTRADICTED,
                document.span(line.number),
                Text(f"{over[0].text} 超过 {limit.text}，却写通过", f"{over[0].text} is over {limit.text}, and passes"),
                expected=f"< {limit.value:g} %",
                got=over[0].text,
            )


_DETECTS = re.compile(
    r"检测框|实例分割|目标检测|语义分割|掩码|detection|segmentation|bounding box|\bmasks?\b|关键点|keypoint",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"与\s*(?:cpu|gpu)[^。;|\n]{0,12}(?:一致|相同|吻合|对齐)|(?:consistent|identical|same|agree\w*|"
    r"match\w*) (?:with|to|as) (?:the )?(?:cpu|gpu)",
    re.IGNORECASE,
)
_OUTPUT_LABEL = re.compile(
    r"box|框|score|分数|得分|mask|掩码|iou|\bm?ap\b|召回|recall|heatmap|\bhm\b|关键点|keypoint|"
    r"classification logits|检测数|detections|cls_logits|bbox",
    re.IGNORECASE,
)
_LOSS = re.compile(r"^\W*(?:loss|损失)|loss_", re.IGNORECASE)
_COMPARED = {
    "max_abs",
    "mean_abs",
    "cosine",
    "relative_l2",
    "max_rel",
    "mean_rel",
    "rel_error",
    "abs_error",
    "error",
    "map",
    "map50",
    "rmse",
    "accuracy",
}


def _uncompared(submission: Submission, main: Document) -> Iterator[Finding]:
    if not main.says(_DETECTS):
        return
    for document in submission.texts:
        for q in document.quantities.all:
            if (
                q.kind in _COMPARED
                and _OUTPUT_LABEL.search(f"{q.label} {_row(document, q.at.line)}")
                and not _LOSS.search(bare(q.label))
            ):
                return
    has_proxy = submission.says(re.compile(r"loss|损失|backbone|骨干|特征", re.IGNORECASE))
    for line, match in main.search(_AGREES, ("text", "table")):
        if has_proxy or _DETECTS.search(line.plain):
            yield found(
                PROXY,
                main.span(line.number),
                Text(
                    "称输出与 CPU 一致，但没有任何框、分数或掩码的对比数值",
                    "the outputs are said to agree, without one number for boxes, scores or masks",
                ),
                expected="a difference for each of boxes, scores and masks",
                got=match[0],
            )
            return


def _row(document: Document, line: int) -> str:
    text = document.lines[line - 1].plain
    return "" if _LOSS.search(text) else text


_RANDOM = re.compile(
    r"随机(?:生成)?(?:的)?\s*(?:输入|数据|图像|图片|张量|tensor|噪声|\d+\s*[x×]\s*\d+)|random (?:input|image|tensor|"
    r"data|noise)|synthetic (?:input|image|data)|合成(?:输入|图像|数据|图片)|torch\.randn?\b"
    r"|dummy[ _]input|(?:输入|input)[:：= ]{1,3}.{0,12}(?:随机|random|dummy|randn|全零|全一|zeros|ones)",
    re.IGNORECASE,
)
_NO_RANDOM = re.compile(
    r"(?:非|不(?:使用|是|用|采用)?|没有|未使用?|无|而非|避免)\s*(?:使用)?随机|not random|no random|without random|"
    r"instead of random|性能|benchmark|latency|延迟|随机种子|seed",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"(?:单(?:张|个|条|一|幅)|一张|1\s*张|single|one)\s*(?:的)?\s*(?:测试|真实|样本|test|sample)?\s*(?:输入|图像|"
    r"图片|样本|照片|input|image|sample|photo|sentence)",
    re.IGNORECASE,
)
_VERIFY = re.compile(r"精度|一致性|误差|precision|accuracy|consisten|对比|compare", re.IGNORECASE)


def _inputs(document: Document) -> Iterator[Finding]:
    if not (document.says(PRECISION) and document.says(_PASS)):
        return
    for line, match in document.search(_RANDOM, ("text", "table", "log")):
        if not _NO_RANDOM.search(line.plain):
            yield found(
                UNREAL_INPUT,
                document.span(line.number),
                Text("精度结论所用输入是随机或合成的", "the input behind the precision verdict is random or synthetic"),
                expected="real inputs with names and hashes",
                got=match[0].strip(),
            )
            return
    for line, match in document.search(_SINGLE, ("text",)):
        if _VERIFY.search(line.plain) and not re.search(
            r"性能|延迟|latency|fps|帧率|ms|不足|不能|not enough|each|每", line.plain, re.IGNORECASE
        ):
            yield found(
                ONE_INPUT,
                document.span(line.number),
                Text("精度结论只用了一个输入", "the precision verdict rests on one input"),
                expected="several real inputs",
                got=match[0],
            )
            return


_REPEATED = re.compile(
    r"重复(?:运行|性|推理|执行)|按位|bitwise|repeat|determinis|确定性|多次运行.{0,10}一致|两次运行|run.to.run|逐位",
    re.IGNORECASE,
)


def _no_repeat(submission: Submission, main: Document) -> Iterator[Finding]:
    both = [q for q in main.quantities.all if q.kind in ("max_abs", "mean_abs", "cosine", "relative_l2", "rel_error")]
    if (
        not both
        or submission.says(_REPEATED)
        or not submission.says(re.compile(r"(?<![a-z])npu(?![a-z])|昇腾|ascend", re.IGNORECASE))
    ):
        return
    yield found(
        NO_REPEAT,
        main.heading(both[0].at.line),
        Text("没有给出同一输入重复运行的差异", "no difference between two runs of one input is given"),
        expected="two runs of one input, bitwise or with their difference",
        got="none",
    )
