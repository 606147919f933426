"""Files that the manifest of a folder names and that lie in no deliverable, and scripts that ran and are gone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from npu_deliver.errors import ConfigError
from npu_deliver.review.otherwise import Finding
from npu_deliver.seal import manifest, strays
from npu_deliver.spec.profiles import layout_of, pages, templates
from npu_deliver.summary import Summary
from npu_eval.asked.spec import read_spec_file
from npu_eval.records.stamps import stamped_name

_KNOWN = re.compile(
    r"(?:evaluation/ledger\.jsonl|summary\.json|spec\.json|MANIFEST\.json|requirements\.txt|verify_deliverable\.py"
    r"|(?:npu_eval|npu_models|model|inputs|evaluation/(?:records|logs|screenshots|results))/.+)"
)


def in_the_way(folder: Path) -> Iterator[Finding]:
    """Python files that an import would find instead of what it asks for: contradictions for every version."""
    for name, what in strays.in_the_way(manifest.files_of(folder), _adapter(folder)):
        yield Finding(file=name, what=what)


def unknown(folder: Path, summary: Summary | None, told: Collection[str]) -> Iterator[Finding]:
    """Files that no deliverable of this version has.

    Args:
        summary: derived from the records; None where they allow none.
        told: files and folders that have a finding already.
    """
    found, layout = manifest.files_of(folder), layout_of(folder)
    for evidence in summary.evidence if summary else ():
        for name in (word for word in evidence.command.split() if word.endswith(".py")):
            if name not in found:
                yield Finding(file=name, what=f"is missing, but the {evidence.experiment} record was made by it")
    fixed = {name for name, path in templates(layout).items() if path.suffix != ".j2"} | {_adapter(folder)}
    fixed |= {stamped_name(page, simulated=simulated) for page in pages(layout) for simulated in (False, True)}
    for name in found:
        if name in fixed or _KNOWN.fullmatch(layout.canonical(name) or ""):
            continue
        if not any(str(place) in told for place in (PurePosixPath(name), *PurePosixPath(name).parents)):
            yield Finding(file=name, what="is no part of a deliverable")


def _adapter(folder: Path) -> str:
    """The adapter that spec.json names; the usual one where it cannot be read, whose own finding tells of it."""
    try:
        return read_spec_file(folder / "spec.json").evaluation.adapter
    except ConfigError:
        return "adapter.py"
