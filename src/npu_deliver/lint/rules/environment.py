"""The machine and its software, and whether the work was done on it (checks 15, 17, 18, 19 and 20)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver import stacks
from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.agreement import COMPARISON as PRECISION
from npu_deliver.lint.reading.label import dtypes
from npu_deliver.lint.reading.submission import Document, Submission
from npu_deliver.lint.rules.versions import components

MODES = rule("NPU015a")
MIXED = rule("NPU015b")
CONTRADICTED = rule("NPU017")
VAGUE = rule("NPU018a")
DRIVER = rule("NPU018b")
NO_VERSIONS = rule("NPU018c")
SOC = rule("NPU019a")
IMAGE = rule("NPU019b")
CARDS = rule("NPU019c")
FALLBACK = rule("NPU020a")
SILENT = rule("NPU020b")
MOCKED = rule("NPU020c")
RULES = (MODES, MIXED, CONTRADICTED, VAGUE, DRIVER, NO_VERSIONS, SOC, IMAGE, CARDS, FALLBACK, SILENT, MOCKED)

_NPU = re.compile(r"(?<![a-z])npu(?![a-z])|昇腾|ascend", re.IGNORECASE)
_ELSEWHERE = re.compile(r"NO NPU\b|未使用 NPU|SIMULATED - NOT AN NPU", re.IGNORECASE)
_MODES_SAID = re.compile(
    r"hf32|allow_internal_format|numeric mode|数值模式|float64|fp64|allow_fp32|precision_mode|must_keep", re.IGNORECASE
)


def check(submission: Submission) -> Iterator[Finding]:
    """Software, chip and device of a submission."""
    main = submission.main
    for document in submission.documents:
        yield from _fallback(document)
    for document in submission.reports:
        yield from _mixed(document)
        yield from _stack(document)
        yield from _vague(document)
        yield from _chip(document)
        yield from _cards(document)
    if main is not None and submission.says(_NPU) and not submission.says(_ELSEWHERE):
        yield from _absent(submission, main)


def _absent(submission: Submission, main: Document) -> Iterator[Finding]:
    first = next(
        (q for q in main.quantities.all if q.kind in ("max_abs", "mean_abs", "cosine", "rel_error", "relative_l2")),
        None,
    )
    if first is not None and main.says(PRECISION) and not submission.says(_MODES_SAID):
        yield found(
            MODES,
            main.heading(first.at.line),
            Text("没有记录 HF32 等数值模式", "HF32 and the other numeric modes are not recorded"),
            expected="dtype and HF32 of both sides",
            got="none",
        )
    timed = next((q for q in main.quantities.all if q.kind in ("latency", "throughput")), None) or first
    named = {name for d in submission.texts for name, _, _ in components(d, ("text", "table", "log", "code"))}
    vague = any(
        re.search(r"cann|torch", line.plain, re.IGNORECASE) and _VAGUE.search(line.plain) for line in main.lines
    )
    if timed is not None and not named & {"cann", "torch_npu"} and not vague:
        yield found(
            NO_VERSIONS,
            main.heading(timed.at.line),
            Text("没有给出 CANN 与 torch_npu 的版本", "no version of CANN or torch_npu is given"),
            expected="exact versions of CANN, torch and torch_npu",
            got="none",
        )


_SIDE_KEY = re.compile(r"^(?P<side>参考端|适配端|cpu|npu|gpu|reference|candidate)$", re.IGNORECASE)


def _mixed(document: Document) -> Iterator[Finding]:
    sides: dict[str, tuple[tuple[str, ...], int]] = {}
    for pair in document.structure.pairs:
        match = _SIDE_KEY.match(pair.key)
        if match and len(named := dtypes(pair.value)) == 1:
            sides["candidate" if re.match(r"适配端|npu|candidate", match["side"], re.IGNORECASE) else "reference"] = (
                named,
                pair.line,
            )
    for line in document.lines:
        both = re.search(
            r"(?:cpu|gpu)\s*[(（]?\s*(?P<a>fp32|fp16|float32|float16|bf16)\)?[^|。]{0,12}?(?:vs\.?|与|和|对比|"
            r"against)[^|。]{0,12}?npu\s*[(（]?\s*(?P<b>fp32|fp16|float32|float16|bf16)",
            line.plain,
            re.IGNORECASE,
        )
        if both and line.zone in ("text", "table"):
            sides = {"reference": (dtypes(both["a"]), line.number), "candidate": (dtypes(both["b"]), line.number)}
            break
    if len(sides) == 2 and document.says(PRECISION):
        (a, first), (b, second) = sides["reference"], sides["candidate"]
        explained = (
            document.says(
                re.compile(
                    r"混合精度|格式误差|mixed precision|because of the format|fp16 (?:本身|误差)|(?:fp|float)64",
                    re.IGNORECASE,
                )
            )
            or "fp64" in a
        )
        if a != b and not explained:
            yield found(
                MIXED,
                document.span(second),
                Text(f"参考端是 {a[0]}，适配端是 {b[0]}", f"the reference is {a[0]}, the candidate {b[0]}"),
                expected=a[0],
                got=b[0],
                evidence=(document.span(first),),
            )


def _stack(document: Document) -> Iterator[Finding]:
    versions: dict[str, list[tuple[str, Span]]] = {}
    for name, version, at in components(document, ("text", "table", "log")):
        versions.setdefault(name, []).append((version, at))
    one = {name: max(each, key=lambda v: len(v[0])) for name, each in versions.items() if _agree(each)}
    cann, torch, torch_npu = (one.get(name) for name in ("cann", "torch", "torch_npu"))
    if torch and torch_npu and _release(torch[0]) != _release(torch_npu[0]):
        yield found(
            CONTRADICTED,
            torch_npu[1],
            Text(
                f"torch_npu {torch_npu[0]} 需要 torch {_release(torch_npu[0])}，这里是 {torch[0]}",
                f"torch_npu {torch_npu[0]} needs torch {_release(torch_npu[0])}, not {torch[0]}",
            ),
            expected=_release(torch_npu[0]),
            got=torch[0],
            evidence=(torch[1],),
        )
        return
    plugin = torch_npu or torch
    if cann and plugin and int(cann[0].split(".")[0]) < 20:
        python = one.get("python")
        answer = stacks.compatibility(
            torch[0] if torch else _release(plugin[0]), plugin[0], cann[0], python[0] if python else _ANY_PYTHON
        )
        if answer.state is stacks.State.CONTRADICTED:
            yield found(
                CONTRADICTED,
                cann[1],
                Text(f"CANN {cann[0]} 与 {plugin[0]} 不配套", f"CANN {cann[0]} does not go with {plugin[0]}"),
                expected="; ".join(answer.evidence)[:300],
                got=f"CANN {cann[0]}, {plugin[0]}",
                evidence=(plugin[1],),
            )


_ANY_PYTHON = "3.10"
"""Every torch from 2.1 on lists it; stands in where a report names no Python."""


def _agree(stated: list[tuple[str, Span]]) -> bool:
    """Whether every statement of a version is a shorter form of the longest."""
    plain = [version.split("+")[0] for version, _ in stated]
    return all(max(plain, key=len).startswith(version) for version in plain)


def _release(version: str) -> str:
    match = re.match(r"\d+\.\d+(?:\.\d+)?", version.split("+")[0])
    text = match[0] if match else version
    return text if text.count(".") == 2 else f"{text}.0"


_VAGUE = re.compile(r"\blatest\b|built-?in|内置|environment provided|最新版?|(?:>=|≥|~=)\s*\d|以上版本", re.IGNORECASE)
_SOFTWARE = re.compile(
    r"^(?:torch\w*|pytorch|torch[-_]npu|timm|transformers|cann|python|numpy|mindspore|torchvision|detectron2|mmcv|"
    r"vllm[-\w]*|opencv[-\w]*)$",
    re.IGNORECASE,
)


def _vague(document: Document) -> Iterator[Finding]:
    seen = False
    for pair in document.structure.pairs:
        name = pair.key.strip()
        if _SOFTWARE.match(name) and not seen and (match := _VAGUE.search(pair.value)):
            seen = True
            yield found(
                VAGUE,
                document.span(pair.line),
                Text(f"{name} 的版本是“{match[0]}”", f"the version of {name} is '{match[0]}'"),
                expected="an exact version",
                got=match[0],
            )
        if re.search(r"\bcann\b", name, re.IGNORECASE) and (
            match := re.match(r"\W*(?P<v>2\d\.\d+(?:\.\w+)*)", pair.value)
        ):
            yield found(
                DRIVER,
                document.span(pair.line),
                Text(
                    f"{match['v']} 是驱动（npu-smi）的版本，不是 CANN 的",
                    f"{match['v']} is the driver's version (npu-smi), not CANN's",
                ),
                expected="CANN 6 to 9",
                got=match["v"],
            )


_SOC_CLEAR = re.compile(
    r"910[A-Da-d]\d?|910\s?_?9\d\d\d|910pro|310[PpBb]\d?|(?<![\w])A[23](?![\w])|950(?:DT|PR)?|"
    r"Atlas\s*\d+\w*\s*A[23]|910_93",
    re.IGNORECASE,
)
_SOC_VAGUE = re.compile(r"(?:ascend|昇腾)\s*-?_?910(?![\w.])|(?:ascend|昇腾)\s*910\s*(?:系列|series)", re.IGNORECASE)
_TAG = re.compile(
    r"(?:cann|torch-npu|vllm-ascend|ascend\w*)[\w./-]*:[\w.+-]*?-(?P<chip>910b|910|a3|310p)-", re.IGNORECASE
)
_FAMILY = {
    "910b": re.compile(r"910B|(?<!\w)A2(?!\w)", re.IGNORECASE),
    "a3": re.compile(r"910_?93|910_?9\d{3}|(?<!\w)A3(?!\w)|910C", re.IGNORECASE),
    "910": re.compile(r"910A|910pro", re.IGNORECASE),
    "310p": re.compile(r"310P", re.IGNORECASE),
}


def _chip(document: Document) -> Iterator[Finding]:
    clear = any(_SOC_CLEAR.search(re.sub(r"-910b?-|-a3-", " ", line.plain)) for line in document.lines)
    either = re.compile(r"910B\d?\s*/\s*910A|910A\s*/\s*910B|A2\s*/\s*A3", re.IGNORECASE)
    for line in document.lines:
        if line.zone in ("text", "table", "log") and (
            match := (not clear and _SOC_VAGUE.search(line.plain)) or either.search(line.plain)
        ):
            yield found(
                SOC,
                document.span(line.number),
                Text(f"“{match[0]}”不能确定芯片", f"'{match[0]}' does not tell the chip"),
                expected="the SoC as npu-smi prints it",
                got=match[0],
            )
            break
    for line in document.lines:
        if tag := _TAG.search(line.plain):
            chip = tag["chip"].lower()
            named = {
                family
                for family, pattern in _FAMILY.items()
                for other in document.lines
                if pattern.search(re.sub(r"\S*:\S*-(?:910b?|a3|310p)-\S*", " ", other.plain))
            }
            if named and chip not in named:
                yield found(
                    IMAGE,
                    document.span(line.number),
                    Text(
                        f"镜像标签 -{chip}- 不是 {'、'.join(sorted(named))} 的",
                        f"the tag -{chip}- is not for {', '.join(sorted(named))}",
                    ),
                    expected=f"-{sorted(named)[0]}-",
                    got=f"-{chip}-",
                )
                return


_COUNT = re.compile(r"npu[ _]?(?:数量|count|个数)|num[_ ]npus?|卡数", re.IGNORECASE)


def _cards(document: Document) -> Iterator[Finding]:
    counts = [
        (pair, int(m[0]))
        for pair in document.structure.pairs
        if _COUNT.search(pair.key) and len(pair.key) < 16 and (m := re.match(r"\d+", pair.value.strip("*` ")))
    ]
    for pair, count in counts[1:]:
        if count != counts[0][1]:
            yield found(
                CARDS,
                document.span(pair.line),
                Text(
                    f"NPU 数量在此为 {count}，在第 {counts[0][0].line} 行为 {counts[0][1]}",
                    f"the number of NPUs is {count} here and {counts[0][1]} in line {counts[0][0].line}",
                ),
                expected=str(counts[0][1]),
                got=str(count),
                evidence=(document.span(counts[0][0].line),),
            )
            return


_FELL = re.compile(
    r"fall(?:ing|s)? back to (?:run on )?(?:the )?cpu|not (?:currently )?supported on the npu backend", re.IGNORECASE
)
_NO_FALL = re.compile(r"^(?!.*(?:没有|未出现|无|不存在|不会|禁止|no |not found|without|absent|0 ))", re.IGNORECASE)
_AUTO = re.compile(r"""['"]npu(?::\d)?['"]\s+if\s+.{0,60}?is_available\(\)\s+else\s+['"]cpu['"]""")
_MOCK = re.compile(
    r"占位模块|mock\w*\s+(?:module|extension)[^.|]{0,30}|伪造.{0,6}模块|(?:创建|新建|写)\S{0,4}(?:空|假)的?\s*_C|"
    r"stub (?:module|extension)",
    re.IGNORECASE,
)


def _fallback(document: Document) -> Iterator[Finding]:
    if document.kind in ("log", "report"):
        for line, match in document.search(_FELL, ("text", "log", "table")):
            if line.zone == "log" or _NO_FALL.search(line.plain):
                yield found(
                    FALLBACK,
                    document.span(line.number),
                    Text("有算子回退到 CPU 执行", "an operator ran on the CPU"),
                    expected="no fallback",
                    got=match[0],
                )
                break
    if document.kind in ("python", "report", "shell"):
        for line, match in document.search(_AUTO, ("code", "log", "text")):
            yield found(
                SILENT,
                document.span(line.number),
                Text("没有 NPU 时会静默使用 CPU", "without an NPU this silently takes the CPU"),
                expected="an error where there is no NPU",
                got=match[0],
            )
            break
        for line, match in document.search(_MOCK, ("code", "log", "text", "table")):
            if "_C" in line.plain or re.search(r"扩展|extension|cuda", line.plain, re.IGNORECASE):
                yield found(
                    MOCKED,
                    document.span(line.number),
                    Text("扩展模块被假模块代替", "an extension module was replaced by a mock"),
                    expected="the real extension",
                    got=match[0],
                )
                break
