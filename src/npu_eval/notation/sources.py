"""Whose word a sentence about the world is, and when it was read: what was so of one release may not be of the next.

A page, a log or a command that says what torch_npu, CANN, a rule or a tool does tells what was probed in the run, or
names one of these. Look a source up again before its sentence is changed, and date it anew. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Something that was published. ``read`` is the day, the month or the year (ISO 8601) when it was read."""

    en: str
    zh: str
    read: str

    def cited(self, lang: str = "en") -> str:
        """As it stands in a sentence of a language."""
        return f"{self.zh}，{self.read} 查阅" if lang == "zh" else f"{self.en}, read {self.read}"


def cited(sources: tuple[Source, ...], lang: str = "en") -> str:
    """Several of them, one after the other."""
    return ("；" if lang == "zh" else "; ").join(source.cited(lang) for source in sources)


TORCH_NPU_VARIABLES = Source(
    "TorchNPU's list of environment variables (github.com/Ascend/pytorch, 9e73e708)",
    "TorchNPU 环境变量列表（github.com/Ascend/pytorch，9e73e708）",
    "2026-11-30",
)
TORCH_NPU_MODES = Source(
    "TorchNPU's own APIs (github.com/Ascend/op-plugin, 517f2e7d, docs/zh/custom_APIs)",
    "TorchNPU 自定义 API（github.com/Ascend/op-plugin，517f2e7d，docs/zh/custom_APIs）",
    "2026-11-30",
)
CANN_VARIABLES = Source(
    "CANN 8.5.0, environment variables (hiascend.com/document)",
    "CANN 8.5.0 环境变量参考（hiascend.com/document）",
    "2026-11-30",
)
ATB_VARIABLES = Source("set_env.sh of CANN's NNAL (ATB)", "CANN NNAL（ATB）的 set_env.sh", "2026-11-30")

CANN_HF32 = Source("CANN 8.5.0, ATC's option --allow_hf32", "CANN 8.5.0 ATC 的 --allow_hf32", "2026")
DETERMINISM = Source(
    "TorchNPU's list of non-deterministic APIs (github.com/Ascend/pytorch, 9e73e708)",
    "TorchNPU 确定性计算 API 清单（github.com/Ascend/pytorch，9e73e708）",
    "2026-11-30",
)
IMAGES = Source("github.com/Ascend/cann-container-image", "github.com/Ascend/cann-container-image", "2026")
PAIRS = Source(
    "the tables and notes that docker/compatibility.toml names",
    "docker/compatibility.toml 中列出的各表与发行说明",
    "2026-11-30",
)
AVAILABILITY = Source(
    "the platform's availability test (docs.gitcode.com, model-availability-test)",
    "平台的模型可用性测试（docs.gitcode.com，model-availability-test）",
    "2026",
)

CONTEST = Source("entries to the contest, which quote it", "参赛作品的转述", "2026")
MLPERF = Source(
    "rules of MLPerf Inference (github.com/mlcommons/inference_policies, ac93e89c)",
    "MLPerf Inference 规则（github.com/mlcommons/inference_policies，ac93e89c）",
    "2026-11-30",
)
COCO = Source("pycocotools 2.0.11, cocoeval", "pycocotools 2.0.11 的 cocoeval", "2026-11-30")
MSPROBE = Source("mindstudio-probe 26.2.0", "mindstudio-probe 26.2.0", "2026-11-30")
CANN_OPERATORS = Source(
    "CANN's operator precision standard (gitcode.com/Ascend/ATK, single_benchmark_config)",
    "CANN 算子精度标准（gitcode.com/Ascend/ATK，single_benchmark_config）",
    "2026",
)
PEAK_RATES = Source(
    "verl's table of peak rates (github.com/verl-project/verl, 34ae9879, verl/utils/flops_counter.py)",
    "verl 的峰值算力表（github.com/verl-project/verl，34ae9879，verl/utils/flops_counter.py）",
    "2026-11-30",
)
POLYGRAPHY = Source("polygraphy 0.53.6", "polygraphy 0.53.6", "2026-11-30")

SWITCHES = (TORCH_NPU_VARIABLES, TORCH_NPU_MODES)
"""Where the defaults of an NPU's switches were read."""

SAID_BY: dict[str, Source] = {
    "why-contest-output": CONTEST,
    "why-contest-score": CONTEST,
    "why-contest-loss": CONTEST,
    "why-contest-gradient": CONTEST,
    "why-mlperf-result": MLPERF,
    "why-mlperf": MLPERF,
    "why-enough-calls": MLPERF,
    "why-coco-strictest": COCO,
    "why-msprobe-dual": MSPROBE,
    "why-msprobe-compare": MSPROBE,
    "why-cann": CANN_OPERATORS,
    "why-polygraphy": POLYGRAPHY,
    "why-polygraphy-finite": POLYGRAPHY,
}
"""Code of `phrases` that says something of the world → whose word it is."""
