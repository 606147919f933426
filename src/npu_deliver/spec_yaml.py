"""YAML as a spec may be written: every key once, and a message that names the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from npu_deliver.errors import SpecError


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


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a YAML file.

    Raises:
        SpecError: it cannot be read, is no YAML, or holds no keys.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SpecError(f"not readable as YAML: {error.problem}", where=f"{path}{line}", fix="mend the line") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"cannot be read ({error})", where=str(path)) from error
    if not isinstance(values, dict):
        raise SpecError("holds no keys", where=str(path), fix="see docs/reference/spec.md")
    return values
