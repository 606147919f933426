"""A statement is signed with the user's own key, and only that key's public half confirms it."""

from __future__ import annotations

import json
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import deliverables
from npu_deliver import cli
from npu_deliver.errors import ConfigError
from npu_deliver.review import verify
from npu_deliver.seal import signing, statement
from npu_deliver.seal.manifest import SIGNED, STATEMENT


def write_keys(folder, name="key", *, key=None, ssh=False):
    """A private and a public key as files."""
    key = key or Ed25519PrivateKey.generate()
    private, public = folder / name, folder / f"{name}.pub"
    kind = PrivateFormat.OpenSSH if ssh else PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(Encoding.PEM, kind, NoEncryption()))
    formats = (Encoding.OpenSSH, PublicFormat.OpenSSH) if ssh else (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(key.public_key().public_bytes(*formats))
    return private, public


def sign(folder, private):
    (folder / SIGNED).write_text(signing.signer(private)((folder / STATEMENT).read_bytes()), encoding="utf-8")


@pytest.mark.parametrize("ssh", [False, True])
def test_a_signature_is_confirmed_by_its_own_key_alone(folder, tmp_path, ssh):
    private, public = write_keys(tmp_path, ssh=ssh)
    _, other = write_keys(tmp_path, "other", ssh=ssh)
    sign(folder, private)
    assert verify.verify(folder, public).holds
    (finding,) = verify.verify(folder, other).findings
    assert (finding.file, finding.what[:29]) == (SIGNED, "was not signed by the key " + finding.what[26:29])
    assert "other.pub" in finding.what


def test_without_a_signature_a_key_confirms_nothing(folder, tmp_path):
    (finding,) = verify.verify(folder, write_keys(tmp_path)[1]).findings
    assert str(finding) == f"{SIGNED}: there is no signature that can be read"


def test_a_forged_signature_is_found(folder, tmp_path):
    private, public = write_keys(tmp_path)
    sign(folder, private)
    text = json.loads((folder / SIGNED).read_text())
    text["signatures"][0]["sig"] = "A" * 86 + "=="
    (folder / SIGNED).write_text(json.dumps(text))
    assert not verify.verify(folder, public).holds
    (folder / SIGNED).write_text(statement.envelope((folder / STATEMENT).read_bytes() + b" ", {"": b""}))
    assert signing.problem(folder, public) == (SIGNED, f"does not hold {STATEMENT}")


JUNK = {
    "no signature": ({}, "is no signature: its envelope holds none"),
    "one byte": ({"k": b"s"}, "is no signature: one with Ed25519 has 64 bytes, what stands there 1"),
    "bytes that may be one": ({"k": b"s" * 64}, "its signature is not checked, which takes --public-key: anybody can"),
}


@pytest.mark.parametrize(("made", "words"), JUNK.values(), ids=JUNK)
def test_a_signature_without_a_key_is_remarked_on(folder, monkeypatch, capsys, made, words):
    (folder / SIGNED).write_text(statement.envelope((folder / STATEMENT).read_bytes(), made), encoding="utf-8")
    report = verify.verify(folder)
    assert report.holds
    (remark,) = report.remarks
    assert str(remark).startswith(f"{SIGNED}: {words}")
    monkeypatch.setattr(sys, "argv", ["npu-deliver", "verify", str(folder)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert f"! {remark}" in capsys.readouterr().out.splitlines()
    monkeypatch.setattr(sys, "argv", ["npu-deliver", "verify", "--json", str(folder)])
    with pytest.raises(SystemExit):
        cli.main()
    assert json.loads(capsys.readouterr().out)["remarks"] == [{"file": SIGNED, "what": remark.what}]


@pytest.mark.parametrize("text", ["", "junk", "{}", '{"payloadType": "application/vnd.in-toto+json"}'])
def test_a_file_that_is_no_envelope_is_no_signature_and_contradicts_the_statement(folder, text):
    (folder / SIGNED).write_text(text, encoding="utf-8")
    report = verify.verify(folder)
    assert f"{SIGNED}: does not hold {STATEMENT}" in [str(each) for each in report.findings]
    assert [each.what.partition(":")[0] for each in report.remarks] == ["is no signature"]


def test_nothing_is_remarked_on_where_nobody_signed_or_a_key_is_given(folder, tmp_path):
    assert verify.verify(folder).remarks == ()
    private, public = write_keys(tmp_path)
    sign(folder, private)
    assert verify.verify(folder, public).remarks == ()


def test_the_line_signs_and_a_report_without_a_key_takes_the_signature_away(tmp_path):
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    private, public = write_keys(tmp_path)
    deliverables.make(job, sign=signing.signer(private))
    assert verify.verify(job.output, public).holds
    deliverables.make(job)
    assert not (job.output / SIGNED).exists()
    assert verify.verify(job.output).holds


def test_a_missing_package_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ConfigError, match=r"--sign-key: needs the package cryptography.*npu-deliver\[sign\]"):
        signing.signer(tmp_path / "key")
    with pytest.raises(ConfigError, match="--public-key: needs the package cryptography"):
        signing.problem(tmp_path, tmp_path / "key")


def test_keys_that_are_none_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="--sign-key: the key cannot be read"):
        signing.signer(tmp_path / "absent")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ConfigError, match="is no private key without a passphrase"):
        signing.signer(tmp_path / "text")
    with pytest.raises(ConfigError, match="is no public key"):
        signing.problem(tmp_path, tmp_path / "text")
    locked = tmp_path / "locked"
    secret = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    with pytest.raises(ConfigError, match="without a passphrase"):
        signing.signer(locked)
    private, public = write_keys(tmp_path, "ec", key=generate_private_key(SECP256R1()))
    with pytest.raises(ConfigError, match="is no Ed25519 key"):
        signing.signer(private)
    with pytest.raises(ConfigError, match="is no Ed25519 key"):
        signing.problem(tmp_path, public)
