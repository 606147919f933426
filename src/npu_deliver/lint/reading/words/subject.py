"""What a heading or a caption is about, beyond the words that every report uses and the settings that it names."""

from __future__ import annotations

import functools
import re

from npu_deliver.lint.reading.words.settings import Settings, without

_LONGEST = 80
"""A longer text explains; it is no title."""
_GENERIC = re.compile(
    r"^\s*\d{1,2}(?:\.\d{1,2}){0,3}[、.\s](?!\d)|(?:表|图|table|figure)\s*\d+(?:\.\d+)*|^\s*[一二三四五六七八九十]+、|npu|cpu|gpu|ascend|昇腾|精度|性能|对比|数据|评分|字段|误差|验证|增强|"
    r"结果|运行|推理|评测|测试|指标|环境|信息|结论|适配|报告|总结|汇总|说明|详细|概述|展示|训练"
    r"|数值|延迟|时延|吞吐|帧率|功能|证据|核心|关键|主要|precision|accuracy|performance|latency|throughput|results?|"
    r"summary|report|evaluation|如下|以下|所示|下表|见|表"
    r"|benchmark|validation|comparison|inference|environment|conclusion|overview|details?|metrics?|numbers?|scoring|"
    r"fields?|score|reference|training"
    r"|vs\.?|against|with|and|the|of|on|for|data|model|模型|输出|output|与|和|的|及|性|一致|正确|检查|check|"
    r"test(?:s|ing)?|eval|日志|log|交付|自测|实测|status|状态|information|记录|record",
    re.IGNORECASE,
)


@functools.lru_cache(maxsize=4096)
def subject(heading: str) -> str:
    """What a heading is about beyond the words that every report's headings have; empty for a general one."""
    return " ".join(re.findall(r"[\w.]*\w", _GENERIC.sub(" ", without(heading)))).lower()


def about(text: str) -> Settings:
    """The subject of a caption or of a line that leads others, as a setting; none where it says nothing or much."""
    said = "" if len(text) > _LONGEST or text.rstrip("* ").endswith(("。", ".")) else subject(text)
    return frozenset({("about", said)}) if said else frozenset()
