"""The words that appear in charts, in the languages of the reports."""

from __future__ import annotations

from dataclasses import dataclass

from npu_eval.asked.criteria import Criterion


@dataclass(frozen=True, kw_only=True)
class ChartLabels:
    """The words of the charts in one language; replace a title to name the model."""

    precision_title: str
    relative_l2: str
    repeat: str
    threshold: str
    within: str
    over: str
    exact_zero: str
    worst_of: str  # takes {shown} and {total}
    latency_title: str
    batch_size: str
    call_number: str
    latency: str
    share: str
    first_call: str
    warmup: str  # takes {count}
    timed: str  # takes {count}
    off_scale: str
    few_samples: str
    batch_title: str
    throughput: str
    latency_p50: str
    not_measured: str
    training_title: str
    step: str
    relative_error: str
    reference: str
    candidate: str
    dataset_title: str
    iou: str
    boxes: str
    masks: str
    most_objects: str  # takes {shown} and {total}
    effects_title: str
    effects_note: str
    factor: str
    waterfall_title: str
    sweep_title: str
    scaling_title: str
    together: str
    alone: str
    operators_title: str
    operator_time: str
    baseline: str
    strip_title: str
    operator_number: str
    float32_band: str
    causes: dict[str, str]


CHART_LABELS: dict[str, ChartLabels] = {
    "zh": ChartLabels(
        precision_title="精度：各输出的相对 L2 误差",
        relative_l2="相对 L2 误差",
        repeat="重复运行差异",
        threshold="阈值",
        within="不超过阈值",
        over="超过阈值",
        exact_zero="恰为 0，画在坐标轴下限",
        worst_of="仅画出误差最大的 {shown} 项，共 {total} 项",
        latency_title="性能：逐次调用时延及其分布",
        batch_size="批大小",
        call_number="调用序号",
        latency="时延 (ms)",
        share="累计占比 (%)",
        first_call="首次调用",
        warmup="预热 {count} 次",
        timed="计时 {count} 次",
        off_scale="▲ 超出坐标范围",
        few_samples="样本不足，\n不给出分位数",
        batch_title="性能：吞吐（线段为各进程间 95 % 区间）与时延随批大小的变化",
        throughput="吞吐 (张/秒)",
        latency_p50="时延 p50 (ms)",
        not_measured="未测得",
        training_title="训练：每一步各项损失，参考端与适配端",
        step="步",
        relative_error="最大相对误差",
        reference="参考端",
        candidate="适配端",
        dataset_title="数据集：AP 随 IoU 阈值与类别的变化",
        iou="匹配所需的 IoU",
        boxes="边框",
        masks="掩码",
        most_objects="画出目标最多的 {shown} 类，共 {total} 类",
        effects_title="优化：每个开关的效果",
        effects_note="横线为 95 % 区间，灰带为同一代码自我对照（A/A）的范围；● 提升  ✕ 变慢  "
        "■ 无可测效果或未定  ◆ 更快但精度不通过",
        factor="速度倍数（大于 1 为更快）",
        waterfall_title="优化：各阶段的时延与累计效果（横线为 95 % 区间）",
        sweep_title="批大小与吞吐（竖线为各进程间 95 % 区间）",
        scaling_title="多设备同时运行的吞吐",
        together="同时",
        alone="单独之和",
        operators_title="算子耗时（每次前向，不含子算子）",
        operator_time="时间 (ms)",
        baseline="基线",
        strip_title="定位：每个算子在参考端输入上的误差，按网络顺序",
        operator_number="算子序号",
        float32_band="float32 自身误差",
        causes={
            "ok": "float32 下一致",
            "hf32": "HF32",
            "tf32-or-fp16": "TF32/FP16",
            "bf16": "BF16",
            "not-comparable": "不可比",
            "fallback": "回退到 CPU",
            "non-deterministic": "不可重复",
            "fault": "故障",
        },
    ),
    "en": ChartLabels(
        precision_title="Precision: relative L2 error of each output",
        relative_l2="relative L2 error",
        repeat="repeat run",
        threshold="threshold",
        within="within the threshold",
        over="over the threshold",
        exact_zero="exactly 0, drawn at the axis floor",
        worst_of="the worst {shown} of {total} are shown",
        latency_title="Performance: latency of each call, and its distribution",
        batch_size="batch size",
        call_number="call number",
        latency="latency (ms)",
        share="share of calls (%)",
        first_call="first call",
        warmup="{count} warm-up",
        timed="{count} timed",
        off_scale="▲ off the scale",
        few_samples="too few samples\nfor percentiles",
        batch_title="Performance: throughput (lines: 95 % interval over processes) and latency against batch size",
        throughput="throughput (images/s)",
        latency_p50="latency p50 (ms)",
        not_measured="not measured",
        training_title="Training: each loss of each step, reference and candidate",
        step="step",
        relative_error="max relative error",
        reference="reference",
        candidate="candidate",
        dataset_title="Data set: AP by the IoU that a match needs, and by category",
        iou="IoU that a match needs",
        boxes="boxes",
        masks="masks",
        most_objects="the {shown} categories with most objects of {total} are shown",
        effects_title="Optimisation: the effect of each switch",
        effects_note="lines: 95 % interval, grey: identical code against itself (A/A); ● gain  ✕ slower  "
        "■ no measurable effect, or not decided  ◆ quicker, but fails precision",
        factor="times as quick (above 1 is quicker)",
        waterfall_title="Optimisation: latency of each stage (lines: 95 % interval)",
        sweep_title="Throughput against batch size (lines: 95 % interval over processes)",
        scaling_title="Throughput of several devices at once",
        together="at once",
        alone="sum of each alone",
        operators_title="Operators by time of their own (per forward)",
        operator_time="time (ms)",
        baseline="baseline",
        strip_title="Localisation: error of every operator on the reference's inputs, in network order",
        operator_number="operator number",
        float32_band="error of float32 itself",
        causes={
            "ok": "equal in float32",
            "hf32": "HF32",
            "tf32-or-fp16": "TF32/FP16",
            "bf16": "BF16",
            "not-comparable": "not comparable",
            "fallback": "ran on the CPU",
            "non-deterministic": "not repeatable",
            "fault": "fault",
        },
    ),
}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every chart has around it: its words, the banner over it, the small print below, and the sha256 of what it
    is drawn from. ``criteria`` are those of the deliverable.
    """

    labels: ChartLabels
    stamp: str | None
    footer: str
    source_sha256: str
    criteria: tuple[Criterion, ...] = ()
