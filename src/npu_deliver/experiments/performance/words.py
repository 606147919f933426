"""Words of this experiment that its pages and pictures share, in both languages."""

from __future__ import annotations

PHASES = {
    "zh": {
        "decode": "解码图像文件",
        "preprocess": "缩放与归一化",
        "upload": "拷贝到设备",
        "forward": "前向计算",
        "postprocess": "取回并解释输出",
    },
    "en": {
        "decode": "decode the image file",
        "preprocess": "resize and normalise",
        "upload": "copy to the device",
        "forward": "forward pass",
        "postprocess": "fetch and interpret the outputs",
    },
}
"""What the phases of a photo's whole way are."""


def phase(name: str, lang: str) -> str:
    """What a phase of a photo's whole way is."""
    return PHASES[lang][name]


FILTERS = {"phase": phase}
"""Name of a filter of the pages → what it says of a word, in a language."""
