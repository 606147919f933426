"""Every sentence that the program can print, as far as its source shows: to hold what they say of the world."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULES = "src/npu_deliver/lint/rules.toml"

_CLAIM = re.compile(
    r"not supported|unsupported|\bsupports?\b|\bneeds?\b|\brequires?\b|\brequired by\b|\bbrings?\b|\bdefaults?\b|"
    r"\bonly (?:on|with|in|from|for|under)\b|\bolder than\b|\bnewer than\b|"
    r"不支持|需要|默认|仅支持|只支持|仅适用|不提供|才支持|起支持|不具备|自带|要求",
    re.IGNORECASE,
)
"""Words by which a fact is stated: whoever meets one asks who says so."""
_WORLD = re.compile(
    r"\btorch\b|torch_npu|TorchNPU|PyTorch|\bCANN\b|\bNPU\b|\bSoC\b|Ascend|HF32|TF32|CUDA|MLPerf|\bdriver\b|"
    r"\bplatform\b|\bcontest\b|\b[39]10[A-Z]|\bA[23]\b|昇腾|赛事|平台|驱动|芯片"
)
_ABOUT_IT = re.compile(
    r"\b(?:has|have|had) no\b|\black(?:s|ing)?\b|\bdoes not\b|\bcannot\b|\bnever\b|\balways\b|"
    r"没有|只有|无法|不能|总是|从不"
)
"""Weaker words, which state a fact of the world where they stand beside a name of it."""
_SENTENCE = re.compile(r"[a-z]\W+\w|[\u4e00-\u9fff]{2}", re.IGNORECASE)
_PATTERNS = {"compile", "search", "match", "fullmatch", "sub", "findall", "finditer", "split"}


@dataclass(frozen=True)
class Printed:
    """A text with … for what is put into it, and where it stands."""

    place: str
    text: str

    @property
    def claims(self) -> bool:
        """Whether it holds a word by which a fact is stated."""
        if not _SENTENCE.search(self.text):
            return False
        return bool(_CLAIM.search(self.text) or (_WORLD.search(self.text) and _ABOUT_IT.search(self.text)))


def printed() -> Iterator[Printed]:
    """String constants of the program, lines of the templates, and the words of the linter's rules."""
    for path in sorted(p for folder in ("src", "templates") for p in (ROOT / folder).rglob("*.py")):
        yield from of_python(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted(p for folder in ("src", "templates") for p in (ROOT / folder).rglob("*.j2")):
        yield from of_template(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    for name, rule in tomllib.loads((ROOT / RULES).read_text(encoding="utf-8")).items():
        yield from (Printed(f"{RULES} {name}", text) for key in ("title", "why") for text in rule[key].values())


def of_template(place: str, text: str) -> Iterator[Printed]:
    """Each line without what the template puts in."""
    for number, line in enumerate(text.splitlines(), 1):
        yield Printed(f"{place}:{number}", re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "…", line).strip())


def of_python(place: str, text: str) -> Iterator[Printed]:
    """Strings and f-strings; no docstrings, and no regular expressions."""
    silent: set[int] = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            silent.add(id(node.value))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _PATTERNS and node.args:
            silent |= {id(inner) for inner in ast.walk(node.args[0])}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in node.values}
            words = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value
        else:
            continue
        yield Printed(f"{place}:{node.lineno}", " ".join(words.split()))
