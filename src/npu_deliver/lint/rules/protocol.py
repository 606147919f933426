"""How time was measured and what a speed-up is against (checks 21, 22 and 23)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.label import batches, dtypes, many
from npu_deliver.lint.reading.markdown import bare
from npu_deliver.lint.reading.quantity import Quantity
from npu_deliver.lint.reading.rates import batch_of
from npu_deliver.lint.reading.submission import Document, Submission
from npu_eval import npu_environment

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

_PROTOCOL = {
    "warm-up": re.compile(r"预热|热身|warm[-_ ]?up|warmup", re.IGNORECASE),
    "iterations": re.compile(
        r"迭代|iterations?|\biters?\b|(?<!首)次(?!数据)|\bruns?\b|\brepeats?\b|轮|timed calls|\bcalls\b|num_runs|"
        r"samples|循环",
        re.IGNORECASE,
    ),
    "batch": re.compile(r"batch|\bbs\b|批大小|批次|批量|单张|\[1\s*,\s*3\s*,|1x3x", re.IGNORECASE),
    "input shape": re.compile(
        r"\d{2,4}\s*[x×*]\s*\d{2,4}|\[\s*\d+\s*,\s*\d+\s*,\s*\d+|输入(?:形状|尺寸|大小)|input[_ ](?:shape|size)|"
        r"\d+\s*tokens",
        re.IGNORECASE,
    ),
    "synchronise": re.compile(r"同步|synchroni[sz]|npu\.Event|\bsync\b", re.IGNORECASE),
    "spread": re.compile(
        r"标准差|\bstd\w*|\bp9\d|百分位|percentile|\bp50|stdev|±|\bcv\b|min.{0,3}max|最小|最大|抖动", re.IGNORECASE
    ),
}
_CPU_NAME = re.compile(
    r"鲲鹏|kunpeng|xeon|epyc|ryzen|(?:intel|amd)\b|core\s?i\d|cortex|neoverse|飞腾|phytium|hygon|海光|\b[Ii]\d-\d{4}",
    re.IGNORECASE,
)
_THREADS = re.compile(r"线程|threads?|核|cores?|OMP_NUM_THREADS|num_threads", re.IGNORECASE)
_COLD = re.compile(
    r"(?:含|包含|包括|incl\w*)\s*(?:首次|第一次|模型加载|编译|冷启动|(?:the )?(?:first|cold|model load|compil))|"
    r"(?:无|没有|未|不)(?:进行|做)?预热|预热\s*0\s*次|warm-?up\s*[=:]\s*0\b|without warm-?up|no warm-?up",
    re.IGNORECASE,
)
_NOT_INCLUDED = re.compile(r"不(?:包?含|计入|包括)|排除|excl\w*|not incl|without the first", re.IGNORECASE)
_PAPER = re.compile(
    r"论文|\bpaper\b|官方(?:公布|报告|数据|给出)|published|official(?:ly)?|technical report|reported by", re.IGNORECASE
)
_HIS_MACHINE = re.compile(
    r"[AHVBLT]\d{1,3}\d?(?:00)?\b(?=.{0,30}(?:ms|fps|FPS))|H[12]00|A100|V100|T4|RTX", re.IGNORECASE
)


def check(submission: Submission) -> Iterator[Finding]:
    """Timing, baselines and optimisations of a submission's reports."""
    if (main := submission.main) is not None:
        yield from _unstated(submission, main)
    for document in submission.reports:
        yield from _hidden_batch(document)
        yield from _collapse(document)
        yield from _baselines(submission, document)
        yield from _switches(document)
        yield from _noise(document)
        for line, match in document.search(_COLD, ("text", "table")):
            if not _NOT_INCLUDED.search(line.plain) and re.search(
                r"延迟|latency|时延|fps|耗时|推理时间|ms", line.plain, re.IGNORECASE
            ):
                yield found(
                    COLD,
                    document.span(line.number),
                    Text("计时包含首次调用或没有预热", "the first call is timed, or there was no warm-up"),
                    expected="warm-up first",
                    got=match[0],
                )
                break


def _unstated(submission: Submission, main: Document) -> Iterator[Finding]:
    timed = next(
        (
            q
            for q in main.quantities.all
            if q.kind in ("latency", "throughput") and q.number.unit in ("s", "/s") and q.number.value > 0
        ),
        None,
    )
    if timed is None:
        return
    missing = [name for name, pattern in _PROTOCOL.items() if not submission.says(pattern)]
    if missing:
        yield found(
            UNSTATED,
            main.heading(timed.at.line),
            Text(f"计时协议缺少：{', '.join(missing)}", f"the timing protocol lacks: {', '.join(missing)}"),
            expected=", ".join(_PROTOCOL),
            got=f"without {', '.join(missing)}",
            evidence=(timed.at,),
        )


def _hidden_batch(document: Document) -> Iterator[Finding]:
    for group in document.quantities.groups:
        latencies, rates = group.one("latency", ("mean", "")), group.one("throughput", ("mean", ""))
        if (
            len(latencies) != 1
            or len(rates) != 1
            or many(group.context)
            or batch_of(document, group)
            or latencies[0].side != rates[0].side
        ):
            continue
        product = latencies[0].number.span * rates[0].number.span
        value = latencies[0].number.value * rates[0].number.value
        if 1.9 <= value <= 256 and product.lo <= round(value) <= product.hi and product.hi - product.lo < 0.5:
            yield found(
                HIDDEN_BATCH,
                rates[0].at,
                Text(
                    f"{rates[0].number.text} × {latencies[0].number.text} = {value:.3g}：batch 没有写明",
                    f"{rates[0].number.text} × {latencies[0].number.text} = {value:.3g}: an unstated batch size",
                ),
                expected=f"batch = {round(value)}, stated",
                got="no batch size",
                evidence=(latencies[0].at,),
            )
            return


_FALL = 0.7
"""A larger batch that keeps less of the throughput than this is remarkable; noise and tiling stay above it."""
_EXPLAINED = re.compile(
    r"(?:batch|批).{0,40}(?:下降|回落|降低|退化|骤降|变慢|drop|collapse|slower|degrad|因为|由于|原因|because|due to|"
    r"瓶颈|访存|换页)",
    re.IGNORECASE,
)


def _collapse(document: Document) -> Iterator[Finding]:
    by_place: dict[int, dict[int, Quantity]] = defaultdict(dict)
    for group in document.quantities.groups:
        rates = group.one("throughput", ("mean", ""))
        sizes = {int(q.number.value) for q in group.quantities if q.kind == "batch"} or set(batches(group.context))
        if len(rates) == 1 and len(sizes) == 1 and not many(group.context) and len(dtypes(group.context)) < 2:
            by_place[group.section].setdefault(sizes.pop(), rates[0])
    for sweep in by_place.values():
        best: Quantity | None = None
        for size in sorted(sweep):
            rate = sweep[size]
            if best is not None and rate.number.span.hi < _FALL * best.number.span.lo and not document.says(_EXPLAINED):
                yield found(
                    COLLAPSE,
                    rate.at,
                    Text(
                        f"batch {size} 的吞吐降到 {rate.number.text}，没有说明原因",
                        f"throughput falls to {rate.number.text} at batch {size}, unexplained",
                    ),
                    expected=f">= {_FALL} × {best.number.text}, or an explanation",
                    got=rate.number.text,
                    evidence=(best.at,),
                )
                break
            best = rate if best is None or rate.number.value > best.number.value else best


def _baselines(submission: Submission, document: Document) -> Iterator[Finding]:
    claims = [q for q in document.quantities.all if q.kind == "speedup" and q.number.value > 1.0]
    cpu = next(
        (q for q in document.quantities.all if q.side == "cpu" and q.kind in ("latency", "throughput", "total_time")),
        None,
    )
    if claims and cpu is not None and not (submission.says(_CPU_NAME) and submission.says(_THREADS)):
        yield found(
            NAMELESS_CPU,
            document.heading(cpu.at.line),
            Text(
                "加速比以 CPU 为基准，但没有 CPU 型号与线程数",
                "the speed-up is over a CPU whose model and threads are not named",
            ),
            expected="CPU model, threads and dtype",
            got="CPU",
            evidence=(cpu.at,),
        )
    for line, match in document.search(_PAPER, ("text", "table")):
        if _HIS_MACHINE.search(line.plain) and re.search(
            r"加速|speed-?up|faster|\d\s*[x×倍]|快|提升", line.plain, re.IGNORECASE
        ):
            yield found(
                PAPER_BASE,
                document.span(line.number),
                Text("以他人公布的数字为基准", "a number that others published is the baseline"),
                expected="a baseline measured here",
                got=match[0],
            )
            break


# Switches

_KNOWN = {
    *npu_environment.DEFAULTS,
    "ACL_OP_INIT_MODE",
    "NPU_VISIBLE_DEVICES",
    "NPU_DEVICE_ID",
    "NPU_DEVICE",
    "NPU_ID",
    "NPU_ASD_UPPER_THRESH",
    "NPU_ASD_SIGMA_THRESH",
    "OOM_SNAPSHOT_PATH",
    "TORCH_HCCL_ZERO_COPY",
    "TORCH_NPU_ENHANCED_ENABLE",
}
_PREFIXES = (
    "ASCEND_",
    "HCCL_",
    "LCCL_",
    "ATB_",
    "ACL_",
    "VLLM_",
    "P2P_HCCL",
    "TORCH_HCCL",
    "LCAL_",
    "GE_",
    "ASDOPS_",
    "CANN_",
    "MINDIE_",
    "NPU_COLLECT_",
)
_DEFAULTS = {
    **{name: value for name, value in npu_environment.DEFAULTS.items() if value is not None},
    # read in sources.TORCH_NPU_MODES, which says so of A2 and A3
    "jit_compile": "False",
    "allow_internal_format": "False",
}
_SWITCH = re.compile(
    r"(?<![\w$.-])(?P<name>(?:NPU|TORCH_NPU|TASK|COMBINED|CPU_AFFINITY|INF_NAN|MULTI_STREAM|PYTORCH_NPU|PER_STREAM|"
    r"ASCEND)_?[A-Z0-9_]*|jit_compile|allow_internal_format)\s*=\s*(?P<value>[\w:,.-]+)"
)
_ADVICE = re.compile(r"优化|加速|提升|调优|tuning|optimi[sz]|speed|faster|improv|export", re.IGNORECASE)


def _switches(document: Document) -> Iterator[Finding]:
    told: set[str] = set()
    for line in document.lines:
        heading = document.structure.sections[line.section].titles
        optimising = _ADVICE.search(line.plain) or _ADVICE.search(" ".join(heading))
        switches = list(_SWITCH.finditer(line.plain))
        for match in switches:
            name, value = match["name"], match["value"].rstrip(".,")
            if name in told or "_" not in name.rstrip("_"):
                continue
            upper = name.upper()
            if name.isupper() and upper not in _KNOWN and not upper.startswith(_PREFIXES):
                told.add(name)
                yield found(
                    UNKNOWN_SWITCH,
                    document.span(line.number),
                    Text(f"{name} 不是 torch_npu 或 CANN 的变量", f"{name} is no variable of torch_npu or CANN"),
                    expected="a documented variable",
                    got=name,
                )
            elif (
                optimising
                and line.zone != "code"
                and _DEFAULTS.get(name) == value
                and not re.search(r"默认|default|运行时|recorded|读回|记录|环境变量", line.plain + " ".join(heading))
            ):
                told.add(name)
                yield found(
                    DEFAULT,
                    document.span(line.number),
                    Text(f"{name}={value} 本来就是默认值", f"{name}={value} is the default"),
                    expected="a value that is not the default",
                    got=f"{name}={value}",
                )
        names = {match["name"] for match in switches}
        if len(names) > 1 and line.zone == "table" and _claims_a_gain(document, line.number):
            yield found(
                NO_ABLATION,
                document.span(line.number),
                Text(f"{len(names)} 个开关一起打开，只有一个增益", f"{len(names)} switches, and one gain"),
                expected="one switch a row",
                got=" + ".join(sorted(names)),
            )


def _claims_a_gain(document: Document, line: int) -> bool:
    return any(q.at.line == line and q.kind in ("gain", "speedup") for q in document.quantities.all)


# Noise

_SAME = 1.5
"""A gain below one and a half times the spread of one setting cannot be told from it."""
_REPEATED_LABEL = re.compile(
    r"基线|baseline|fp32|float32|batch\s*[=:]?\s*1\b|单卡|npu:0|默认|eager|基准", re.IGNORECASE
)
_TUNED = re.compile(r"fp16|float16|bf16|int8|amp|优化后|调优|tuned|双卡|dual|cpu|gpu", re.IGNORECASE)


def _noise(document: Document) -> Iterator[Finding]:
    same: dict[str, list[Quantity]] = {"latency": [], "throughput": []}
    for q in document.quantities.all:
        plain = (
            q.kind in same and q.stat in ("", "mean") and q.side != "cpu" and q.number.value > 0 and not q.number.bound
        )
        row = _row_of(document, q)
        if (
            plain
            and _REPEATED_LABEL.search(f"{q.label} {row}")
            and not _TUNED.search(f"{q.label} {row}")
            and all(b == 1 for b in batches(f"{q.label} {row}"))
        ):
            same[q.kind].append(q)
    for kind, values in same.items():
        sections = {q.section for q in values}
        if len(values) < 2 or len(sections) < 2:
            continue
        low, high = min(values, key=lambda q: q.number.value), max(values, key=lambda q: q.number.value)
        spread = 100 * (high.number.span.lo / low.number.span.hi - 1)
        if not 0 < spread < 30:
            continue
        for claim in document.quantities.all:
            if (
                claim.kind == "gain"
                and claim.number.unit == "%"
                and 0 < claim.number.value <= _SAME * spread
                and not claim.number.bound
                and claim.table >= 0
                and not batches(_row_of(document, claim))
            ):
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


def _row_of(document: Document, quantity: Quantity) -> str:
    if quantity.table < 0:
        return quantity.at.text
    return " ".join(bare(cell) for cell in document.structure.tables[quantity.table].rows[quantity.row][1][:2])
