"""What a page says of the model's weights: where they come from, how they were loaded, and whether any are random."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Quote, Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.pages.genre import Genre, genre
from npu_deliver.lint.reading.precision.agreement import COMPARISON

BANNER_LINES = 20
"""Lines from the top in which a banner, a block quote, says what kind of run it was."""

_HASH = re.compile(r"sha-?256|\bmd5\b|\b[0-9a-f]{40,64}\b|校验和|checksum|commit_id", re.IGNORECASE)
_WEIGHTS = re.compile(r"权重|weights?|checkpoint|\.pth\b|\.safetensors\b|预训练|pretrained", re.IGNORECASE)
_LOOSE = re.compile(
    r"strict\s?=\s?False|(?:缺失键|missing[_ ]keys?|missing(?=\s?[:=]))\s?[:=为]?\s?(?P<n>[1-9]\d{0,6})|"
    r"(?P<m>[1-9]\d{0,6})\s?(?:个)?\s?missing keys?",
    re.IGNORECASE,
)
_LOADING = re.compile(r"加载|载入|导入|权重|缺失|load|weights?|checkpoint|missing", re.IGNORECASE)
_NOT_LOOSE = re.compile(r"不使用|未使用|not use|避免|instead of|没有", re.IGNORECASE)
_RANDOM = re.compile(
    r"随机初始化|randomly[ -]initiali[sz]ed|newly initiali[sz]ed|random(?:ly)? init|使用随机权重|随机权重|"
    r"random weights|未加载(?:真实|预训练)权重|无预训练权重|without pretrained",
    re.IGNORECASE,
)
_CHOSEN = re.compile(r"(?:使用)?随机权重|random weights", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:没有|不(?:是|含|使用)|无|非|未使用?|排除|避免|而不是|并非)[^。;|]{0,8}(?:随机|random)|(?:\bnot?\b|never|"
    r"without any|rule\w* out)[^.;|]{0,20}random|无法排除|cannot be ruled",
    re.IGNORECASE,
)
_HEAD = re.compile(r"(?:分类|检测|分割|输出)头|\bhead\b|分类器|classifier", re.IGNORECASE)
"""What a trained model brings along; a page about training may begin with everything else at random."""
_OTHER_THINGS = re.compile(
    r"噪声|noise|种子|\bseed|锚|anchor|查询|\bqueries|\bquery|字典|聚类|latent|隐变量|输入|\binputs?\b|数据|样本|图[像片]|"
    r"顺序|shuffle",
    re.IGNORECASE,
)
_OF_WEIGHTS = re.compile(r"权重|参数|头|层|weights?|parameters?|layers?|head|classifier", re.IGNORECASE)
_PARTS = re.compile(r"模型|网络|骨干|模块|编码器|解码器|model|network|backbone|module|encoder|decoder", re.IGNORECASE)
_CONDITION = re.compile(
    r"如果|若|当.{1,20}时|可选|可以|否则|建议|推荐|recommend|\bshould\b|dummy|\bif\b|\bcan\b|\bmay\b|\bwhen\b|otherwise|register|baseline|基线|消融|ablation",
    re.IGNORECASE,
)
_TRAINED_LATER = re.compile(
    r"从头|from scratch|训练|微调|fine-?tun|before training|for training|论文|paper|pre-?train", re.IGNORECASE
)
_CLAUSE = re.compile(r"[,，。;；!|]")


@dataclass(frozen=True, slots=True)
class Random:
    """Words that say that weights are random.

    ``banner``: in a banner at the page's head, before anything else. ``chosen``: they are all the weights, and nothing
    that a checkpoint lacked.
    """

    at: Span
    words: str
    banner: bool
    chosen: bool


def has_hash(document: Document) -> bool:
    """Whether a page, a log or a record names a hash or a revision of the weights."""
    if document.kind == "json":
        return any(_HASH.search(line.plain) for line in document.lines)
    return document.says(_HASH)


def weights_line(document: Document) -> int:
    """The line on which a page first speaks of its weights, else of its comparison, else its first."""
    for pattern, zones in ((_WEIGHTS, ("text", "table")), (COMPARISON, ("text", "table", "log"))):
        for line, _ in document.search(pattern, zones):
            return line.number
    return 1


def random_weights(document: Document) -> Random | None:
    """The first line that says that the model's own weights are random, in the result that the page reports.

    Training from scratch, anchors, queries, seeds and inputs are random too, and no defect.
    """
    return document.facts(_random_weights)


def loose_loading(document: Document) -> Quote | None:
    """The first line that says that weights were not loaded strictly."""
    return document.facts(_loose_loading)


def _random_weights(document: Document) -> Random | None:
    for line, match in document.search(_RANDOM):
        if _DENIED.search(line.plain) or line.plain.lstrip().startswith("#"):
            continue
        banner = line.number <= BANNER_LINES and line.text.lstrip().startswith(">")
        if banner or _is_of_result(line.plain, match, genre(document)):
            chosen = bool(_CHOSEN.fullmatch(match[0])) and not _HEAD.search(line.plain)
            return Random(document.span(line.number), match[0], banner, chosen)
    return None


def _is_of_result(plain: str, match: re.Match[str], kind: Genre) -> bool:
    """Whether random words are said of the weights with which the page's result was made."""
    start = max((m.end() for m in _CLAUSE.finditer(plain, 0, match.start())), default=0)
    end = next((m.start() for m in _CLAUSE.finditer(plain, match.end())), len(plain))
    clause = plain[start:end]
    of_weights = _OF_WEIGHTS.search(clause)
    if _CONDITION.search(plain[:end]) or not (of_weights or _PARTS.search(clause)):
        return False
    if _OTHER_THINGS.search(clause) and not of_weights:
        return False
    if kind is Genre.REPORT:
        return True
    return not _TRAINED_LATER.search(plain) and (kind is not Genre.TRAINING or bool(_HEAD.search(plain)))


def _loose_loading(document: Document) -> Quote | None:
    for line, match in document.search(_LOOSE):
        if _LOADING.search(line.plain) and not _NOT_LOOSE.search(line.plain):
            return Quote(document.span(line.number), match[0])
    return None
