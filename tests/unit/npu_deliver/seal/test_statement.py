"""The statement says what the summary says, and whoever changes it, the manifest or an envelope is found."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

import deliverables
from npu_deliver.review import verify
from npu_deliver.seal import manifest, statement
from npu_deliver.seal.manifest import SIGNED, STATEMENT
from npu_eval.jsonio import file_sha256
from npu_eval.records.verdict import Status


def held(folder):
    return json.loads((folder / STATEMENT).read_text(encoding="utf-8"))


def found(folder):
    return [finding.file for finding in verify.verify(folder).findings]


def test_it_is_an_in_toto_statement_of_a_test_result(folder):
    said = held(folder)
    assert set(said) == {"_type", "subject", "predicateType", "predicate"}
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert said["predicate"]["result"] == "PASSED"
    assert said["subject"][0]["digest"]["sha256"] == file_sha256(folder / "MANIFEST.json")
    subjects = {each["name"]: each["digest"]["sha256"] for each in said["subject"][1:]}
    assert subjects == {name: file_sha256(path) for name, path in manifest.files_of(folder).items()}
    used = {each["name"]: each["digest"]["sha256"] for each in said["predicate"]["configuration"]}
    assert used["spec.json"] == subjects["spec.json"]
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert used["criteria"] == summary["criteria_sha256"]
    assert said["predicate"]["passedTests"] == [verdict["criterion"] for verdict in summary["verdicts"]]


def test_what_passed_without_an_npu_is_a_warning(folder_on_cpu):
    predicate = held(folder_on_cpu)["predicate"]
    assert predicate["result"] == "WARNED"
    assert predicate["warnedTests"]
    assert predicate["passedTests"] == predicate["failedTests"] == []


@pytest.mark.parametrize(
    ("status", "result", "where"),
    [(Status.FAIL, "FAILED", "failedTests"),
     (Status.NOT_MEASURED, "WARNED", "warnedTests")],
)  # fmt: skip
def test_each_verdict_stands_where_it_belongs(folder, status, result, where):
    summary = verify.verify(folder).summary
    first = replace(summary.verdicts[0], status=status)
    predicate = json.loads(statement.statement(replace(summary, verdicts=(first, *summary.verdicts[1:])), folder))[
        "predicate"
    ]
    assert predicate["result"] == result
    assert predicate[where] == [first.criterion]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"result": "PASSED"', '"result": "WARNED"'),
        ("test-result/v0.1", "test-result/v0.2"),
        ('"readme.md"', '"read.md"'),
    ],
)
def test_a_changed_statement_is_named(folder, old, new):
    deliverables.change_file(folder / STATEMENT, old, new)
    assert found(folder) == [STATEMENT]


def test_a_manifest_that_was_made_anew_is_named(folder):
    with (folder / "MANIFEST.json").open("a") as stream:
        stream.write("\n")
    assert set(found(folder)) == {"MANIFEST.json", STATEMENT}


def test_a_missing_statement_is_named(folder):
    (folder / STATEMENT).unlink()
    assert found(folder) == [STATEMENT]


def test_a_statement_that_is_a_link_is_named(folder, tmp_path):
    (folder / STATEMENT).rename(tmp_path / "elsewhere.json")
    (folder / STATEMENT).symlink_to(tmp_path / "elsewhere.json")
    assert found(folder) == [STATEMENT]


def test_the_bytes_to_sign_are_those_of_dsse():
    """The example of DSSE's own protocol page, with our payload type."""
    assert statement.signed_bytes(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def test_an_envelope_that_holds_something_else_is_named(folder):
    text = (folder / STATEMENT).read_bytes()
    (folder / SIGNED).write_text(statement.envelope(text, {"k": b"s"}))
    assert found(folder) == []
    (folder / SIGNED).write_text(statement.envelope(text + b"\n", {"k": b"s"}))
    assert found(folder) == [SIGNED]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"payloadType": "x"}', "null", json.dumps(
        {"payloadType": statement.PAYLOAD_TYPE, "payload": "not base64!", "signatures": []})],
)  # fmt: skip
def test_what_is_no_envelope_is_none(folder, text):
    (folder / SIGNED).write_text(text)
    assert statement.signatures(folder) is None
    assert found(folder) == [SIGNED]


def test_an_envelope_gives_back_what_was_put_in(folder):
    (folder / SIGNED).write_text(statement.envelope(b"payload", {"a": b"1", "b": b"2"}))
    assert statement.signatures(folder) == (b"payload", [b"1", b"2"])
    assert base64.b64decode(json.loads((folder / SIGNED).read_text())["payload"]) == b"payload"
