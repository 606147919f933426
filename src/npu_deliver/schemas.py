"""The published JSON schemas: of spec.yaml, which people write, and of summary.json, which machines read."""

from __future__ import annotations

from typing import Any

from npu_deliver.errors import ConfigError, nearest


def schema(what: str) -> dict[str, Any]:
    """The JSON schema of ``spec`` or ``summary``.

    Raises:
        ConfigError: there is no such schema.
    """
    from pydantic import TypeAdapter

    from npu_deliver import summary
    from npu_deliver.spec import spec

    if what == "spec":
        return spec.json_schema()
    if what == "summary":
        adapter = TypeAdapter(summary.Summary)
        found = adapter.json_schema(mode="serialization")
        found["$defs"]["Phrase"] = {"anyOf": [{"type": "string"}, found["$defs"]["Phrase"]]}  # text: see `Textual`
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
    raise ConfigError(f"there is no schema '{what}'", fix=nearest(what, ("spec", "summary")))
