"""Write docs/reference: the commands' help, the keys of spec.yaml, and both JSON schemas. A test holds them current."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from npu_deliver import cli
from npu_deliver.environment import docker_data, plugin_releases
from npu_deliver.environment.compatibility import State
from npu_deliver.lint import catalogue
from npu_deliver.schemas import schema
from npu_eval.asked.profiles import PROFILES, criteria_of
from npu_eval.asked.spec import TASKS
from npu_eval.notation.sources import cited

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
COMMANDS = tuple(command.__name__ for command in cli.COMMANDS)


def pages() -> dict[str, str]:
    """File name → content."""
    return {
        "cli.md": _cli(),
        "compatibility.md": _compatibility(),
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
        parts += [f"Elements left out: {profile.floor}.", "", f"Source: {cited(profile.sources)}.", ""]
        rules = {rule.id: rule for task in TASKS for rule in criteria_of(profile.name, task, training=True)}
        parts += ["| criterion | rule | why |", "| --- | --- | --- |"]
        for rule in rules.values():
            parts += [f"| `{rule.id}` | `{rule.metric}` {rule.comparison} {rule.threshold:.9g} | {rule.why} |"]
        parts += [""]
    return "\n".join(parts)


_STATES = {
    State.LISTED: "a source lists exactly this torch_npu with this CANN as released together",
    State.COMPATIBLE: "a matrix of the release notes has the release of TorchNPU with this CANN",
    State.PATCH_COMPATIBLE: "a release of vllm-ascend was built with the pair, or it differs from a pair of the lists "
    "below in a patch of CANN or of TorchNPU, in torch_npu's `.postN`, or (one built by others) in torch; a `.postN` "
    "that is not listed counts as those around it",
    State.CONTRADICTED: "every source is against it: torch or Python do not fit torch_npu, or TorchNPU is named with "
    "other CANN alone",
    State.UNKNOWN: "no source reaches it: a CANN, TorchNPU or torch_npu newer than the newest below, a version that is "
    "not listed, or one that is not stated (torch never stands in for torch_npu)",
}


def _compatibility() -> str:
    """What `docker/compatibility.toml` holds, and what each answer means."""
    about = (
        "Whether torch, torch_npu, CANN and Python go together: `npu-deliver doctor` answers it for the machine, the\n"
        "build of an image for its stack, `npu-deliver lint` for reports. Each answer names its source and its date,\n"
        "which is that of the commit in its address, or the day on which it was read."
    )
    parts = ["# Versions that go together", "", about, "", "| answer | when |", "| --- | --- |"]
    parts += [f"| `{state.value}` | {_STATES[state]} |" for state in State]
    names = (
        "TorchNPU (earlier Ascend Extension for PyTorch, FrameworkPTAdapter) has a version of its own; the pip\n"
        "package torch_npu is `<torch>[.postN]`, one for each torch. The branch `v<torch>-<TorchNPU>` ties them:\n"
        "`v2.1.0-7.0.0` is TorchNPU 7.0.0 for torch 2.1.0, its package 2.1.0.post12. A report may name either; one\n"
        "that says `torch_npu 7.0.0` means TorchNPU's own version."
    )
    parts += [
        "",
        "## Releases",
        "",
        names,
        "",
        "| TorchNPU | released with CANN | torch_npu | source |",
        "| --- " * 4 + "|",
    ]
    keys = {source: key for key, source in plugin_releases.sources().items()}
    for row in plugin_releases.rows():
        patch = f"{row.version}, a patch of {row.of}" if row.of else row.version
        parts += [f"| {patch} | {row.cann or '—'} | {', '.join(row.packages)} | {keys[row.source]} |"]
    parts += ["", "## Compatible by the release notes", "", "| TorchNPU | CANN | source |", "| --- | --- | --- |"]
    for matrix in plugin_releases.matrices():
        parts += [f"| {', '.join(matrix.plugins)} | {', '.join(matrix.canns)} | {keys[matrix.source]} |"]
    parts += ["", "## Built by others", "", "| release | torch_npu | CANN | source |", "| --- " * 4 + "|"]
    for pair in plugin_releases.tested():
        parts += [f"| {pair.release} | {', '.join(pair.packages)} | {pair.cann} | {keys[pair.source]} |"]
    parts += ["", "## Python", "", "| torch | Python | source |", "| --- | --- | --- |"]
    for entry in docker_data.table("compatibility.toml")["python"]:
        parts += [f"| {torch} | {', '.join(each)} | {entry['source']} |" for torch, each in entry["torch"].items()]
    parts += ["", "## Sources", "", "| source | date | address |", "| --- | --- | --- |"]
    parts += [f"| {key} | {source.date} | <{source.url}> |" for key, source in plugin_releases.sources().items()]
    return "\n".join(parts) + "\n"


def _rules() -> str:
    parts = ["# Rules of npu-deliver lint", "", "Errors are contradictions or false statements, warnings are claims"]
    parts += ["without support, notes are what a careful report would add. Ids follow the order of the checks.", ""]
    for rule in catalogue.RULES:
        title = f"## {rule.id}: {rule.title.en} ({rule.severity})"
        parts += [title, "", f"{rule.title.zh}。{rule.why.zh}", "", rule.why.en, ""]
        parts += [f"Source: {cited(rule.sources)}.", ""] if rule.sources else []
        parts += ["```text", rule.formula, "```", ""]
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
