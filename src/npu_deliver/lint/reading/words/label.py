"""What the words beside a number say it is: the kind of quantity, its statistic, its side, and under which settings."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """``kind`` such as latency or cosine; ``stat`` such as mean or p90, empty where the label has none."""

    kind: str
    stat: str = ""


_KINDS: tuple[tuple[str, str], ...] = (
    ("share_over", r">\s*1\s*%|(?:超过?|大于|高于|over|above|exceed\w*)\s*1\s*%"),
    (
        "schedule",
        r"\bschd\b|\blr\b|learning[ _]?rate|学习率|scheduler?\b|\bt_max\b|\beta_min\b|weight[ _]decay|momentum"
        r"|\b(?:cosine|cos)[ _-]?(?:lr|decay|anneal\w*)|余弦(?:退火|衰减)",
    ),
    ("miou", r"m?iou(?![a-z])"),
    (
        "cosine",
        r"\bcos(?:ine)?(?:[_ \-]?sim\w*)?\b(?!\s?(?:loss|margin|distance|embedding|classifier|head))|cos_sim"
        r"|余弦(?!距离|损失|间隔)",
    ),
    ("relative_l2", r"rel(?:ative)?[_ \-]?l2|l2[_ \-]?rel|相对\s?l2|l2\s?相对|relative euclid"),
    ("rmse", r"\brmse\b|root.mean.square error|均方根误差"),
    ("max_rel", r"max\w*[_ ]*rel(?!ative[_ ]?pos|ease)|最大相对|rel\w*[_ ]*(?:err|error|diff)?\w*[_ ]*max"),
    ("mean_rel", r"(?:mean|avg|average)[_ ]*rel|平均相对|rel\w*[_ ]*(?:err|error|diff)?\w*[_ ]*(?:mean|avg)"),
    (
        "max_abs",
        r"max\w*[_ ]*abs|最大绝对|最大(?:误差|差)|max\w*[_ ]*(?:err|diff)|abs\w*[_ ]*(?:err|error|diff)?\w*[_ ]*max"
        r"|max\|d\|",
    ),
    (
        "mean_abs",
        r"(?:mean|avg|average)[_ ]*abs|平均绝对|\bmae\b|(?:mean|avg|average)[_ ]*(?:err|diff)"
        r"|平均(?:误差|差)|abs\w*[_ ]*(?:err|error|diff)?\w*[_ ]*(?:mean|avg)|mean\|d\|",
    ),
    ("abs_error", r"abs(?:olute)?[_ ]*(?:err|diff)|绝对误差|绝对差"),
    ("rel_error", r"rel(?:ative)?[_ ]*(?:err|diff)|相对误差|相对差"),
    ("cv", r"\bcv\b|变异系数|coefficient of variation"),
    (
        "accuracy5",
        r"top[-_ ]?5[\w ]*acc|acc\w*[@_ ]*(?:top[-_ ]?)?5\b|top[-_ ]?5\s*(?:准确率|精度)|精度\s?\(?top[-_ ]?5",
    ),
    (
        "accuracy1",
        r"top[-_ ]?1[\w ]*acc|acc\w*[@_ ]*(?:top[-_ ]?)?1\b|top[-_ ]?1\s*(?:准确率|精度)|精度\s?\(?top[-_ ]?1",
    ),
    ("top5", r"top[-_ ]?5"),
    ("top1", r"top[-_ ]?1"),
    ("map50", r"m?ap[\s@_]*(?:(?:0?\.)?50|0?\.5)\b(?!\s?[:-])"),
    ("map75", r"m?ap[\s@_]*(?:0?\.)?75\b"),
    ("map", r"\bm?ap\b|mAP"),
    ("accuracy", r"\bacc(?:uracy)?\b|准确率|正确率"),
    ("speedup", r"加速比|加速倍数|speed-?_?up|faster\b.*\bx\b|倍速"),
    ("efficiency", r"效率|efficiency"),
    (
        "gain",
        r"提升|提高|增益|\bgains?\b|improve\w*|相对基准|相对基线|相比|较基准|较基线|变化|下降|降低|减少|reduc\w*|"
        r"\bvs\.?\b|faster|slower"
        r"|更快|更慢|高出|快了|慢了|增长|[高快慢低]\s*(?:约|了|近)?\s*$",
    ),
    (
        "throughput",
        r"fps|帧率|吞吐|throughput|\bqps\b|张/秒|帧/秒|(?:images|samples|frames) per s"
        r"|(?:im(?:a)?ge?s?|samples?|frames?|videos?|clips?|tokens?|inf|it|iters?|seq\w*)\s?/\s?s(?:ec\w*)?(?![a-z])",
    ),
    ("total_time", r"总(?:耗时|时间|用时)|total[_ ]?(?:time|elapsed)|elapsed"),
    ("load_time", r"加载|(?<![a-z])load|编译|(?<![a-z])compil|初始化|\binit"),
    (
        "step_time",
        r"step[_ ]?time|单步|每步|step\s?(?:平均)?耗时|迭代(?:耗时|时间)|iter(?:ation)?[_ ]?time|per[_ ]step"
        r"|(?<![a-z])s\s?/\s?it(?:er\w*)?(?![a-z])"
        r"|\btrain(?:ing)?[_ ]time",
    ),
    (
        "latency",
        r"latency|延迟|时延|耗时|推理时间|推理用时|inference[_ ]?time|time[_ ]?(?:per|/)|单次|单帧|单张时间"
        r"|forward[_ ]?time|\bms\b(?!\s?[-+_ ]\s?(?:flip|train|test|coco))|_ms\b|毫秒"
        r"|(?:avg|mean|min|max|p\d\d)_time|time\b",
    ),
    ("warmup", r"预热|热身|warm[-_ ]?up"),
    (
        "iterations",
        r"迭代|iterations?|\biters?\b|测试轮数|测试次数|循环次数|重复次数|运行次数|计时次数|num_runs|\bruns\b|"
        r"\brepeats?\b|timed calls"
        r"|sample[_ ]count|轮数",
    ),
    ("batch", r"batch(?:[_ -]?size)?|\bbs\b|批大小|批次大小|批量大小|批处理大小|批次|批量"),
    ("cards", r"npu[_ ]?(?:数量|count|num\w*)|num[_ ]?npus?|卡数|\bcards?\b|设备数量|npu\s?个数"),
    ("memory", r"显存|memory|内存|hbm"),
    ("threshold", r"阈值|threshold|门限|\btol(?:erance)?\b|标准(?![差偏])"),
    ("error", r"误差|\berrors?\b|\bdiff(?:erence)?\b|偏差|差异"),
    ("count", r"数量|个数|count|\bnum\b|数目"),
    ("parameters", r"参数量|params?\b|parameters"),
    (
        "score",
        r"精度|\bprecision\b|recall|召回|(?<![a-z])(?:dice|m?dsc|auc|f1|psnr|ssim|[wc]er|nds|bleu\w*|rouge\w*|mota|hmean|fid|"
        r"top-?\d|rank-?\d+|pck\w*|epe|m?recall|ndcg|mrr)(?![a-z])",
    ),
    ("performance", r"性能|\bperf(?:ormance)?\b"),
)
SCORES = frozenset({"miou", "map", "map50", "map75", "accuracy", "accuracy1", "accuracy5", "top1", "top5", "score"})
"""Results on a data set: they have no unit of time."""


def _small(pattern: str) -> re.Pattern[str]:
    """A pattern for text in small letters, which is searched several times as fast as one that ignores case."""
    return re.compile(re.sub(r"\\.|[A-Z]+", lambda m: m[0] if m[0].startswith("\\") else m[0].lower(), pattern))


_COMPILED = tuple((kind, _small(pattern)) for kind, pattern in _KINDS)


def _percentile(share: str, *words: str) -> tuple[str, str]:
    """``P90``, ``tp90``, ``90th``, ``percentile 90``, ``90分位`` and ``90% latency``, which is no share of anything."""
    measured = r"\s?(?:-?t?ile|latency|延迟|时延|耗时|线|percentile|quantile|time)"
    ways = (
        rf"(?<![a-z])t?p{share}(?!\d|[._]9)",
        rf"(?<![\d.]){share}\s?%{measured}",
        rf"(?<![\d.]){share}th\b",
        rf"(?:percentile|quantile)\s?{share}(?!\d)",
        rf"(?<![\d.]){share}\s?分位",
    )
    return f"p{share}", "|".join((*ways, *words))


_STATS = (
    ("interval", r"置信区间|confidence interval|\bci\s?\d\d"),
    ("std", r"\bstd\w*|_std|标准差|标准偏差|stdev|\bsigma\b|σ"),
    ("first", r"首次|第一次|冷启动|\bfirst\b|cold"),
    _percentile("50", "median|中位"),
    _percentile("75"),
    _percentile("80"),
    _percentile("90"),
    _percentile("95"),
    ("p99.9", r"(?<![a-z])t?p99[._]?9(?!\d)|(?<!\d)99\.9\s?(?:%|th|分位)"),
    _percentile("99"),
    ("min", r"\bmin\w*|_min|最小|最低|最快|fastest"),
    ("max", r"\bmax\w*|_max|最大|最高|最慢|slowest|峰值|peak"),
    ("mean", r"\bavg\w*|\bmean\b|average|_avg|_mean|mean_|平均|均值|均延"),
)
_STAT_PATTERNS = tuple((stat, _small(pattern)) for stat, pattern in _STATS)
_ORDINAL = ("latency", "throughput", "total_time", "load_time")


@functools.lru_cache(maxsize=65536)
def meaning(label: str) -> Meaning | None:
    """The quantity that a label names; None for words that name none."""
    plain = label.replace("`", "").replace("*", "").lower()
    for kind, pattern in _COMPILED:
        if pattern.search(plain):
            return Meaning(kind, statistic(plain) if kind in _ORDINAL else "")
    stat = statistic(plain)
    return Meaning("statistic", stat) if stat and len(plain) <= 24 else None


def statistic(label: str) -> str:
    """mean, min, max, std, first or a percentile; empty where the label names none."""
    small = label.lower()
    for stat, pattern in _STAT_PATTERNS:
        if pattern.search(small):
            return stat
    return ""


_LABEL_UNITS = (
    (r"(?<![a-z])ms(?![a-z]|\s?[-+_ ]\s?(?:flip|train|test|coco))|毫秒|_ms", ("s", 1e-3)),
    (r"(?<![a-z])[uµμ]s(?![a-z])|微秒", ("s", 1e-6)),
    (
        r"fps|帧率|张/秒|帧/秒|(?:im(?:a)?ge?s?|samples?|frames?|videos?|clips?|tokens?|inf|it|iters?)\s?/\s?s(?:ec\w*)?(?![a-z])"
        r"|qps|_ips|吞吐|throughput",
        ("/s", 1.0),
    ),
    (r"[(\[]\s*(?:h|hrs?|hours?|小时)\s*[)\]]", ("s", 3600.0)),
    (
        r"[(\[/,]\s*(?:s|sec|seconds|秒)\s*(?:/\s?(?:it\w*|step|batch|epoch|im\w*|张|帧|次|步)\s*)?[)\]]?\s*$|_s$|_sec$|_seconds$",
        ("s", 1.0),
    ),
    (r"[(\[/,]\s*%\s*[)\]]?|_percent$|_pct$", ("%", 1.0)),
    (r"加速比|speed-?_?up|倍数", ("x", 1.0)),
)
_UNIT_PATTERNS = tuple((re.compile(pattern), unit) for pattern, unit in _LABEL_UNITS)


@functools.lru_cache(maxsize=8192)
def unit_of(label: str) -> tuple[str, float] | None:
    """(unit, factor) that a label states, as in ``latency_ms`` or ``延迟 (ms)``; a score has no unit of time."""
    what = meaning(label)
    lowered = label.lower()
    for pattern, unit in _UNIT_PATTERNS:
        if pattern.search(lowered) and (unit[0] == "%" or what is None or what.kind not in SCORES):
            return unit
    return None


def by_unit(unit: str) -> Meaning | None:
    """What a number without a telling label is by its unit alone."""
    return {"/s": Meaning("throughput"), "x": Meaning("speedup")}.get(unit)


_CPU = re.compile(r"(?<![a-z])cpu(?![a-z])|鲲鹏|kunpeng|xeon|epyc", re.IGNORECASE)
_GPU = re.compile(r"(?<![a-z])(?:gpu|cuda|a100|v100|h100|h200|t4|rtx)(?![a-z])|显卡", re.IGNORECASE)
_NPU = re.compile(r"(?<![a-z])npu(?![a-z])|ascend|昇腾|910[a-z]?\d?", re.IGNORECASE)


@functools.lru_cache(maxsize=8192)
def side(label: str) -> str:
    """cpu, gpu or npu where a label names exactly one of them, else empty."""
    named = [name for name, pattern in (("cpu", _CPU), ("gpu", _GPU), ("npu", _NPU)) if pattern.search(label)]
    return named[0] if len(named) == 1 else ""


DTYPE = re.compile(
    r"(?<![a-z])(fp16|float16|half|bf16|bfloat16|fp32|float32|fp64|float64|int8|hf32|tf32|amp)(?![a-z])", re.IGNORECASE
)
_SAME_DTYPE = {"float16": "fp16", "half": "fp16", "bfloat16": "bf16", "float32": "fp32", "float64": "fp64"}
BATCH = re.compile(
    r"(?:batch(?:[_ -]?size)?|(?<![a-z])bs|批大小|批次大小|批量大小|批次|批量)"
    r"\s*[=:：＝_]?\s*(?:设[置定]?为|取|为|是|of|is)?\s*(\d{1,4})(?!\d|\.\d)",
    re.IGNORECASE,
)
_MANY = re.compile(
    r"双\s?(?:卡|npu|芯|机)|dual|multi-?(?:npu|card|device|process|stream)|多\s?(?:卡|npu|机|进程|流|线程)|并行|"
    r"并发|流水|异步|pipelin\w*|async\w*"
    r"|concurren\w*|offline|\b\d+\s?(?:npus|cards|p\b)|[2-9]\s?卡|合计|总计|\btotal\b|aggregate|\bdp\d|"
    r"\b[2-9]\s?[x×]\s?(?:npu|910)",
    re.IGNORECASE,
)


def dtypes(text: str) -> tuple[str, ...]:
    """The number formats that a text names, by their short names."""
    return tuple(dict.fromkeys(_SAME_DTYPE.get(m.lower(), m.lower()) for m in DTYPE.findall(text)))


def batches(text: str) -> tuple[int, ...]:
    """The batch sizes that a text names; the batch with the number 0 is none."""
    return tuple(dict.fromkeys(size for m in BATCH.findall(text) if (size := int(m)) > 0))


def many(text: str) -> bool:
    """Whether a text speaks of several cards, streams or overlapping calls, where FPS × latency is no batch size."""
    return bool(_MANY.search(text))
