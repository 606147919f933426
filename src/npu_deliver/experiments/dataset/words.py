"""What was repaired in a data set's annotations, in both languages of the pages."""

from __future__ import annotations

from npu_eval.experiments.dataset.coco_repair import REPAIRS

_ZH = {
    "number-as-text": "个以文字书写的数字（或带小数点的整数）",
    "id-renumbered": "个非数字的图像编号，按文件顺序重新编号",
    "size-from-file": "个缺失的图像尺寸，取自图像文件",
    "path-shortened": "个带有其他机器路径或反斜杠的图像名，已截短",
    "image-repeated": "个完全重复的图像条目，已略去",
    "category-unused-twin": "个与其他类别同名且没有标注的类别，已略去",
    "annotation-of-no-image": "个标注所属的图像不在文件中，已略去",
    "annotation-of-no-category": "个标注所属的类别没有定义，已略去",
}


def repaired(kind: str, lang: str) -> str:
    """What a kind of repair did, to stand behind its count."""
    return _ZH[kind] if lang == "zh" else REPAIRS[kind]


FILTERS = {"repaired": repaired}
"""Name of a filter of the pages → what it says of a word, in a language."""
