"""Places that exist on one machine alone, and secrets: whose home a path lies in, which address no stranger reaches.

A path is somebody's where its first folder is a person's name: a login of a Chinese name in pinyin, a number of staff,
a numbered user, or whatever lies below ``/Users``. ``/data/xxx/``, a data set's mount point, a folder inside an image,
and a path that a sentence offers as an example are nobody's.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Line
from npu_deliver.lint.reading.words.number import narrow

_HOME = re.compile(
    r"(?<![A-Za-z0-9_./}-])(?:/home/|(?P<desktop>/Users/|[A-Z]:\\{1,2}Users\\{1,2}))"
    r"(?P<who>[A-Za-z][\w.-]{1,30})[\w./+\\-]*"
)
_MOUNT = re.compile(
    r"(?<![A-Za-z0-9_./}-])(?P<path>/(?:root|data\d*|mnt|workspace|media|disk\d*|nfs|share|models?|weights?)/"
    r"[\w./+-]+)"
)
_NOTEBOOK = re.compile(r"(?<![A-Za-z0-9_./}-])(?P<path>/opt/atomgit/[\w./+-]+)")
_INTRANET = re.compile(r"(?<![\d.])(?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3}(?![\d.])")
_NOBODY = frozenset(
    re.findall(
        r"\S+",
        """
        admin anaconda anaconda3 app apps archiconda3 ascend audio build cache cann checkpoint ci
        cityscapes ckpt ckpts coco coco2014 coco2017 code codes common conda config configs cuda11
        data database dataset datasets demo dev developer disk docker download downloads driver
        drivers env envs etc file files git guest hadoop huawei hub human hwhiaiuser image imagenet
        imagenet2012 images infer inference jovyan kernel kitti lfw lib libs linaro linux list llm
        local log logs ma-user machine main make mask mask2former master miniconda miniconda3
        miniforge3 mmcv mmdet model model-server model_zoo models modelzoo mount name nfs node npu
        nuscenes nvidia op ops opt orangepi output outputs package packages path pi pretrain
        pretrained project projects public python python3 pytorch repo resnet50 result results root
        runner sagemaker save saved script scripts server service share shared sharing somebody
        someone source src temp test tester text tmp toolkit torch train ubuntu user username users
        usr venv video videos vllm voc voc2007 voc2012 vsts weights widerface work work_dir workdir
        worker works workspace xxx xxxx yolov5 yolov8 your yourname
        """,
    )
)
"""First folders of a home that are no person's: services, accounts of images and platforms, data sets, words."""
_LOGIN = re.compile(r"[a-z][a-z0-9_.-]{1,19}")
_SURNAMES = (
    "bai|cai|cao|chang|chen|cheng|cui|dai|deng|ding|dong|du|duan|fan|fang|feng|fu|gao|gong|gu|guo|han|hao|he|hou|hu|"
    "huang|jia|jiang|jin|kang|kong|lai|lei|li|liang|liao|lin|liu|long|lu|luo|lv|ma|mao|meng|mo|pan|peng|qian|qiao|qin|"
    "qiu|ren|shao|shen|shi|song|su|sun|tan|tang|tao|tian|wan|wang|wei|wen|wu|xia|xiang|xiao|xie|xiong|xu|xue|yan|yang|"
    "yao|ye|yi|yin|yu|yuan|zeng|zhang|zhao|zheng|zhong|zhou|zhu|zou"
)
_SYLLABLE = (
    "(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])(?:iang|iong|uang|ang|eng|ong|ian|iao|ing|uai|uan|ai|ei|ao|ou|an|en|ia|ie|iu|in|"
    "ua|uo|ui|un|ue|a|e|i|u)"
)
_PERSON = re.compile(
    rf"(?:{_SURNAMES})(?:[b-df-hj-np-tw-z]{{1,3}}|(?:{_SYLLABLE}){{1,2}})\d{{0,6}}|"
    r"[a-z]{1,2}\d{5,9}|[a-z_]{0,12}user_?\d{1,4}"
)
"""wangqw, zhangsan, a00123456, test_user08: a surname with more, a number of staff, a numbered user."""
_EXAMPLE = re.compile(
    r"example|示例|例如|比如|如[:：/“\"（(]|such as|e\.g\.|为例|假设|假定|assum|suppose|path/to|your|任意|替换|"
    r"修改为|改为|自行|实际路径|类似",
    re.IGNORECASE,
)
_INSTALLED = re.compile(r"site-packages|\s-v\s|envs?/")
_INSIDE = re.compile(r"容器|docker|镜像|挂载|mount|container|\s-v\s|image:", re.IGNORECASE)
_COMMAND = re.compile(
    r"^\s*(?:\$|>>>|python\d?|bash|sh|cd|export|wget|curl|git|pip\d?|source|mkdir|ln|cp|mv|ssh|scp)\s|--\w"
)
_PEER = re.compile(r"master_addr|rank|node|tcp://|dist|addr\b|example|ssh|scp|localhost|子网|网段", re.IGNORECASE)
_SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{20,}|ghp_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9]{32,}|"
    r"glpat-[\w-]{20,}|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY)"
    r"|(?i:password|passwd|密码|secret_key|access_key)\s{0,4}[=:]\s{0,4}['\"]?(?P<word>[A-Za-z0-9!@#%^&]{8,80})"
)
_SECRET_MARKS = (
    *("hf_", "ghp_", "AKIA", "sk-", "glpat-", "-----BEGIN "),
    *("password", "Password", "PASSWORD", "passwd", "密码"),
    *("secret_key", "SECRET_KEY", "access_key", "ACCESS_KEY"),
)
"""What is in every secret that is known here, looked for as it stands: of thousands of scripts few hold any."""
_TEXT = ("text", "table", "log", "code")


class Kind(enum.Enum):
    """Whose a place is: a person's home, another folder of homes, a mounted disk, a notebook, an inner machine."""

    HOME = "home"
    FOLDER = "folder"
    MOUNT = "mount"
    NOTEBOOK = "notebook"
    INTRANET = "intranet"


@dataclass(frozen=True, slots=True)
class Place:
    """A path or an address; ``command`` where it stands in a command rather than in a statement."""

    at: Span
    path: str
    kind: Kind
    command: bool


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret stands; ``head`` are its first six characters, and no more is kept."""

    line: int
    head: str


def private_places(document: Document) -> list[Place]:
    """Every place of a page or a script that a reader has no access to."""
    return document.facts(_private)


def secrets(document: Document) -> list[Secret]:
    """Every secret of a file."""
    return document.facts(_secrets)


def _private(document: Document) -> list[Place]:
    return list(_places(document))


def _places(document: Document) -> Iterator[Place]:
    title = next((section.title for section in document.structure.sections if section.title), "").lower()
    homes = list(document.search(_HOME, _TEXT))
    offered = {match["who"] for line, match in homes if _EXAMPLE.search(line.plain)}
    for line, match in homes:
        who = match["who"]
        if _is_a_login(who, title) and who not in offered and not _INSTALLED.search(line.plain):
            named = match["desktop"] or _PERSON.fullmatch(who)
            yield _place(document, line, match[0], Kind.HOME if named else Kind.FOLDER)
    yield from _elsewhere(document)


def _elsewhere(document: Document) -> Iterator[Place]:
    for line, match in document.search(_MOUNT, _TEXT):
        if not _INSIDE.search(line.plain) and not _EXAMPLE.search(line.plain) and "xxx" not in match["path"]:
            yield _place(document, line, match["path"], Kind.MOUNT)
    for line, match in document.search(_NOTEBOOK, _TEXT):
        yield _place(document, line, match["path"], Kind.NOTEBOOK)
    for line, match in document.search(_INTRANET, _TEXT):
        if not _PEER.search(line.plain) and not _EXAMPLE.search(line.plain):
            yield _place(document, line, match[0], Kind.INTRANET)


def _place(document: Document, line: Line, path: str, kind: Kind) -> Place:
    command = line.zone == "code" or bool(_COMMAND.search(line.plain))
    return Place(document.span(line.number), path[:80], kind, command)


def _is_a_login(who: str, title: str) -> bool:
    """Whether a home's folder may be an account's: lower case, no common word, not the model's own name."""
    return bool(_LOGIN.fullmatch(who)) and who not in _NOBODY and who.strip("x") != "" and who not in title


def _secrets(document: Document) -> list[Secret]:
    text = document.raw.text
    marks = [mark for mark in _SECRET_MARKS if mark in text]
    return [
        Secret(number, match[0][:6])
        for number, line in enumerate(document.raw.lines, 1)
        if any(mark in line for mark in marks)
        and (match := _SECRET.search(narrow(line)))
        and (not match["word"] or _is_a_password(match["word"]))
    ]


def _is_a_password(word: str) -> bool:
    """Letters with a digit or a sign: a name of a variable or a word of a sentence is none."""
    plain = re.sub(r"x{3,}|\*{3,}|your|example|12345\d*", "", word, flags=re.IGNORECASE)
    return bool(re.search(r"[A-Za-z]", plain)) and bool(re.search(r"[0-9!@#%^&]", plain)) and len(plain) >= 6
