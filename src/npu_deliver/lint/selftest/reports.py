"""Clean reports of ports in the manners of strangers: lists and tables, Chinese and English, logs and JSON."""

from __future__ import annotations

import math
import random

from npu_deliver.lint.selftest.numbers import Files, Numbers, cut, stack


def bullets_zh(n: Numbers, rng: random.Random) -> Files:
    """Chinese lists with full-width colons, and a scoring table."""
    torch, plugin, cann, python = stack(rng)
    sha = f"{rng.getrandbits(256):064x}"
    return {
        "README.md": f"""---
hardware: NPU
tags:
  - NPU
  - Ascend
  - ascend-npu
---
# 图像分类模型昇腾 NPU 适配报告

## 模型信息

- 模型名称：timm/resnet50.a1_in1k
- 任务类型：图像分类
- 原始权重：https://huggingface.co/timm/resnet50.a1_in1k（sha256 {sha}）
- 严格加载：缺失键 0，多余键 0

## 环境

- 设备：Ascend 910B4
- NPU 数量：1
- CPU：鲲鹏 920，24 线程，float32
- Python：{python}
- torch：{torch}
- torch_npu：{plugin}
- CANN：{cann}
- 驱动：25.5.2
- 数值模式：hf32_conv=off，hf32_matmul=off

## 性能

预热 10 次，计时 100 次，batch_size=1，输入 1×3×224×224，每次调用前后同步设备。日志：`logs/performance.log`

- 平均延迟：{cut(n.mean, n.digits)} ms
- 标准差：{cut(n.std, n.digits)} ms
- P50：{cut(n.p50, n.digits)} ms，P90：{cut(n.p90, n.digits)} ms，P99：{cut(n.p99, n.digits)} ms
- 吞吐：{cut(1000 / n.mean, 2)} 张/秒
- 变异系数：{cut(100 * n.std / n.mean, 2)}%

CPU 上平均延迟 {cut(n.cpu, 1)} ms，加速比 {cut(n.cpu / n.mean, 1)} 倍。

## 精度验证

输入为 10 张真实照片（`inputs/`，名称与哈希见 `logs/precision.log`），两侧均为 float32，同一输入重复运行两次按位相等。

- 判据（运行前固定）：每个输出的相对 L2 误差 < 1%

## GPU/CPU 与 NPU 精度对比数据(评分字段)

| 对比项 | 数值 |
| --- | --- |
| 参考端 | CPU |
| 适配端 | Ascend NPU |
| max_abs_diff | {n.max_abs:.4e} |
| mean_abs_diff | {n.mean_abs:.4e} |
| cosine_similarity | {n.cosine:.9f} |
| 相对 L2 误差 | {n.relative_l2:.3e} |
| 超过 1% 的元素 | {n.over[0]}/{n.over[1]} ({cut(100 * n.over[0] / n.over[1], 2)}%) |
| match_within_1_percent | true |
| NPU latency_ms | {cut(n.mean, n.digits)} |

#+NPU
""",
        "logs/performance.log": f"warmup 10, iterations 100, batch 1\nmean {cut(n.mean, n.digits)} ms\nexit code 0\n",
        "logs/precision.log": f"relative_l2 {n.relative_l2:.3e}\nrepeat: bitwise equal\nexit code 0\n",
        "requirements.txt": "timm==1.0.27\n",
    }


def tables_en(n: Numbers, rng: random.Random) -> Files:
    """English, one table for each topic, a batch sweep with gains."""
    torch, plugin, cann, python = stack(rng)
    first = n.batches[0][1]
    rows = "\n".join(
        f"| {batch} | {cut(time, 2)} ms | {cut(1000 * batch / time, 2)} img/s | "
        + ("- |" if batch == 1 else f"{100 * (batch / time * first - 1):+.1f}% |")
        for batch, time in n.batches
    )
    return {
        "README.md": f"""# Detector on Ascend NPU

Instance segmentation with upstream weights (https://example.org/model.pth, sha256 `{rng.getrandbits(256):064x}`), loaded
strictly: 0 missing keys.

| Component | Version |
|---|---|
| NPU | Ascend 910B3 |
| CANN | {cann} |
| torch | {torch} |
| torch_npu | {plugin} |
| Python | {python} |
| Driver (npu-smi) | 25.2.0 |

## Performance

Warm-up 20 calls, 200 timed calls for each batch, input 3x800x800 float32, `torch.npu.synchronize()` on both sides of the clock.
Log: `logs/bench.log`. Four batch sizes.

| Batch | Mean latency | Throughput | Gain over batch 1 |
|---|---|---|---|
{rows}

| avg_ms | std_ms | min_ms | p50_ms | p90_ms | p95_ms | p99_ms | max_ms |
|---|---|---|---|---|---|---|---|
| {cut(n.mean, 3)} | {cut(n.std, 3)} | {cut(n.low, 3)} | {cut(n.p50, 3)} | {cut(n.p90, 3)} | {cut(n.p95, 3)} | {cut(n.p99, 3)} | {cut(n.high, 3)} |

## Accuracy

Numeric modes: HF32 off for conv and matmul. 12 photos from the validation set; two runs of each are bitwise equal.

| Output | Relative L2 | Cosine | Max abs | Mean abs | Reference RMS |
|---|---|---|---|---|---|
| boxes | {n.relative_l2:.2e} | {n.cosine:.8f} | {n.max_abs:.3e} | {n.mean_abs:.3e} | {cut(n.rms, 3)} |
| scores | {n.relative_l2 / 2:.2e} | {1 - n.relative_l2**2 / 8:.8f} | {n.max_abs / 2:.3e} | {n.mean_abs / 2:.3e} | {cut(n.rms, 3)} |
| masks | {n.relative_l2 / 3:.2e} | {1 - n.relative_l2**2 / 18:.8f} | {n.max_abs / 3:.3e} | {n.mean_abs / 3:.3e} | {cut(n.rms, 3)} |

| Metric | CPU | NPU | Difference |
|---|---|---|---|
| mAP | {cut(n.accuracy[0], 2)} | {cut(n.accuracy[1], 2)} | {cut(abs(n.accuracy[0] - n.accuracy[1]), 2)} |

All outputs have a relative L2 error below 1 %; criteria were fixed before the run. Boxes and masks agree with the CPU within that.
""",
        "logs/bench.log": f"[npu:0] avg={cut(n.mean, 3)} ms fps={cut(1000 / n.mean, 2)} batch=1\n",
    }


def speedups_zh(n: Numbers, rng: random.Random) -> Files:
    """Chinese tables with devices in rows, speed-ups, and two cards added up."""
    torch, plugin, cann, python = stack(rng)
    left, right = 1000 / n.mean, 1000 / (n.mean * rng.uniform(0.99, 1.01))
    half = n.mean * rng.uniform(0.55, 0.9)
    return {
        "README.md": f"""# 检索特征模型适配

环境：Ascend 910B2，CANN {cann}，torch {torch}，torch_npu {plugin}，Python {python}。参考端 CPU 为 Kunpeng-920，64 线程，float32。
权重地址 https://example.org/w.safetensors，sha256 {rng.getrandbits(256):064x}。

## 一、时延对比

协议：预热 20 次后计时 200 次，batch=1，输入 [1, 3, 256, 256]，计时两侧 torch.npu.synchronize()，同表给出标准差。

| 设备 | 平均延迟 (ms) | 标准差 (ms) | 帧率 (FPS) | 加速比 |
|:---:|---:|---:|---:|---:|
| CPU | {cut(n.cpu, 2)} | {cut(n.cpu / 50, 2)} | {cut(1000 / n.cpu, 2)} | 1.00× |
| NPU FP32 | {cut(n.mean, 2)} | {cut(n.std, 2)} | {cut(1000 / n.mean, 2)} | {cut(n.cpu / n.mean, 2)}× |
| NPU FP16 | {cut(half, 2)} | {cut(n.std, 2)} | {cut(1000 / half, 2)} | {cut(n.cpu / half, 2)}× |

日志 `logs/latency.log`。FP16 相对 FP32 的时延从 {cut(n.mean, 2)} ms 降到 {cut(half, 2)} ms，降低 {cut(100 * (1 - half / n.mean), 1)}%。

## 二、双卡

| 卡 | 帧率 |
|---|---|
| npu:0 | {cut(left, 2)} FPS |
| npu:1 | {cut(right, 2)} FPS |
| 合计 | {cut(round(left, 2) + round(right, 2), 2)} FPS |

## 三、精度

20 张真实图片，逐输出比较；数值模式 hf32=off，重复运行一致（按位）。

| 指标 | CPU | NPU | 差值 |
|---|---|---|---|
| Recall@1 (%) | {cut(n.accuracy[0], 2)} | {cut(n.accuracy[1], 2)} | {cut(abs(n.accuracy[0] - n.accuracy[1]), 2)} |

- 相对 L2 误差：{cut(100 * n.relative_l2, 4)}% < 1%，通过
- 余弦相似度：{n.cosine:.10f}（不作为误差使用）
- 其中超过 1% 的元素：{n.over[0]}/{n.over[1]}（{cut(100 * n.over[0] / n.over[1], 3)}%）
""",
        "logs/latency.log": f"CPU={cut(n.cpu, 2)} ms\nNPU={cut(n.mean, 2)} ms\n",
    }


def log_en(n: Numbers, rng: random.Random) -> Files:
    """A README around raw log text and a JSON summary."""
    torch, plugin, cann, python = stack(rng)
    a = rng.uniform(0.5, 2.0)
    b = round(a, 6) + rng.uniform(-1, 1) * 1e-4
    gap, relative = abs(round(a, 6) - round(b, 6)), abs(round(a, 6) - round(b, 6)) / round(a, 6)
    return {
        "README.md": f"""# Port of a classifier (1000 classes) to Ascend910_9362

Stack: CANN {cann}, torch=={torch}, torch_npu=={plugin}, Python {python}; driver 25.5.1. Weights
https://example.org/w.pth at revision 3b1f, sha256 {rng.getrandbits(256):064x}, strict load.

    python eval.py --device npu:0

## Log of the comparison

```
[logit_mean] CPU={a:.6f} NPU={b:.6f}
  abs_diff={gap:.6e} rel_diff={relative:.6e}
relative_l2: {n.relative_l2:.6e}
cosine: {n.cosine:.10f}
over 1%: {n.over[0]}/{n.over[1]} ({cut(100 * n.over[0] / n.over[1], 4)}%)
repeat run: bitwise equal
modes: hf32_conv=off, float32 on both sides, 16 real images
```

## Log of the benchmark

```text
warmup=10 iterations=100 batch=4 shape=[4, 3, 224, 224] synchronize=yes
latency mean: {cut(4 * n.mean, 3)} ms
latency std: {cut(4 * n.std, 3)} ms
latency min/mean/max: {cut(4 * n.low, 3)}/{cut(4 * n.mean, 3)}/{cut(4 * n.high, 3)} ms
throughput: {cut(1000 / n.mean, 2)} images/s
```

Verdict: relative L2 error {cut(100 * n.relative_l2, 4)}%, below 1%: PASS.
""",
        "summary.json": f"""{{
  "batch_size": 4,
  "latency_ms": {{"mean": {4 * n.mean:.6f}, "std": {4 * n.std:.6f}, "p50": {4 * n.p50:.6f}, "p99": {4 * n.p99:.6f}}},
  "throughput": {1000 / n.mean:.6f},
  "cosine_similarity": {n.cosine:.15f},
  "relative_l2": {n.relative_l2:.9e}
}}
""",
    }


def zoo_zh(n: Numbers, rng: random.Random) -> Files:
    """A model zoo's page with a table of training results."""
    torch, plugin, cann, python = stack(rng)
    one = 1000 / n.mean
    return {
        "README.md": f"""# FCOS for PyTorch

## 概述

目标检测网络。

- 参考实现：

  ```
  url=https://github.com/open-mmlab/mmdetection
  commit_id={rng.getrandbits(160):040x}
  ```

## 准备训练环境

表 1 版本配套表

| 配套 | 版本 |
|---|---|
| CANN | {cann} |
| PyTorch | {torch} |
| torch_npu | {plugin} |
| Python | {python} |

芯片：Atlas 800T A2。

## 训练结果展示

**表 2** 训练结果展示表

| NAME | 卡数 | Epochs | mAP | FPS | Torch_Version |
|---|---|---|---|---|---|
| 1p-竞品V | 1 | 1 | - | {cut(one * 0.9, 2)} | 1.5 |
| 1p-NPU | 1 | 1 | - | {cut(one, 2)} | 2.1 |
| 8p-竞品V | 8 | 12 | {cut(n.accuracy[0] / 2, 1)} | {cut(one * 6.9, 2)} | 1.5 |
| 8p-NPU | 8 | 12 | {cut(n.accuracy[1] / 2, 1)} | {cut(one * 7.6, 2)} | 2.1 |

训练日志：`logs/train.log`，batch_size=16，每 50 次迭代打印一次，前 10 次迭代为预热，同步计时，输入 800x1333，FPS 为均值，标准差见日志。

## 版本说明

- 2026.05.12：首次发布。

## FAQ

无。
""",
        "logs/train.log": "".join(
            f"iter {50 * i} loss {2.0 / math.sqrt(i):.4f} time {n.mean / 1000:.4f}\n" for i in range(1, 6)
        ),
    }
