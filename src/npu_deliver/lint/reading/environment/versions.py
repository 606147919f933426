"""Which versions of which software a page names, what it says with them, and which of them are of one environment.

A version is stated of the environment that was used, or is one of several alternatives (the rows of a support table,
the columns of two machines), or bounds what is supported, or is only mentioned. Only what is stated of one environment
can contradict itself.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Line, Table, bare
from npu_deliver.lint.reading.pages.stages import apart, aside, stage


class Use(enum.Enum):
    """What a page says with a version."""

    STATED = "stated"
    ALTERNATIVE = "alternative"
    SUPPORTED = "supported"
    LOGGED = "logged"
    MENTIONED = "mentioned"


@dataclass(frozen=True, slots=True)
class Version:
    """``component`` is torch, torch_npu, plugin (TorchNPU by its own number), suite (its old name), cann, python …

    ``place`` names what the version stands in: a table, one of its rows or columns, a section, a block of a log.
    ``stage`` are the words that set its section apart (a stage of the work, a device, a way), see `stages`.
    """

    component: str
    text: str
    at: Span
    use: Use
    place: str
    stage: frozenset[str] = frozenset()

    @property
    def parts(self) -> tuple[str, ...]:
        """The version's parts, lower case, without a local part: ``2.9.0+cpu`` is ``2 9 0``."""
        return tuple(self.text.partition("+")[0].lower().split("."))

    def agrees(self, other: Version) -> bool:
        """Whether one of two is a shorter form of the other."""
        length = min(len(self.parts), len(other.parts))
        return self.parts[:length] == other.parts[:length]


_PLUGIN = r"framework\s?pt\s?adapter|torchnpu|ascend extension for pytorch"
_SUITE = r"(?:ascend|昇腾)[\s-]?pytorch"
"""What the plugin was called before it had a version like torch's; its numbers (2.0.2) are neither's of today."""
_NAMES = (
    rf"(?P<plugin>{_PLUGIN})|(?P<suite>{_SUITE})|(?P<torch_npu>torch[_\- ]npu)|(?P<torchvision>torchvision)|"
    r"(?P<torch>pytorch|torch)|"
    r"(?P<cann>cann)|(?P<python>python)|(?P<timm>timm)|(?P<transformers>transformers)|(?P<mindspore>mindspore)"
)
_SOFTWARE = ("torch", "cann", "python", "adapter", "timm", "transformers", "mindspore")
"""One of these is in every name: lines without are not searched."""
_NUMBER = (
    r"\d{1,4}\.\d{1,4}(?:\.?(?:rc|post|beta|alpha|dev|tr|t|b)\d{1,8}|\.\d{1,8}){0,6}(?:\+[a-z0-9.]{1,40})?(?![a-z0-9_])"
)
_LOOSE = r"(?:\s?(?:框架|软件包|软件|插件|包|工具包|toolkit)?\s?(?:版本号?|version)?\s?(?:为|是|选择|采用)?)"
_NAMED = re.compile(
    rf"(?<![a-z0-9_.\-/])(?:{_NAMES})(?![a-z_\-])(?P<between>{_LOOSE}[\s:=(@*`\"'_\\-]{{0,6}}v?)(?P<version>{_NUMBER})",
    re.IGNORECASE,
)
_BOUND = re.compile(
    rf"(?:{_NAMES})(?![a-z_\-])\s{{0,3}}\(?(?:>=|<=|>|<|≥|≤|~=|!=)\s{{0,3}}v?(?P<version>{_NUMBER})", re.IGNORECASE
)
_COMPONENT = re.compile(rf"(?:{_NAMES})(?![a-z_\-]){_LOOSE}(?:\s?[(（][^)）]{{0,24}}[)）])?\s*", re.IGNORECASE)
_EACH = rf"{_PLUGIN}|torch[_\- ]npu|torchvision|pytorch|torch|cann|python"
_PAIR_OF_NAMES = re.compile(rf"(?P<one>{_EACH})\s*[/、&+]\s*(?P<other>{_EACH})\s*", re.IGNORECASE)
"""``torch / torch_npu | 2.8.0 / 2.8.0.post2`` names two components and then two versions."""
_PAIRED = re.compile(rf"[\s:=|*`(]*v?(?P<x>{_NUMBER})\s*[/、&+]\s*v?(?P<y>{_NUMBER})", re.IGNORECASE)
_VALUE = re.compile(
    rf"[\s\[*`(=v]{{0,6}}(?:{_NAMES})?[\s:=_-]{{0,3}}v?(?P<version>{_NUMBER})(?P<rest>.*)", re.IGNORECASE
)
_OTHERS = re.compile(r"^[\s*`)\]]*(?:/|、|,|或|or\b|~|至|到|->|=>|→|-)\s*v?\d{1,4}\.\d")
_OPEN = re.compile(
    r"及以上|以上|及之后|或更高|and later|or (?:later|higher|newer)|^[\s*`)]*\+|以下|\.x\b", re.IGNORECASE
)
_SUPPORT = re.compile(
    r"支持|首次|最低|要求|推荐|建议|兼容|适用|support|minimum|require|recommend|compatible|tested", re.IGNORECASE
)
_NOT_STATED = re.compile(
    r"支持|兼容|要求|需要|必须|务必|以上|或者?|升级|更新|更换|切换|替换|对应|配套|不|若|如果|如需|推荐|建议|例如|为例|默认|"
    r"报错|错误|问题|下载|安装|install|support|compatib|require|later|higher|upgrade|issue|error|\bnot\b|\bif\b|\bwhen\b|"
    r"recommend|tested|works? with|switch|such as|e\.g|for example|\bor\b|https?://|\bpip3?\b|\bconda\b|docker|image|镜像",
    re.IGNORECASE,
)
_FRAMEWORK = re.compile(r"框架|framework", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*+•·●▪◦]|\d{1,2}[.)、])?\s*")
_REST = re.compile(r"^[\s*`)\]，,。.;]*(?:[(（][^()（）]{0,40}[)）])?[\s*`。.;]*$")


def versions(document: Document) -> tuple[Version, ...]:
    """Every version that a page names, in the order of the lines."""
    return document.facts(_versions)


def environments(document: Document) -> tuple[tuple[Version, ...], ...]:
    """The versions of each environment: a row or a column of alternatives, a block of a log, or what is stated of one
    stage of the work. Where a component has two versions that do not agree, the environment is left out.
    """
    groups: dict[str, list[Version]] = {}
    for version in versions(document):
        if version.use is Use.STATED:
            groups.setdefault("stated " + " ".join(sorted(version.stage)), []).append(version)
        elif version.use is not Use.MENTIONED and not version.place.startswith("section"):
            groups.setdefault(version.place, []).append(version)
    return tuple(one for group in groups.values() if (one := _agreed(group)))


def _agreed(group: list[Version]) -> tuple[Version, ...]:
    """The longest version of each component; nothing where two of one do not agree."""
    one: dict[str, Version] = {}
    for version in group:
        first = one.setdefault(version.component, version)
        if not first.agrees(version):
            return ()
        if len(version.parts) > len(first.parts):
            one[version.component] = version
    return tuple(one.values())


def _versions(document: Document) -> tuple[Version, ...]:
    found = [version for table in document.structure.tables for version in _of_table(document, table)]
    values = {pair.line: (pair.key, pair.value) for pair in document.structure.pairs if not pair.table}
    block = 0
    for line in document.lines:
        block += line.zone not in ("log", "code")
        lower = line.plain.lower()
        if not any(name in lower for name in _SOFTWARE):
            continue
        if line.zone in ("log", "code"):
            use = Use.LOGGED if line.zone == "log" else Use.MENTIONED
            found += [
                _version(document, line, name, text, use, f"block {block}") for name, text, _ in _named(line.plain)
            ]
        elif line.zone == "text":
            found += _of_line(document, line, values.get(line.number))
    return tuple(sorted(_several(found, set(values)), key=lambda version: version.at.line))


def _several(found: list[Version], fields: set[int]) -> Iterator[Version]:
    """The versions, with lines of one section that name one component several times read as the choices they are."""
    choices: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for version in found:
        if version.use is Use.STATED and version.at.line not in fields:
            choices.setdefault((version.component, version.place), set()).add(version.parts)
    for version in found:
        several = len(choices.get((version.component, version.place), ())) > 1 and version.at.line not in fields
        yield replace(version, use=Use.ALTERNATIVE, place=f"line {version.at.line}") if several else version


def _version(
    document: Document, line: Line, component: str, text: str, use: Use, place: str, beside: str = ""
) -> Version:
    """A version in its place, with the words ``beside`` it that may set it apart.

    TorchNPU's own numbers and those of its package are told apart by their size.
    """
    if component in ("plugin", "torch_npu"):
        component = "torch_npu" if int(text.split(".")[0]) <= 2 and text.count(".") >= 2 else "plugin"
    if aside(document, line.number):
        use = Use.MENTIONED
    words = stage(document, line.number) | apart(beside) if use is Use.STATED else frozenset()
    return Version(component, text, document.span(line.number), use, place, words)


def _component(match: re.Match[str]) -> str:
    return next(name for name, text in match.groupdict().items() if text and name not in ("version", "between", "rest"))


def _named(plain: str) -> Iterator[tuple[str, str, str]]:
    """(component, version, what follows) of each version that stands behind its name."""
    for match in _NAMED.finditer(plain):
        yield _component(match), match["version"], plain[match.end() :]


def _of_line(document: Document, line: Line, pair: tuple[str, str] | None) -> list[Version]:
    place = f"section {line.section}"
    if line.plain.lstrip().startswith("#"):
        return [_version(document, line, n, v, Use.MENTIONED, place) for n, v, _ in _named(line.plain)]
    if pair and (found := _of_pair(*pair)):
        return [_version(document, line, name, text, use, place, pair[0]) for name, text, use in found]
    named = list(_named(line.plain))
    bounds = [(_component(m), m["version"]) for m in _BOUND.finditer(line.plain)]
    out = [_version(document, line, name, text, Use.SUPPORTED, place) for name, text in bounds]
    use = _use_in_sentence(line.plain, named)
    first = _NAMED.search(line.plain)
    before = line.plain[: first.start()][-60:] if first else ""
    for name, text, rest in named:
        several = _OTHERS.match(rest) or _OPEN.match(rest.lstrip())
        out.append(_version(document, line, name, text, Use.SUPPORTED if several else use, place, before))
    return out


def _use_in_sentence(plain: str, named: list[tuple[str, str, str]]) -> Use:
    """Stated where a line is one name with its version, or lists several components of an environment."""
    content = _BULLET.sub("", plain).strip("*_` ")
    if _NOT_STATED.search(content):
        return Use.MENTIONED
    whole = _NAMED.match(content)
    if whole and _REST.match(content[whole.end() :]):
        return Use.STATED
    names = [name for name, _, _ in named]
    return Use.STATED if len(names) >= 2 and len(set(names)) == len(names) else Use.MENTIONED


def _of_pair(key: str, value: str) -> list[tuple[str, str, Use]]:
    """(component, version, use) of a field whose key is a component; nothing for another field."""
    if both := _PAIR_OF_NAMES.fullmatch(key):
        return _of_two(both, value)
    name = _COMPONENT.fullmatch(key)
    read = _VALUE.match(value) if name else None
    framework = _NAMED.match(value.strip("*_` ")) if _FRAMEWORK.search(key) else None
    if framework and _REST.match(value.strip("*_` ")[framework.end() :]):
        return [(_component(framework), framework["version"], Use.STATED)]
    if name is None or read is None:
        return []
    return [(_component(name), read["version"], _use_of_value(value, read["rest"], key))]


def _of_two(both: re.Match[str], value: str) -> list[tuple[str, str, Use]]:
    read = _PAIRED.match(value)
    if read is None:
        return []
    names = [_NAMED_ALONE.fullmatch(both[side].strip()) for side in ("one", "other")]
    texts = (read["x"], read["y"])
    return [(_component(name), text, Use.STATED) for name, text in zip(names, texts, strict=True) if name]


_NAMED_ALONE = re.compile(_NAMES, re.IGNORECASE)


def _use_of_value(value: str, rest: str, heading: str) -> Use:
    if _OTHERS.match(rest):
        return Use.ALTERNATIVE
    if _OPEN.search(rest) or re.match(r"\s*(?:>|<|≥|≤|~=|!=)", value) or _SUPPORT.search(heading):
        return Use.SUPPORTED
    return Use.STATED


def _of_table(document: Document, table: Table) -> Iterator[Version]:
    width = len(table.header)
    headed = {i: name for i in range(width) if (name := _COMPONENT.fullmatch(bare(table.header[i])))}
    rows = [(number, [bare(cell) for cell in cells[:width]]) for number, cells in table.rows]
    if headed:
        yield from _columns(document, table, {i: _component(name) for i, name in headed.items()}, rows)
        return
    yield from _rows(document, table, rows)


def _columns(
    document: Document, table: Table, headed: dict[int, str], rows: list[tuple[int, list[str]]]
) -> Iterator[Version]:
    """A table with components in its header: the versions of each row, stated only where no row has another."""
    for position, component in headed.items():
        read = [
            (number, match)
            for number, cells in rows
            if position < len(cells) and (match := _VALUE.match(cells[position]))
        ]
        alone = len({match["version"].lower() for _, match in read}) == 1
        for number, match in read:
            use = (
                _use_of_value(match.string, match["rest"], "") if alone and len(rows) == len(read) else Use.ALTERNATIVE
            )
            line = document.lines[number - 1]
            yield _version(document, line, component, match["version"], use, f"row {number}")


def _rows(document: Document, table: Table, rows: list[tuple[int, list[str]]]) -> Iterator[Version]:
    """A table with components in its rows; further columns of versions are further environments."""
    named = [(number, cells, _names_of(cells[0])) for number, cells in rows if cells]
    caption = _caption(document, table)
    valued = {i for _, cells, names in named if names for i in range(1, len(cells)) if _VALUE.match(cells[i])}
    often = [name for _, _, names in named for name in names]
    for number, cells, names in named:
        line = document.lines[number - 1]
        if not names:
            yield from _in_cells(document, line, cells)
            continue
        for position in sorted(valued):
            if position >= len(cells):
                continue
            place = f"table {table.line} column {position}"
            for name, text, use in _of_cell(cells[0], names, cells[position]):
                several = len(valued) > 1 or often.count(name) > 1
                bound = _SUPPORT.search(table.header[position]) or _SUPPORT.search(table.header[0])
                if several:
                    use = Use.ALTERNATIVE
                elif bound and use is Use.STATED:
                    use = Use.SUPPORTED
                beside = f"{caption} {table.header[position]} {cells[0]}"
                found = _version(document, line, name, text, use, place, beside)
                yield replace(found, stage=found.stage | {caption}) if _ENVIRONMENT.search(caption) else found


_ENVIRONMENT = re.compile(r"\d.{0,20}(?:环境|environment)|(?:环境|environment).{0,20}\d", re.IGNORECASE)
"""A caption that names an environment by a version or a number: ``(Torch 2.0.1环境)`` is another one."""


def _caption(document: Document, table: Table) -> str:
    """The line above a table, where it stands close enough to be its caption."""
    above = [line.plain for line in document.lines[max(table.line - 3, 0) : table.line - 1] if line.zone == "text"]
    return above[-1].strip() if above and len(above[-1]) <= 60 and not above[-1].lstrip().startswith("#") else ""


def _names_of(cell: str) -> tuple[str, ...]:
    if both := _PAIR_OF_NAMES.fullmatch(cell):
        return tuple(_component(m) for side in ("one", "other") if (m := _NAMED_ALONE.fullmatch(both[side].strip())))
    name = _COMPONENT.fullmatch(cell)
    return (_component(name),) if name else ()


def _of_cell(key: str, names: tuple[str, ...], value: str) -> list[tuple[str, str, Use]]:
    if len(names) == 2:
        both = _PAIR_OF_NAMES.fullmatch(key)
        return _of_two(both, value) if both else []
    read = _VALUE.match(value)
    return [(names[0], read["version"], _use_of_value(value, read["rest"], ""))] if read else []


def _in_cells(document: Document, line: Line, cells: list[str]) -> Iterator[Version]:
    """Versions that stand with their names inside the cells of a row: the row is one of several alternatives."""
    for cell in cells:
        sentence = len(cell) > 100 or _NOT_STATED.search(cell)
        for name, text, _ in _named(cell):
            use = Use.MENTIONED if sentence else Use.ALTERNATIVE
            yield _version(document, line, name, text, use, f"row {line.number}")
