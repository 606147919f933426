"""Records: what the experiments found. Immutable, raw, bound to the spec they ran under.

A record stores samples, sums and counts, never a statistic: those are derived, so that anybody can derive them again.
Standard library only.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from npu_eval.errors import RecordError
from npu_eval.jsonio import Kept, dumps, from_json, keep, loads, write_atomic
from npu_eval.limits import MAX_RECORD_BYTES, read_bytes
from npu_eval.records.kind import Kind
from npu_eval.records.provenance import Provenance, check_bundle, check_device

SCHEMA = "npu-deliver/record/1"


@dataclass(frozen=True, kw_only=True)
class Record(Kept):
    """What one experiment found, with the hashes of the spec and of the code that it ran under.

    ``of`` is what kind of record it is, ``data`` an instance of that kind's dataclass. Times are ISO 8601 in UTC.
    ``command`` is the command line relative to the deliverable's folder.
    """

    spec_sha256: str
    code_sha256: str
    command: tuple[str, ...]
    started_at: str
    finished_at: str
    provenance: Provenance
    of: Kind
    data: object

    @property
    def kind(self) -> str:
        """The name of the experiment that made this record."""
        return self.of.name

    @functools.cached_property
    def text_sha256(self) -> str:
        """sha256 of the text that this version writes; made once, because it is asked for many times."""
        return hashlib.sha256(record_text(self).encode("utf-8")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    """The part of a stored record that is the same for every kind."""

    spec_sha256: str
    code_sha256: str
    command: tuple[str, ...]
    started_at: str
    finished_at: str
    provenance: Provenance


def record_text(record: Record) -> str:
    """The record's JSON text; equal records have equal texts."""
    return dumps(
        {
            "schema": SCHEMA,
            "kind": record.kind,
            "spec_sha256": record.spec_sha256,
            "code_sha256": record.code_sha256,
            "command": record.command,
            "started_at": record.started_at,
            "finished_at": record.finished_at,
            "provenance": record.provenance,
            "data": record.data,
        }
    )


def record_sha256(record: Record) -> str:
    """sha256 of the record's file."""
    return record.kept.get("sha256") or record.text_sha256


def write_record(path: Path, record: Record) -> None:
    """Store a record; a kill leaves the old file or the new one."""
    write_atomic(path, record_text(record))


def parse_record(text: str, where: str, kinds: Iterable[Kind]) -> Record:
    """A record of one of some kinds, from its JSON text.

    Raises:
        RecordError: not JSON, another schema version, an unknown kind, or a field that is wrong.
    """
    value = loads(text, where)
    if not isinstance(value, dict):
        raise RecordError("is not a record", where=where)
    schema = value.pop("schema", None)
    if schema != SCHEMA:
        raise RecordError(f"schema '{schema}' is not '{SCHEMA}'", where=where, fix="run the experiment again")
    name = value.pop("kind", None)
    kind = next((kind for kind in kinds if kind.name == name), None)
    if kind is None:
        raise RecordError(f"kind '{name}' is unknown", where=where)
    data: object = from_json(kind.data, value.pop("data", None), f"{where}: data")
    kind.check(data, f"{where}: data")  # so that every statistic of a record that was read exists
    envelope = from_json(_Envelope, value, where)
    check_device(envelope.provenance.device, f"{where}: provenance.device")
    check_bundle(envelope.provenance.reference_bundle, f"{where}: provenance.reference_bundle")
    return Record(of=kind, data=data, **{name: getattr(envelope, name) for name in _Envelope.__dataclass_fields__})


def read_record(path: Path, kinds: Iterable[Kind], *, spec_sha256: str | None = None) -> Record:
    """A stored record of one of some kinds; with ``spec_sha256``, only if it was made under that spec.

    Raises:
        RecordError: absent, unreadable, of another schema version, or of another spec.
    """
    try:
        record = _stored(read_bytes(path, MAX_RECORD_BYTES), path.name, tuple(kinds))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read ({error})", where=path.name) from error
    if spec_sha256 is not None and record.spec_sha256 != spec_sha256:
        raise RecordError(
            f"was made under spec {record.spec_sha256[:12]}, not {spec_sha256[:12]}",
            where=path.name,
            fix="run the experiment again",
        )
    return record


@functools.lru_cache(maxsize=8)  # more than the records of one folder
def _stored(content: bytes, where: str, kinds: tuple[Kind, ...]) -> Record:
    """The record of a file's content; a folder's checks each read all of its records."""
    text = content.decode("utf-8")
    record = parse_record(text, where, kinds)
    found = hashlib.sha256(content).hexdigest()
    if record_text(record) == text:
        vars(record)["text_sha256"] = found  # as the cached property would find it
    else:
        keep(record, sha256=found)
    return record


def files_of(record: Record) -> tuple[tuple[str, str], ...]:
    """(path in the deliverable, sha256) of each file beside the record that it names."""
    return record.of.files(record.data)


def replayed(record: Record) -> Record:
    """The same findings, marked as replayed from an earlier run."""
    origin = record.provenance.replayed_from or record_sha256(record)
    return replace(record, provenance=replace(record.provenance, replayed_from=origin))
