"""Sign a statement with a key that the user brings, and check such a signature. The only importer of cryptography.

The package is optional (the extra `sign`): a deliverable without a signature is whole, and one with a signature is
checked by anything that reads DSSE.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from npu_deliver.errors import ConfigError
from npu_deliver.seal.manifest import SIGNED, STATEMENT
from npu_deliver.seal.statement import Signer, envelope, signatures, signed_bytes
from npu_eval.limits import MAX_DOCUMENT_BYTES, MAX_TEXT_BYTES, read_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_BYTES = 64
"""Of Ed25519 (RFC 8032, 5.1.6), with which statements are signed here."""

_KEY = "make one with `openssl genpkey -algorithm ed25519 -out key.pem`, or `ssh-keygen -t ed25519 -N ''`"


def signer(path: Path) -> Signer:
    """What signs with the Ed25519 key of a file: PEM (PKCS #8) or OpenSSH, without a passphrase.

    Raises:
        ConfigError: the package cryptography is missing, or the file is no such key.
    """
    _require("--sign-key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = _read(path, "--sign-key")
    openssh = data.startswith(b"-----BEGIN OPENSSH")
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        key = load(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"is no private key without a passphrase ({error})", where=str(path), fix=_KEY) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("is no Ed25519 key", where=str(path), fix=_KEY)
    keyid = _keyid(key.public_key())
    return lambda payload: envelope(payload, {keyid: key.sign(signed_bytes(payload))})


def problem(folder: Path, path: Path) -> tuple[str, str] | None:
    """(file, what is wrong) unless the folder's statement is signed by the public key of a file (PEM or OpenSSH).

    Raises:
        ConfigError: the package cryptography is missing, or the file is no such key.
    """
    _require("--public-key")
    from cryptography.exceptions import InvalidSignature

    key = _public(path)
    found = signatures(folder)
    if found is None:
        return SIGNED, "there is no signature that can be read"
    payload, made = found
    if not (folder / STATEMENT).is_file() or payload != read_bytes(folder / STATEMENT, MAX_DOCUMENT_BYTES):
        return SIGNED, f"does not hold {STATEMENT}"
    for each in made:
        try:
            key.verify(each, signed_bytes(payload))
        except InvalidSignature:
            continue
        return None
    return SIGNED, f"was not signed by the key {_keyid(key)[:12]}… of {path.name}"


def unchecked(folder: Path) -> tuple[str, str] | None:
    """(file, what is to be said of it) of a signature that nobody gave a key for; None where there is none.

    Whether a file is a signature at all shows without a key; whose it is does not.
    """
    found = signatures(folder)
    if found is None:
        exists = (folder / SIGNED).exists()
        return (SIGNED, "is no signature: no DSSE envelope of a statement can be read there") if exists else None
    lengths = [len(each) for each in found[1]]
    if not lengths:
        return SIGNED, "is no signature: its envelope holds none"
    if SIGNATURE_BYTES not in lengths:
        what = f"is no signature: one with Ed25519 has {SIGNATURE_BYTES} bytes, what stands there {lengths[0]}"
        return SIGNED, what
    return SIGNED, "its signature is not checked, which takes --public-key: anybody can sign with a key of their own"


def _public(path: Path) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _read(path, "--public-key")
    load = serialization.load_ssh_public_key if data.startswith(b"ssh-") else serialization.load_pem_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"is no public key ({error})", where=str(path), fix="openssl pkey -pubout makes it"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("is no Ed25519 key", where=str(path), fix=_KEY)
    return key


def _keyid(key: Ed25519PublicKey) -> str:
    """sha256 of the public key's SubjectPublicKeyInfo."""
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _require(option: str) -> None:
    try:
        import cryptography.exceptions  # noqa: F401  whether it is there
    except ImportError as error:
        raise ConfigError(
            "needs the package cryptography, which is not installed",
            where=option,
            fix="pip install 'npu-deliver[sign]'",
        ) from error


def _read(path: Path, option: str) -> bytes:
    try:
        return read_bytes(path, MAX_TEXT_BYTES, follow=True)
    except OSError as error:
        raise ConfigError(
            f"the key cannot be read ({error.strerror})", where=option, fix=f"looked for {path}"
        ) from error
