"""The words that head columns, by what the column is. Data; a header is a setting's where it is one of these whole."""

from __future__ import annotations

import functools
import re

_COUNTED = r"(?:npus?|gpus?|cards?|devices?)"
_SETTINGS: dict[str, tuple[str, ...]] = {
    "batch": (
        r"(?:global|gloabl|micro|mini|total|train|test)?[-_ ]?(?:batch|bs)[-_ ]?(?:size)?",
        r"(?:batch|bs)[-_ ]?(?:size)?(?: ?/ ?[gn]pu| per \w+)",
        r"批大小|批次(?:大小)?|批量(?:大小)?",
    ),
    "cards": (
        rf"(?:#|numbers?|num|no\.?)\s*(?:of\s*)?{_COUNTED}(?:/{_COUNTED})?|{_COUNTED}",
        rf"{_COUNTED}(?:/{_COUNTED})?[\\_ ]*(?:nums?|numbers?|count|数量|个数|卡数)",
        r"卡数|芯片数|设备数量?|npu/gpu[_ ]nums?",
        r"(?:num|n)[_ ]?(?:npu|gpu|card|device)s?|device[_ ]?nums?|world[_ ]?size",
    ),
    "resolution": (
        r".*(?:resolution|分辨率|(?:input|image|crop|test|train)[_ ]?(?:size|shape)|输入尺寸|图像尺寸).*",
        r"size|shape|尺寸|形状",
    ),
    "model": (
        r"name|名称|models?(?: name)?|模型(?:名称|方案)?|method|方法|network|网络|backbone|主干(?:网络)?",
        r"arch(?:itecture)?|configs?(?:\[\d\])?|配置文件",
        r"detector|neck|head|实验方法|implementation|实现|framework|框架|exp(?:eriment)?|方案|type|类型",
    ),
    "schedule": (
        r"(?:lr|学习率)[ _]?(?:schd|schedule|策略)|schedule|schd|训练策略",
        r"(?:initial |peak )?(?:lr|learning rate)|学习率",
    ),
    "epochs": (
        r"(?:max|total|run|train\w*)?[ _]?(?:epochs?|epoches)|epochs?/(?:steps?|total epochs?)",
        r"step/total epochs|训练(?:代数|轮数)(?:\(.*\))?|轮数",
    ),
    "steps": (
        r"(?:max|total|run|train\w*)?[ _]?(?:iters?|iterations?|steps?|iter num)|max_iter|steps?/epochs?|训练步数",
        r"迭代(?:次数|轮数|步数)|kimgs?",
    ),
    "dtype": (
        r"(?:use[_ ])?amp(?:[_\\ ]*type)?|dtype|数据类型|精度(?:模式|类型)|(?:mixed[_ ])?precision",
        r"混合精度|opt[-_]?level|计算精度|量化\w*",
    ),
    "scale": (r"(?:amp[_ ])?loss[\\_ ]*scale",),
    "factor": (
        r"(?:放大|超分|缩放|采样)(?:倍[数率]|比例|因子)|(?:up|down)?[- ]?scal(?:e|ing)(?: factor)?|upsampl\w*",
        r"宽度|深度|(?:width|depth|channel)(?:[ _](?:mult\w*|factor))?",
    ),
    "chip": (
        r".*芯片(?:型号)?|device(?: type|\(s\))?|设备|硬件(?:形态)?|产品(?:系列|型号|名称)?|加速卡",
        r"hardware|platform|平台|服务器|实验设备|cpu_type|处理器",
    ),
    "dataset": (r"data ?sets?(?: name)?|数据集(?:名称)?|测试集|验证集|训练集|(?:train(?:ing)? |test(?:ing)? )?set",),
    "pretrain": (r"pre-?train\w*(?: model)?|预训练\w*",),
    "torch": (r"(?:py)?torch(?:[_ ]?version|版本)?|pt版本",),
    "sequence": (r"(?:max )?seq(?:uence)?[_ ]?len(?:gth)?|序列长度|length|mel_len|input length",),
    "parallel": (r"(?:tp|pp|dp|sp|ep|cp)[_ ]?size|device_mesh|并行.*",),
    "style": (
        r"style|modality|模态|stride|scale|caffe|gn|dcn|ms[- ]?train|normalization|context|mode",
        r"训练方式|模式|阶段|stage",
        r"场景|任务|task|测试方案|testing protocol|配置|优化方案|运行方案|缓存|dbsize|input|输入",
        r"参数|字段|指标|metric|项目?|条目|内容|检查项|测试项|对比项|评测项",
    ),
}
SHARED = frozenset(
    {"batch", "cards", "resolution", "dtype", "chip", "torch", "epochs", "steps", "sequence", "dataset", "schedule"}
)
"""Settings that are one and the same whatever their column is called."""
_PATTERNS = tuple(
    (name, re.compile(rf"\s*(?:{'|'.join(words)})\s*", re.IGNORECASE)) for name, words in _SETTINGS.items()
)


@functools.lru_cache(maxsize=4096)
def setting_name(header: str) -> str:
    """The setting that a column's head names; empty for another head."""
    return next((name for name, pattern in _PATTERNS if pattern.fullmatch(header)), "")


NOTE = re.compile(
    r"^(?:download\w*(?: \(.*\))?|links?|logs?|ckpt|checkpoint|json|url|weights?|备注|说明|描述|用途(?:说明)?|"
    r"notes?|"
    r"description|remarks?|下载(?:链接)?|地址|文件名?|.*(?:公网|地址|指导|链接|log|ckpt|download).*|released|是否支持|"
    r"安装.*|处理.*|解决.*|原因|.*\.pth?|训练日志)$",
    re.IGNORECASE,
)
UNIT = re.compile(r"^(?:单位|units?)$", re.IGNORECASE)
VERSION = re.compile(r".*版本.*|.*version.*", re.IGNORECASE)
REFERENCE = re.compile(
    r"标杆|竞品|论文|官方|官网|开源|基[准线]|参考|目标|要求|阈值|reference|paper|official|baseline|target|golden"
    r"|(?<![a-z])gpu(?![a-z])",
    re.IGNORECASE,
)
"""A column to compare with: what somebody else measured, or what should be reached."""
OVER = re.compile(
    r"^\s*(?P<a>[^/÷:()]{1,40}?)\s*(?:/|÷|:|\bvs\.?|相对于?|比)\s*(?P<b>[^/÷:()]{1,40}?)\s*"
    r"(?:倍数|比值?|speed-?up|\(.*\))?\s*$",
    re.IGNORECASE,
)
"""A head that divides two others, as in ``310P/T4``."""
RATIO = re.compile(r"加速比|性能比|比值|比例|倍率|speed-?\s?up|\bratio\b|线性度|scaling|提升倍数", re.IGNORECASE)
_UNIT_BEHIND = re.compile(r"\([^()]*\)|/\s?(?:s|sec|秒)\b")
_DIVIDED = re.compile(r"\w\s*/\s*\w")
ALTERNATIVES = re.compile(
    r"版本支持表|支持(?:的)?\S{0,12}版本|版本配套|配套(?:表|关系)|兼容|版本关系|对应关系|compatib|support matrix"
    r"|supported versions?",
    re.IGNORECASE,
)
"""What introduces a table whose rows are to be chosen from."""


def without_unit(name: str) -> str:
    """A head without the unit behind it, which divides nothing: ``FPS (img/s)``, ``tokens/s``."""
    return _UNIT_BEHIND.sub("", name)


def divides(name: str) -> bool:
    """Whether a head puts one thing over another, so that its numbers are no speeds of one thing."""
    return bool(_DIVIDED.search(without_unit(name)))
