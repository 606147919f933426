"""Clean pages that are no reports: a zoo's training page, a driving model's, a vendor's inference page, a model card.

They hold what a hasty checker takes for defects: variables that a command documents, tables of alternatives, ratio
columns, the noise of a data set, paths given as examples, dashes where nothing was measured.
"""

from __future__ import annotations

import random

from npu_deliver.lint.selftest.numbers import Files, Numbers, cut


def training_zoo_zh(n: Numbers, rng: random.Random) -> Files:
    """A zoo's training page: alternatives of torch, commands with example paths, results of one card and of eight."""
    one, other = 8000 / n.mean, 7200 / n.mean
    eight, rival = one * rng.uniform(6.1, 7.9), other * rng.uniform(6.1, 7.9)
    top, ours = cut(n.accuracy[0], 3), cut(n.accuracy[1], 3)
    earlier = one * rng.uniform(0.6, 0.9)
    return {
        "README.md": f"""# PyramidNet-S for PyTorch

-   [概述](#概述)
-   [准备训练环境](#准备训练环境)
-   [训练结果](#训练结果)

# 概述

图像分类网络，本页说明如何在昇腾 NPU 上训练。

- 上游实现：

  ```
  url=https://example.org/vision/pyramidnet
  commit_id={rng.getrandbits(160):040x}
  ```

# 准备训练环境

**表 1**  版本支持表

|  Torch_Version   |            三方库依赖版本            |
| :--------------: | :----------------------------------: |
|   PyTorch 1.8    |   torchvision==0.9.1；pillow==9.1.0  |
|   PyTorch 1.11   |         torchvision==0.12.0          |
|   PyTorch 2.1    |         torchvision==0.16.0          |

- 数据集放在任意目录，例如 `/data/xxx/`，结构如下：

  ```
  ├── imagenet
        ├── train
        ├── val
        ├── noisy    // 原图加入随机噪声，仅用于鲁棒性训练
  ```

# 开始训练

1. 进入源码根目录。

   ```
   cd /${{模型文件夹名称}}
   ```

2. 启动训练。

   - 单机单卡

     ```
     bash ./test/train_full_1p.sh --data_path=/data/xxx/
     bash ./test/train_performance_1p.sh --data_path=/data/xxx/
     ```

   - 单机 8 卡

     ```
     bash ./test/train_full_8p.sh --data_path=/data/xxx/
     ```

   参数说明：

   ```
   --data_path       //数据集路径
   ${{batch_size}}     //每卡批次大小，性能数据取自 {rng.choice((32, 64, 128))}
   --warmup          //学习率预热轮数
   ```

   日志保存在 test/output/${{device_id}}/train_${{device_id}}.log 中，形如
   `Epoch 12: 100%|######| 96/96 [02:05<00:00, 1.30s/it, loss=2.31]`。

# 训练结果

**表 2**  训练结果展示表

|   NAME   | Acc@1 |  FPS  | Npu_nums | Epochs | AMP_Type | Torch_Version |
| :------: | :---: | :---: | :------: | :----: | :------: | :-----------: |
| 1p-竞品V |   -   | {cut(other, 2)} | 1 | 1 | - | 1.5 |
| 8p-竞品V | {top} | {cut(rival, 2)} | 8 | 90 | - | 1.5 |
|  1p-NPU  |   -   | {cut(earlier, 2)} | 1 | 1 | O2 | 1.8 |
|  1p-NPU  |   -   | {cut(one, 2)} | 1 | 1 | O2 | 2.1 |
|  8p-NPU  | {ours} | {cut(eight, 2)} | 8 | 90 | O2 | 2.1 |

# 版本说明

2024.03.18：更新内容，重新发布。

## FAQ

1. 训练失败时提示 `socket timeout`？

   可在 8 卡训练前执行 `export HCCL_CONNECT_TIMEOUT=1200`。
"""
    }


def driving_zh(n: Numbers, rng: random.Random) -> Files:
    """A driving model's page: the plugin by its own version, eight cards against a rival's, step times and rates."""
    plugin, cann, torch = rng.choice(
        (("7.0.0", "8.1.RC1", "2.1.0"), ("7.2.0", "8.3.RC1", "2.7.1"), ("6.0.0", "8.0.0", "2.4.0"))
    )
    batch = rng.choice((8, 16, 32, 64))
    step = rng.uniform(0.4, 3.0)
    rival = step * rng.uniform(0.8, 1.2)
    single = step * rng.uniform(0.86, 0.99)
    score = n.accuracy[0] / 200
    minutes = rng.randrange(120, 900)
    return {
        "README.md": f"""# BevLane-Tiny

## 简介

由环视图像得到车道的网络。本目录提供在昇腾 NPU 上训练它的补丁与脚本。

- 原始实现：<https://example.org/driving/bevlane>，commit {rng.getrandbits(160):040x}

## 支持任务

| 模型 | 任务列表 | 是否支持 |
| :-: | :-: | :-: |
| BevLane-Tiny | 训练 | ✔ |
| BevLane-Tiny | 在线推理 | ✘ |

# 环境准备

**表 1**  昇腾软件版本

| 软件类型 | 首次支持版本 |
| :-----: | :-----: |
| FrameworkPTAdapter | {plugin} |
| CANN | {cann} |

**表 2**  依赖

| Torch_Version | 三方库 |
| :---: | :---: |
| PyTorch {torch} | mmcv==1.7.2 |

1. 激活 CANN 环境：`source /usr/local/Ascend/ascend-toolkit/set_env.sh`。

2. 获取源码并打补丁：

   ```shell
   git clone https://example.org/driving/bevlane.git
   cd bevlane
   git apply ../bevlane.patch
   python scripts/download_weights.py --out ckpts/
   ```

3. 数据集放在 `data/` 下，以 `/home/datasets/lanes` 为例：

   ```shell
   # data_root 请替换为数据集所在路径
   data_root=/home/datasets/lanes
   ln -nsf $data_root data/lanes
   ```

# 训练

```shell
bash test/train_8p_full.sh --data_root=xxx        # 8 卡精度
bash test/train_8p_performance.sh --data_root=xxx # 8 卡性能
```

性能日志存放在 output/train_performance_8p.log；网络随机初始化的部分取自预训练权重以外的层。

# 训练结果

| 芯片 | 卡数 | global batch size | Precision | epoch | F1 | 单步迭代耗时(s) | FPS |
| :--: | :--: | :--: | :--: | :--: | :--: | :--: | :--: |
| 竞品A | 8p | {batch} | fp32 | 24 | {cut(score, 4)} | {cut(rival, 3)} | {cut(batch / round(rival, 3), 2)} |
| Atlas 800T A2 | 1p | {batch // 8} | fp32 | - | - | {cut(single, 3)} | {cut(batch / 8 / round(single, 3), 2)} |
| Atlas 800T A2 | 8p | {batch} | fp32 | 24 | {cut(score + rng.uniform(-0.002, 0.002), 4)} | {cut(step, 3)} | {cut(batch / round(step, 3), 2)} |

完整训练用时约 {minutes // 60} h {minutes % 60} min。

# 公网地址说明

代码涉及公网地址参考 public_address_statement.md

# 变更说明

2025.03.11：首次发布。

2025.09.30：更新性能数据。
"""
    }


def inference_zh(n: Numbers, rng: random.Random) -> Files:
    """A vendor's inference page: conversion with variables, a sweep on three chips with ratios, written arithmetic."""
    base = 250 / n.mean
    rows, rates = [], []
    for position, batch in enumerate((1, 4, 8, 16, 32)):
        old = base * (1 + 0.12 * position) * rng.uniform(0.97, 1.03)
        rates.append(
            (batch, round(old, 4), round(old * rng.uniform(1.4, 1.9), 4), round(old * rng.uniform(0.7, 1.1), 4))
        )
    best = tuple(max(rate[chip] for rate in rates) for chip in (1, 2, 3))
    for name, (old, new, rival) in [(f"bs{b}", tuple(r)) for b, *r in rates] + [("最优 batch", best)]:
        rows.append(f"| {name} | {old:.4f} | {new:.4f} | {rival:.4f} | {new / old:.4f} | {new / rival:.2f} |")
    delay = 1000 / (base / 4 * rng.uniform(0.9, 1.1))
    shown = round(delay, 3)
    median = shown * rng.uniform(0.97, 0.999)
    return {
        "README.md": f"""# SlimNet-34 模型推理指导

- [概述](#概述)
- [推理环境](#推理环境)
- [推理性能与精度](#推理性能与精度)

# 概述

图像分类网络，输入 batchsize x 3 x 224 x 224，输出 batchsize x 1000。

# 推理环境

**表 1**  版本配套表

| 配套 | 版本 | 环境准备指导 |
| ---- | ---- | ---- |
| 固件与驱动 | 22.0.3 | [推理环境准备](https://example.org/guide) |
| CANN | 6.0.1 | - |
| Python | 3.7.5 | - |
| PyTorch | 1.8.1 | - |

# 快速上手

1. 源码上传到服务器任意目录（如：/home/HwHiAiUser）。

2. 导出 ONNX，导出时的 dummy input 为 `torch.randn(1, 3, 224, 224)`：

   ```
   python3 slimnet_pth2onnx.py ./slimnet34.pth slimnet34.onnx
   ```

3. 执行命令查看芯片名称（${{chip_name}}）。

   ```
   npu-smi info
   ```

4. 使用 ATC 转换：

   ```
   bs=8
   atc --framework=5 --model=slimnet34.onnx --output=slimnet34_bs${{bs}} \\
       --input_shape="actual_input_1:${{bs}},3,224,224" --soc_version=Ascend${{chip_name}} --log=error
   ```

   运行成功后生成 slimnet34_bs${{bs}}.om 模型文件。

5. 推理，结果保存在 result/ 目录：

   ```
   python3 -m ais_bench --model slimnet34_bs${{bs}}.om --input ./prep_bin --output ./result --batchsize ${{bs}}
   ```

# 推理性能与精度

调用 ACL 接口推理，性能参考下列数据（fps）。

| 芯片 | 310 | 310P | T4 | 310P/310 | 310P/T4 |
| ---- | ---- | ---- | ---- | ---- | ---- |
{chr(10).join(rows)}

batch1 的单卡吞吐率由单芯片时延换算（一张卡 4 个芯片）：

- 平均时延 {shown:.3f} ms，median latency {median:.3f} ms，95% latency {shown * 1.02:.3f} ms
- 单卡吞吐率：1000/{shown:.3f}*4 = {4000 / shown:.2f} fps
- 四芯合计：{cut(1000 / shown, 3)} x 4 = {4 * round(1000 / shown, 3):.2f} fps

| 芯片型号 | 数据集 | 精度 |
| ---- | ---- | ---- |
| 310P3 | ImageNet | Top1: {cut(n.accuracy[1], 2)}%, Top5: {cut(min(n.accuracy[1] + 20, 99), 2)}% |
| 原仓 | ImageNet | Top1: {cut(n.accuracy[0], 2)}%, Top5: {cut(min(n.accuracy[0] + 20, 99), 2)}% |
"""
    }


def hub_card_en(n: Numbers, rng: random.Random) -> Files:
    """A hub's model card: front matter, usage code, training hyper-parameters and the table of a fine-tuning."""
    losses = sorted((rng.uniform(0.2, 1.4) for _ in range(3)), reverse=True)
    scores = sorted(rng.uniform(0.80, 0.95) for _ in range(3))
    steps = rng.randrange(100, 400)
    rows = "\n".join(
        f"| {cut(loss * 0.9, 4)} | {epoch}.0 | {steps * epoch} | {cut(loss, 4)} | {cut(score, 4)} |"
        for epoch, (loss, score) in enumerate(zip(losses, scores, strict=True), 1)
    )
    return {
        "README.md": f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: image-classification
base_model: example/leaf-vit-small
tags:
- vision
- generated_from_trainer
metrics:
- accuracy
model-index:
- name: leaf-vit-small-finetuned
  results:
  - task:
      type: image-classification
    metrics:
    - type: accuracy
      value: {cut(scores[-1], 4)}
---

# leaf-vit-small-finetuned

A small vision transformer, fine-tuned on photographs of leaves. It achieves an accuracy of {cut(scores[-1], 4)} on the
evaluation set; the loss there is {cut(losses[-1], 4)}.

## How to use

```python
from transformers import AutoImageProcessor, AutoModelForImageClassification
import torch

device = "npu:0"  # an Ascend NPU with torch_npu; "cuda:0" and "cpu" work as well
name = "example/leaf-vit-small-finetuned"
model = AutoModelForImageClassification.from_pretrained(name).to(device)
processor = AutoImageProcessor.from_pretrained(name)
```

Set `HF_TOKEN` to your own token first: `export HF_TOKEN=<your token>`. Images go into `path/to/images`.

## Intended uses and limitations

Trained on {rng.randrange(12, 90)} species of one climate; random crops of unusual scale lower the score.

## Training procedure

### Training hyperparameters

- learning_rate: 5e-05
- train_batch_size: 32
- gradient_accumulation_steps: 4
- total_train_batch_size: 128
- optimizer: AdamW with betas=(0.9,0.999) and epsilon=1e-08
- lr_scheduler_type: cosine
- lr_scheduler_warmup_ratio: 0.1
- num_epochs: 3

### Training results

| Training Loss | Epoch | Step | Validation Loss | Accuracy |
|:-------------:|:-----:|:----:|:---------------:|:--------:|
{rows}

### Framework versions

- Transformers 4.48.3
- Pytorch 2.6.0+cpu
- Datasets 3.2.0
- Tokenizers 0.21.0
"""
    }
