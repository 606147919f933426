"""What else the files of a folder say of each other: which of them nothing names, which one others testify against, and
what requirements.txt lists. Standard library only.

`strangers` knows the places in which a deliverable has files; here it is looked at whether spec or records name them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from npu_deliver import ledger
from npu_deliver.environment.needed_packages import SERVER, needed, package_key
from npu_deliver.experiments.registry import KINDS, read_record
from npu_deliver.release import versions
from npu_deliver.review.otherwise import Finding
from npu_deliver.seal import manifest
from npu_deliver.spec.profiles import PLATFORM_SUPPLIES
from npu_eval import limits
from npu_eval.asked.architectures import DESCRIBING, MODEL_FOLDER
from npu_eval.asked.layout import LEDGER, SUMMARY
from npu_eval.asked.spec import SpecFile, read_spec_file
from npu_eval.errors import DeliverError
from npu_eval.jsonio import loads, to_json
from npu_eval.limits import read_bytes, read_text
from npu_eval.records.record import Record, files_of, record_sha256
from npu_eval.records.stamps import stamped_name

_REQUIRED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][0-9A-Za-z.!+-]*)")
_LOGGED = re.compile(r"^record\s+sha256 ([0-9a-f]{64})\s*$", re.MULTILINE)


def unnamed(folder: Path, spec_file: SpecFile, records: Mapping[str, Record]) -> Iterator[Finding]:
    """Files where records, logs, results, inputs and a model's configuration lie, and that nothing names."""
    layout, stamped = spec_file.layout, (False, True)
    known = {layout.at(SUMMARY), layout.at(LEDGER), *(layout.record(kind) for kind in KINDS)}
    known |= {
        stamped_name(layout.log(log), simulated=s) for log in (kind.log for kind in KINDS.values()) for s in stamped
    }
    known |= {entry.path for entry in spec_file.evaluation.inputs}
    known |= {name for record in records.values() for name, _ in files_of(record)}
    places = [f"{layout.at(f'evaluation/{part}')}/" for part in ("records", "logs", "results")]
    screenshots = f"{layout.at('evaluation/screenshots')}/"
    for name in manifest.files_of(folder):
        if name in known:
            continue
        held = any(name.startswith(place) for place in (*places, "inputs/"))
        picture = name.startswith(screenshots) and not (name.endswith(".png") and "/" not in name[len(screenshots) :])
        model = name.startswith(f"{MODEL_FOLDER}/") and name.removeprefix(f"{MODEL_FOLDER}/") not in DESCRIBING
        if held or picture or model:
            yield Finding(file=name, what="is no part of a deliverable")


def requirements(folder: Path, spec_file: SpecFile, versions_measured: Mapping[str, str]) -> Iterator[Finding]:
    """What requirements.txt says otherwise than the spec and the versions that were measured."""
    file = "requirements.txt"
    try:
        text = read_bytes(folder / file, limits.MAX_TEXT_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Finding(file=file, what=f"cannot be read ({error})")
        return
    named = []
    for line in text.split():
        name, version = re.split(r"[=<>!~;\[@]", line, maxsplit=1)[0], line.partition("==")[2]
        named.append(name)
        measured = versions_measured.get(name)
        if package_key(name) in PLATFORM_SUPPLIES:
            yield Finding(file=file, what=f"names {name}, which the platform supplies")
        elif measured is not None and measured.partition("+")[0] != version:
            yield Finding(file=file, what=f"says {name} {version}, the records were made with {measured}")
    lines = text.split("\n")
    odd = [number for number, line in enumerate(lines[:-1], start=1) if not _REQUIRED.fullmatch(line)]
    if lines[-1] or odd:
        yield Finding(file=file, what=f"line {odd[0] if odd else len(lines)} is no package with its version")
        return
    adapter, required = spec_file.evaluation.adapter, spec_file.requirements
    possible = [list(needed(adapter, required, evaluators=evaluators)) for evaluators in (False, True)]
    server = SERVER.partition("==")[0]
    for names in possible if spec_file.serve else ():
        names += [] if server in map(package_key, names) else [server]
    if not versions.is_current(spec_file.measured_with):  # which listed others, but none of anybody else's
        every = {package_key(name) for names in possible for name in names}
        if other := [name for name in named if package_key(name) not in every]:
            yield Finding(file=file, what=f"lists {', '.join(other)[:120]}, which no script imports")
    elif named not in possible:
        yield Finding(file=file, what=f"lists {', '.join(named)[:120]} and not {', '.join(possible[0])}")


def witnesses(folder: Path) -> Iterator[Finding]:
    """The file that several others testify against: they were all made from another content of it."""
    try:
        spec_file = read_spec_file(folder / "spec.json")
        layout = spec_file.layout
        summary = loads(_read(folder, layout.at(SUMMARY)), SUMMARY)
        evidence = {str(e["experiment"]): e for e in summary["evidence"]}
    except (DeliverError, ValueError, LookupError, TypeError, RecursionError):
        return
    specs = []
    for kind, entry in evidence.items():
        file = layout.record(kind)
        try:
            record = read_record(folder / file)
        except DeliverError:
            specs += _spec_of(folder, file)
            continue
        specs.append(record.spec_sha256)
        logged = _LOGGED.search(_read(folder, str(entry.get("log"))))
        if logged and logged[1] == entry.get("record_sha256") != record_sha256(record):
            what = f"is not the record {logged[1][:12]}… that its log and summary.json were made from"
            yield Finding(file=file, what=what)
    with contextlib.suppress(DeliverError, LookupError, TypeError):
        if (told := summary["runs"]["head_sha256"]) != ledger.read(folder / layout.at(LEDGER))[-1].sha256:
            what = f"is not the ledger {str(told)[:12]}… that summary.json tells of"
            yield Finding(file=layout.at(LEDGER), what=what)
    if specs and len(set(map(str, specs))) == 1 and specs[0] != spec_file.evaluation.sha256:
        yield Finding(file="spec.json", what=f"is not the spec {str(specs[0])[:12]}… that every record was made under")
    if summary.get("model") != to_json(spec_file.model) or summary.get("profile") != spec_file.profile:
        yield Finding(file="spec.json", what="tells other facts of the model than summary.json")


def _spec_of(folder: Path, file: str) -> list[Any]:
    """The spec that a record names which cannot be read as one otherwise; nothing where it names none."""
    try:
        return [loads(_read(folder, file), file)["spec_sha256"]]
    except (DeliverError, ValueError, LookupError, TypeError, RecursionError):
        return []


def _read(folder: Path, file: str) -> str:
    try:
        path = limits.inside(folder, file)
        return "" if path is None else read_text(path, limits.MAX_RECORD_BYTES)
    except (OSError, UnicodeDecodeError):
        return ""
