"""Write docs/reference: the commands' help, the keys of spec.yaml, and both JSON schemas. A test holds them current."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from npu_deliver import cli
from npu_deliver.lint import catalogue
from npu_deliver.schemas import schema
from npu_eval.config import TASKS
from npu_eval.criteria_profiles import PROFILES, criteria_of

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
COMMANDS = tuple(command.__name__ for command in cli.COMMANDS)


def pages() -> dict[str, str]:
    """File name → content."""
    return {
        "cli.md": _cli(),
        "criteria.md": _criteria(),
        "lint-rules.md": _rules(),
        "spec.md": _spec(schema("spec")),
        "spec.schema.json": json.dumps(schema("spec"), indent=2, ensure_ascii=False) + "\n",
        "summary.schema.json": json.dumps(schema("summary"), indent=2, ensure_ascii=False) + "\n",
    }


def _cli() -> str:
    line = "Each command is a part of one line: load, stage, plan, run, judge, render, seal, verify."
    parts = ["# Commands", "", line, ""]
    for command in ("", *COMMANDS):
        environment = {**os.environ, "TERMINAL_WIDTH": "110", "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}
        environment.pop("FORCE_COLOR", None)
        arguments = [*command.split(), "--help"]
        done = subprocess.run(
            [sys.executable, "-c", "from npu_deliver.cli import main; main()", *arguments],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        text = "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n")
        parts += [f"## npu-deliver {command}".rstrip(), "", "```text", text, "```", ""]
    return "\n".join(parts)


def _criteria() -> str:
    about = (
        "`evaluation.criteria_profile` in spec.yaml, or `--criteria`, names the rules that decide; they are written\n"
        "to `spec.json` and hashed before the run. [metrics.md](metrics.md) defines each metric. Thresholds are their\n"
        "source's own. Most are rules for one operator: a network's outputs, in which the errors of all operators add\n"
        "up, may miss them without a fault; `npu-deliver locate` tells. `npu-deliver judge` holds finished records\n"
        "against another profile, after the fact."
    )
    parts = ["# Named criteria", "", about, ""]
    for profile in PROFILES.values():
        parts += [f"## {profile.name}", "", f"{profile.about}.", ""]
        parts += [f"Elements left out: {profile.floor}.", "", f"Source: {profile.source}.", ""]
        rules = {rule.id: rule for task in TASKS for rule in criteria_of(profile.name, task, training=True)}
        parts += ["| criterion | rule | why |", "| --- | --- | --- |"]
        for rule in rules.values():
            parts += [f"| `{rule.id}` | `{rule.metric}` {rule.comparison} {rule.threshold:.9g} | {rule.why} |"]
        parts += [""]
    return "\n".join(parts)


def _rules() -> str:
    parts = ["# Rules of npu-deliver lint", "", "Errors are contradictions or false statements, warnings are claims"]
    parts += ["without support, notes are what a careful report would add. Ids follow the order of the checks.", ""]
    for rule in catalogue.RULES:
        title = f"## {rule.id}: {rule.title.en} ({rule.severity})"
        parts += [title, "", f"{rule.title.zh}。{rule.why.zh}", "", rule.why.en, "", "```text", rule.formula, "```", ""]
        for name, example in (("Passes", rule.good), ("Fails", rule.bad)):
            parts += [f"{name}:", "", "````markdown", example.rstrip(), "````", ""] if example else []
    return "\n".join(parts)


def _spec(document: dict[str, Any]) -> str:
    lines = [
        "# spec.yaml",
        "",
        "One file describes a deliverable. Unknown keys are refused by name. The JSON schema is `spec.schema.json`:",
        "with `# yaml-language-server: $schema=…/spec.schema.json` in its first line, an editor checks the file.",
        "",
    ]
    lines += _table("", document, document["$defs"])
    return "\n".join(lines) + "\n"


def _table(prefix: str, node: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    nested = []
    for name, field in node["properties"].items():
        target = _target(field)
        required = name in node.get("required", ())
        default = "required" if required else "" if target else f"`{json.dumps(field.get('default'))}`"
        lines.append(f"| `{prefix}{name}` | {_type(field)} | {default} | {field.get('description', '')} |")
        if target:
            many = "[]" if "items" in str(field) else ""
            nested.append((f"{prefix}{name}{many}.", definitions[target]))
    for inner_prefix, inner in nested:
        lines += ["", f"## {inner_prefix.rstrip('.')}", "", inner.get("description", ""), ""]
        lines += _table(inner_prefix, inner, definitions)
    return lines


def _target(field: dict[str, Any]) -> str | None:
    """The nested object that a field holds, directly, in a list, or as one of several choices."""
    for choice in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
        reference = choice.get("$ref") or choice.get("items", {}).get("$ref")
        if reference:
            return str(reference).rpartition("/")[2]
    return None


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "$ref" in field:
        return "keys below"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return {"null": "null", "number": "number", "integer": "whole number"}.get(field.get("type", ""), "text")


def main() -> int:
    for name, content in pages().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
