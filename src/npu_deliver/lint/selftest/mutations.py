"""Defects to plant: each takes the files of a clean report and damages them as reports are damaged in the wild.

A mutation works on any report in which its target is found, ours or a stranger's; where there is none it gives None.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from npu_deliver.lint.selftest.numbers import Files


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A damaged copy: the rules of which at least one must speak in ``file`` (anywhere, where it is empty)."""

    files: Files
    rules: frozenset[str]
    file: str


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A kind of defect, by name, and how it is planted."""

    name: str
    plant: Callable[[Files, random.Random], Planted | None]


def _pages(files: Files) -> list[str]:
    return [name for name in files if name.lower().endswith(".md")]


def _replace(
    pattern: str,
    new: Callable[[re.Match[str], random.Random], str],
    *rules: str,
    suffix: str = ".md",
    sole: bool = False,
    needs: str = "",
    unless: str = r"(?!)",
) -> Callable[[Files, random.Random], Planted | None]:
    """Replace one random match of a pattern in a file with a suffix; ``sole``: only where nothing else matches.

    ``needs`` is what makes the damage a contradiction, ``unless`` what a page says that promises nothing of the kind: a
    page of training results has no protocol. Front matter is text like any other here.
    """
    compiled = re.compile(pattern, re.MULTILINE)

    def plant(files: Files, rng: random.Random) -> Planted | None:
        targets = [
            (name, m) for name, text in files.items() if name.lower().endswith(suffix) for m in compiled.finditer(text)
        ]
        if not _fits(files, needs, unless):
            return None
        if not targets or (sole and (len(targets) > 1 or sum(bool(compiled.search(t)) for t in files.values()) > 1)):
            return None
        name, match = rng.choice(targets)
        text = files[name]
        damaged = text[: match.start()] + new(match, rng) + text[match.end() :]
        return None if damaged == text else Planted(files=files | {name: damaged}, rules=frozenset(rules), file=name)

    return plant


def _append(
    text: str, *rules: str, needs: str = "", unless: str = r"(?!)"
) -> Callable[[Files, random.Random], Planted | None]:
    """Add a passage to the end of the README, in a report that has what the passage contradicts."""

    def plant(files: Files, _rng: random.Random) -> Planted | None:
        name = next(iter(sorted(_pages(files), key=lambda n: not n.lower().startswith("readme"))), None)
        if name is None or not _fits({name: files[name]}, needs, unless):
            return None
        return Planted(files=files | {name: f"{files[name]}\n{text}\n"}, rules=frozenset(rules), file=name)

    return plant


def _fits(files: Files, needs: str, unless: str) -> bool:
    """Whether a report has what a damage contradicts, and nothing that makes it none."""
    flags = re.IGNORECASE | re.MULTILINE
    return any(re.search(needs, text, flags) for text in files.values()) and not any(
        re.search(unless, text, flags) for text in files.values()
    )


def _scaled(group: str, low: float, high: float) -> Callable[[re.Match[str], random.Random], str]:
    """A number of a match, multiplied, with as many decimals as before."""

    def new(match: re.Match[str], rng: random.Random) -> str:
        factor = rng.uniform(low, high) if rng.random() < 0.5 else 1 / rng.uniform(low, high)
        text = match[group]
        decimals = len(text.partition(".")[2])
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return f"{match[0][:start]}{float(text) * factor:.{decimals}f}{match[0][end:]}"

    return new


def _becomes(text: str) -> Callable[[re.Match[str], random.Random], str]:
    return lambda match, _rng: match.expand(text)


_RATE = r"(?P<v>\d+\.\d+) (?:张/秒|img/s|images/s|/s)(?= *\|| *$)"
_RATE_CELL = r"^\| (?:NPU FP\d+) \| [^|]+\| [^|]+\| (?P<v>\d+\.\d+) \|"
_RESULT = ("NPU004a", "NPU004c", "NPU003a", "NPU004f", "NPU021d", "NPU004b", "NPU021b")

MUTATIONS: tuple[Mutation, ...] = tuple(
    Mutation(name=name, plant=plant)
    for name, plant in (
        ("placeholder in a table", _replace(r"^(\| [^|\n]+\|) [^|\n]*\d[^|\n]* \|$", _becomes(r"\1 $weight |"), "NPU001")),
        ("placeholder in a list", _replace(r"^(- [^：:\n|]{2,20}[：:]) ?[^\n]+$", _becomes(r"\1 {{ value }}"), "NPU001", unless=r"\A---\n(?!hardware)")),
        ("TODO left", _append("TODO: 补充数据", "NPU001")),
        ("scoring field emptied", _replace(r"^(\| (?:cosine_similarity|max_abs_diff|mean_abs_diff) \|) [^|\n]+\|", _becomes(r"\1 |"), "NPU002")),
        ("second latency", _append("## 结论\n\n- 平均延迟：771.31 ms", "NPU003a", needs=r"^- 平均延迟")),
        ("second CANN", _append("## 附\n\n- CANN：7.0.RC1", "NPU003c", needs=r"CANN *[：:|=] *\d", unless=r"首次支持版本")),
        ("rate changed in prose", _replace(r"(?:吞吐|throughput)[：:]+ ?(?P<v>\d+\.\d+) ", _scaled("v", 1.05, 3.0), *_RESULT)),
        ("rate changed in a table", _replace(_RATE, _scaled("v", 1.05, 3.0), *_RESULT)),
        ("rate cell changed", _replace(_RATE_CELL, _scaled("v", 1.05, 3.0), *_RESULT)),
        ("speed-up changed", _replace(r"(?P<v>\d+\.\d+)×(?= \|)", _scaled("v", 1.05, 2.0), "NPU004b")),
        ("speed-up changed in prose", _replace(r"加速比 (?P<v>\d+\.\d+) 倍", _scaled("v", 1.05, 2.0), "NPU004b")),
        ("gain changed", _replace(r"(?P<v>\d+\.\d)%(?= \|$)", lambda m, r: f"{float(m['v']) + r.uniform(3, 30):.1f}%", "NPU004c")),
        ("gain in prose changed", _replace(r"降低 (?P<v>\d+\.\d)%", lambda m, r: f"降低 {float(m['v']) / 2:.1f}%", "NPU004c")),
        ("share changed", _replace(r"\d+/\d{4,} ?[(（](?P<v>\d+\.\d+)%", _scaled("v", 1.5, 9.0), "NPU004d")),
        ("difference changed", _replace(r"^\| (?:mAP|Recall@1 \(%\)) \| \S+ \| \S+ \| (?P<v>\d+\.\d\d)", lambda m, r: m[0].removesuffix(m["v"]) + f"{float(m['v']) + r.uniform(0.5, 3):.2f}", "NPU004e")),
        ("difference in a log changed", _replace(r"abs_diff=(?P<v>\d\.\d+)e", lambda m, r: m[0].replace(m["v"], f"{float(m['v']) * r.uniform(3, 9):.6f}"), "NPU004e")),
        ("total changed", _replace(r"合计 \| (?P<v>\d+\.\d+)", _scaled("v", 1.03, 1.5), "NPU004f")),
        ("variation changed", _replace(r"变异系数：(?P<v>\d+\.\d+)%", _scaled("v", 1.3, 4.0), "NPU004g")),
        ("cosine above one", _replace(r"(?<=[ |])0\.9\d{5,}(?=[ |\n（(])", _becomes("1.000005"), "NPU005a")),
        ("percentiles swapped", _replace(r"P50：(\S+ ms)，P90：(\S+ ms)", _becomes(r"P50：\2，P90：\1"), "NPU005b")),
        ("percentiles swapped in a table", _replace(r"^(\| \d+\.\d{3} \| \d+\.\d{3} \| \d+\.\d{3} \|) (\S+) \| (\S+) \|", _becomes(r"\1 \3 | \2 |"), "NPU005b")),
        ("mean above max", _replace(r"^\| mean_abs_diff \| (\S+)", _becomes("| mean_abs_diff | 9.9e+02"), "NPU005b", "NPU003a")),
        ("failure excused", _append("| 指标 | 数值 |\n|---|---|\n| relative_error | 1.34% |\n| threshold | 1.0% |\n| result | FAIL |\n\n略超阈值，完全可接受。", "NPU006a")),
        ("false inequality", _replace(r"(?P<v>0\.\d+)% < 1%", _becomes("1.66% < 1%"), "NPU006b")),
        ("false inequality added", _append("- 输出误差：2.31% < 1%，通过", "NPU006b")),
        ("cosine called an error", _append("| 指标 | 数值 |\n|---|---|\n| cosine | 0.999820 |\n| 精度误差 | 0.0180% |", "NPU007b")),
        ("share passed over", _append("- >1% rel error (masked): 508713/2560000 (19.87%)\n\n结论：所有输出均无 >1% 误差。", "NPU008")),
        ("random head", _append("- 分类头权重为随机初始化，这是预期行为", "NPU012c")),
        ("loose loading", _append("- 加载时使用 strict=False", "NPU012b")),
        ("no classifier", _append("- 输出形状：[1, 320]（backbone features，num_classes=0）\n- top1_match：一致", "NPU011", "NPU013a")),
        ("random input", _append("- 精度对比：通过，输入为随机 224x224 图像", "NPU014a")),
        ("impossible CANN", _replace(r"(CANN *[：:|]? ?)\d\.\d(?:\.\w+)?", _becomes(r"\g<1>7.0.0"), "NPU017", "NPU003c", needs=r"torch_npu|FrameworkPTAdapter")),
        ("plugin of another torch", _replace(r"(torch_npu(?: \| |[：:]|==| )) ?2\.\d\.\d", _becomes(r"\g<1>2.1.0"), "NPU017", "NPU003c")),
        ("vague version", _append("| 组件 | 版本 |\n|---|---|\n| timm | latest |", "NPU018a")),
        ("driver as CANN", _append("| 组件 | 版本 |\n|---|---|\n| CANN / npu-smi | 25.5.2 |", "NPU018b")),
        ("image of another chip", _append("- 镜像：quay.io/ascend/cann:8.5.1-910-ubuntu22.04-py3.11", "NPU019b", needs=r"910B\d|910_93")),
        ("second card count", _append("## 附\n\n- NPU 数量：4", "NPU019c", needs=r"NPU 数量")),
        ("fallback in the text", _append("```text\n'torchvision::nms' is not currently supported on the NPU backend and will fall back to run on the CPU\n```", "NPU020a")),
        ("fallback in a log", _replace(r"\Z", _becomes("operator aten::isin will fall back to run on the CPU\n"), "NPU020a", suffix=".log")),
        ("device chosen silently", _append("```python\ndevice = 'npu' if torch.npu.is_available() else 'cpu'\n```", "NPU020b")),
        ("mocked extension", _append("- 创建占位模块 adet/_C.py 绕过扩展编译", "NPU020c")),
        ("hidden batch", _append("## 附录：另一次测量\n\n| 平均延迟 | 吞吐 |\n|---|---|\n| 14.00 ms | 500.0 FPS |", "NPU021b", "NPU004a")),
        ("cold start timed", _append("- 延迟 1250 ms（含首次推理与模型加载）", "NPU021c")),
        ("published baseline", _append("- 相比论文中 H200 的 30 ms，加速比 1.5x", "NPU022b")),
        ("default as optimisation", _append("## 优化\n\n- 优化项：TASK_QUEUE_ENABLE=1", "NPU023a", unless=r"310P")),
        ("unknown switch", _append("## 优化\n\n- 优化项：NPU_FP16_MATMUL=1", "NPU023b")),
        ("file that is not there", _append("- 原始日志：logs/never_written.log", "NPU024c")),
        ("hardware tag removed", _replace(r"^hardware: NPU$", _becomes("hardware: GPU"), "NPU025a")),
        ("private path", _append("- 权重路径：/home/lisi/models/w.pth", "NPU025c")),
        ("token", _append("- export HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrStUvWxYz", "NPU025d")),
        ("platform package required", _replace(r"\A", _becomes("torch_npu==2.9.0\n"), "NPU025e", suffix="requirements.txt")),
        ("warm-up not stated", _replace(r"^.*(?:预热|[Ww]arm).*$", _becomes(""), "NPU021a", sole=True, unless=r"训练结果|[Tt]raining result")),
        ("summary of another run", _append("## 双卡并行\n\n- npu:0 延迟 20.82 ms\n- npu:1 延迟 21.10 ms\n\n## 汇总\n\n| 阶段 | 延迟 |\n|---|---|\n| 双卡 | 29.70 ms |", "NPU003d")),
        ("two switches at once", _append("| 配置 | 帧率 | 提升 |\n|---|---|---|\n| 基线 | 40.00 FPS | - |\n| TASK_QUEUE_ENABLE=2 + CPU_AFFINITY_CONF=1 | 44.00 FPS | +10.0% |", "NPU023d")),
        ("classes of another model", _append("- 任务：图像分类（100类）\n- 输出形状：[1, 1000]", "NPU013b")),
        ("stand-in model", _append("- 模型：Lightweight BlendMask-like model", "NPU013c", unless=r"推理指导")),
        ("throughput collapses", _append("## 批大小\n\n| batch | 帧率 |\n|---|---|\n| 1 | 46.20 FPS |\n| 2 | 51.41 FPS |\n| 4 | 32.67 FPS |", "NPU021d")),
        ("norm below its floor", _append("| cosine_similarity | relative_l2 |\n|---|---|\n| 0.9990 | 0.0010 |", "NPU005c")),
        ("picture instead of numbers", _append('## 性能截图\n\n<img src="perf_report.png">', "NPU024b")),
        ("scoring field removed", _replace(r"^\| mean_abs_diff \|.*\n", _becomes(""), "NPU025b")),
        ("gain in another baseline", _append("| 配置 | 帧率 | 提升 |\n|---|---|---|\n| 基线 | 40.00 FPS | - |\n| INT8 | 50.00 FPS | +25.0% |\n\nINT8 比基线高 31.7%。", "NPU003b")),
        ("calculation written wrong", _append("- 四芯吞吐：103.795x4=515.18 FPS", "NPU004h")),
        ("ratio of another row", _append("| bs | 310 | 310P | 310P/310 |\n|---|---|---|---|\n| 1 | 49.28 | 80.49 | 1.633 |\n| 8 | 96.12 | 150.31 | 1.264 |", "NPU004i")),
        ("best row of another batch", _append("| bs | 帧率 (FPS) |\n|---|---|\n| 1 | 423.97 |\n| 4 | 426.74 |\n| 8 | 401.30 |\n| 最优bs | 423.97 |", "NPU004j")),
        ("eight cards slower than one", _append("| NAME | FPS | AMP_Type |\n|---|---|---|\n| 1p-NPU | 4556.28 | O2 |\n| 8p-NPU | 2373.80 | O2 |", "NPU004o")),
        ("step time of another batch", _append("| 卡数 | global batch size | FPS | 平均step耗时(s) |\n|---|---|---|---|\n| 8p | 64 | 47.16 | 1.722 |", "NPU004l")),
        ("digit shifted in a sweep", _append("| 芯片 | Batch Size | 性能 |\n|---|---|---|\n| 310P3 | 8 | 86.03 |\n| 310P3 | 16 | 984.99 |\n| 310P3 | 32 | 80.47 |", "NPU004m")),
        ("linearity of an older rate", _append("| 卡数 | global batch size | FPS | 线性度 |\n|---|---|---|---|\n| 8p | 96 | 75.59 | - |\n| 16p | 192 | 135.60 | 96.31% |", "NPU004n")),
        ("ratio column changed", _replace(r"^\| bs\d+ \| \S+ \| \S+ \| \S+ \| (?P<v>\d\.\d+) \|", _scaled("v", 1.08, 1.9), "NPU004i")),
        ("second ratio column changed", _replace(r"^\| bs\d+ \| \S+ \| \S+ \| \S+ \| \S+ \| (?P<v>\d\.\d+) \|", _scaled("v", 1.15, 1.9), "NPU004i")),
        ("best row changed", _replace(r"^\| 最优 batch \| \S+ \| (?P<v>\d+\.\d+) \|", _scaled("v", 1.05, 1.4), "NPU004j", "NPU004i")),
        ("product of chips changed", _replace(r"\d+\.\d+ x 4 = (?P<v>\d+\.\d+)", _scaled("v", 1.03, 3.0), "NPU004h")),
        ("rate of a latency changed", _replace(r"1000/\d+\.\d+\*4 = (?P<v>\d+\.\d+)", _scaled("v", 1.03, 3.0), "NPU004h")),
        ("digit shifted in a sweep of chips", _replace(r"^\| bs8 \| \S+ \| (?P<v>\d+\.\d+) \|", lambda m, _: m[0].replace(m["v"], f"{float(m['v']) * 10:.4f}"), "NPU004m", "NPU004i")),
        ("eight cards slowed down", _replace(r"^\| +8p-NPU +\| \S+ \| (?P<v>\d+\.\d+) \|", lambda m, r: m[0].replace(m["v"], f"{float(m['v']) / r.uniform(12, 30):.2f}"), "NPU004o")),
        ("eight cards beyond eight", _replace(r"^\| +8p-NPU +\| \S+ \| (?P<v>\d+\.\d+) \|", lambda m, r: m[0].replace(m["v"], f"{float(m['v']) * r.uniform(1.5, 2.9):.2f}"), "NPU004o")),
        ("eight cards far beyond eight", _replace(r"^\| +8p-NPU +\| \S+ \| (?P<v>\d+\.\d+) \|", lambda m, r: m[0].replace(m["v"], f"{float(m['v']) * r.uniform(4.0, 9):.2f}"), "NPU004k")),
        ("rate of eight cards changed", _replace(r"^\| (?:Atlas|竞品).* 8p .* (?P<v>\d+\.\d+) \|$", _scaled("v", 1.15, 1.9), "NPU004l")),
        ("placeholder in a cell of results", _replace(r"^(\| +8p-NPU +\| \S+ \|) \S+ \|", _becomes(r"\1 xxx |"), "NPU001")),
        ("variable in a cell of results", _replace(r"^(\| bs16 \| \S+ \|) \S+ \|", _becomes(r"\1 ${fps} |"), "NPU001")),
        ("score never filled in", _replace(r"Top1: \d+\.\d+%, Top5: \d+\.\d+%(?= \|$)", _becomes("Top1: xx.xx%, Top5: xx.xx%"), "NPU001")),
        ("plugin of another CANN", _replace(r"^\| CANN \| \S+ \|$", _becomes("| CANN | 6.3.RC2 |"), "NPU017", needs=r"FrameworkPTAdapter")),
        ("private home in a command", _append("```\npython preprocess.py --save_path /home/zhaoliu/net/part1\n```", "NPU025c")),
    )
)  # fmt: skip
