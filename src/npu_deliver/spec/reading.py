"""YAML as a spec may be written: every key once, and a message that names the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from npu_deliver.errors import SpecError
from npu_eval.limits import read_text

MAX_SPEC_BYTES = 128 * 1024
"""The longest specs, with 1000 labels, are a quarter of that; reading YAML takes a second for 100 kB."""
MAX_SPEC_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which lets the last of two equal keys win silently; this one refuses them."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is no text", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key '{key}' appears twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _refuse_much(node: yaml.Node) -> None:
    """A few aliases of aliases may stand for more values than there is memory; what they come to is counted first."""
    counted: dict[int, int] = {}

    def values_of(each: yaml.Node, above: frozenset[int]) -> int:
        if id(each) in above:
            raise yaml.composer.ComposerError(None, None, "an alias stands inside what it stands for", each.start_mark)
        if id(each) not in counted:
            inside = above | {id(each)}
            held = each.value if isinstance(each, yaml.CollectionNode) else ()
            parts = (part for item in held for part in (item if isinstance(item, tuple) else (item,)))
            counted[id(each)] = 1 + sum(values_of(part, inside) for part in parts)
            if counted[id(each)] > MAX_SPEC_VALUES:
                what = f"its aliases stand for more than {MAX_SPEC_VALUES} values"
                raise yaml.composer.ComposerError(None, None, what, each.start_mark)
        return counted[id(each)]

    values_of(node, frozenset())


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a YAML file.

    Raises:
        SpecError: it cannot be read, is no YAML, or holds no keys.
    """
    try:
        loader = _Loader(read_text(path, MAX_SPEC_BYTES, follow=True))
        node = loader.get_single_node()
        if node is not None:
            _refuse_much(node)
        values = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SpecError(f"not readable as YAML: {error.problem}", where=f"{path}{line}", fix="mend the line") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"cannot be read ({error})", where=str(path)) from error
    if not isinstance(values, dict):
        raise SpecError("holds no keys", where=str(path), fix="see docs/reference/spec.md")
    return values
