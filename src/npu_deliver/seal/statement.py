"""The deliverable's result as an in-toto Statement, which supply-chain tools read without knowing this project.

An in-toto Statement v1 whose predicate is a test result v0.1 (in-toto attestation framework, predicates/test-result):
its subjects are MANIFEST.json and every file, its configuration the spec, the criteria, the ledger and the version of
this tool, its tests the criteria. It says what summary.json says and is derived from it again by whoever checks. A
signature, with a key of the user's own, is a DSSE envelope beside it. Both lie outside the manifest, whose hash they
hold. Standard library only.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import starmap
from pathlib import Path
from typing import Any

from npu_deliver.errors import RecordError
from npu_deliver.seal import manifest
from npu_deliver.seal.manifest import SIGNED, STATEMENT
from npu_deliver.summary import Summary
from npu_eval.asked.layout import LEDGER
from npu_eval.jsonio import dumps, file_sha256, loads, write_atomic
from npu_eval.limits import MAX_DOCUMENT_BYTES, read_text
from npu_eval.records.verdict import Status

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
TOOL = "npu-deliver"
"""Names this tool in the configuration; its digest is the hash of the rules that derived all of it."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"

Signer = Callable[[bytes], str]
"""A statement's bytes → the text of the envelope that holds and signs them."""


def statement(summary: Summary, folder: Path) -> str:
    """The statement of a sealed folder.

    A criterion that passed is a warning where the summary is stamped: it was not met on a real NPU with real weights.

    Raises:
        RecordError: the folder has no readable manifest.
    """
    files = {name: entry.sha256 for name, entry in manifest.read(folder).files.items()}
    by_outcome: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for verdict in summary.verdicts:
        by_outcome[_outcome(verdict.status, stamped=bool(summary.stamps))].append(verdict.criterion)
    result = "FAILED" if by_outcome["failedTests"] else "WARNED" if by_outcome["warnedTests"] else "PASSED"
    configuration = {name: files[name] for name in ("spec.json", summary.layout.at(LEDGER)) if name in files}
    used = [_described("criteria", summary.criteria_sha256), *starmap(_described, configuration.items())]
    if summary.measured_with is not None and summary.derived_with is not None:  # what came before names no tool
        tool = summary.derived_with
        used.append(_described(TOOL, tool.rules_sha256) | {"annotations": {"version": tool.version}})
    return dumps(
        {
            "_type": TYPE,
            "subject": [
                _described(manifest.NAME, file_sha256(folder / manifest.NAME)),
                *(_described(name, sha256) for name, sha256 in files.items()),
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "result": result,
                "configuration": used,
                **by_outcome,
            },
        }
    )


def _outcome(status: Status, *, stamped: bool) -> str:
    if status is Status.PASS:
        return "warnedTests" if stamped else "passedTests"
    return "warnedTests" if status is Status.NOT_MEASURED else "failedTests"


def _described(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}


def write(folder: Path, summary: Summary, sign: Signer | None = None) -> None:
    """State what a sealed folder holds, and sign that; a signature of an earlier statement goes."""
    text = statement(summary, folder)
    write_atomic(folder / STATEMENT, text)
    if sign is None:
        (folder / SIGNED).unlink(missing_ok=True)
    else:
        write_atomic(folder / SIGNED, sign(text.encode("utf-8")))


def differences(folder: Path, summary: Summary | None) -> Iterator[tuple[str, str]]:
    """(file, what is wrong) where the statement, the manifest and an envelope disagree.

    Args:
        summary: derived from the records; None where they allow none, so that only the manifest's hash is looked at.
    """
    try:
        found = read_text(folder / STATEMENT, MAX_DOCUMENT_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        yield STATEMENT, f"cannot be read ({error})"
        return
    try:
        expected = None if summary is None else statement(summary, folder)
        manifest.read(folder)
    except RecordError:  # the manifest's own finding tells of it
        return
    if file_sha256(folder / manifest.NAME) not in found:
        yield manifest.NAME, f"is not the manifest that {STATEMENT} names"
    signed = signatures(folder)
    if (folder / SIGNED).exists() and (signed is None or signed[0] != found.encode("utf-8")):
        yield SIGNED, f"does not hold {STATEMENT}"
    if expected is not None and found != expected:
        yield STATEMENT, _first_difference(expected, found)


def _first_difference(expected: str, found: str) -> str:
    lines = zip(expected.splitlines(), found.splitlines(), strict=False)
    for number, (ours, theirs) in enumerate(lines, start=1):
        if ours != theirs:
            return f"line {number} is {theirs.strip()[:80]!r}, the folder gives {ours.strip()[:80]!r}"
    return "is longer or shorter than what the folder gives"


def envelope(payload: bytes, signatures: dict[str, bytes]) -> str:
    """A DSSE v1 envelope: the payload and key id → signature over `signed_bytes` of it."""
    signed = [{"keyid": keyid, "sig": base64.b64encode(sig).decode("ascii")} for keyid, sig in signatures.items()]
    text = base64.b64encode(payload).decode("ascii")
    return dumps({"payload": text, "payloadType": PAYLOAD_TYPE, "signatures": signed})


def signed_bytes(payload: bytes) -> bytes:
    """What a signature is over: DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md)."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signatures(folder: Path) -> tuple[bytes, list[bytes]] | None:
    """(payload, signatures) of a folder's envelope; None where there is none that can be read."""
    try:
        value = loads(read_text(folder / SIGNED, MAX_DOCUMENT_BYTES), SIGNED)
        if value["payloadType"] != PAYLOAD_TYPE:
            return None
        held = base64.b64decode(value["payload"], validate=True)
        return held, [base64.b64decode(each["sig"], validate=True) for each in value["signatures"]]
    except (OSError, RecordError, ValueError, LookupError, TypeError):
        return None
