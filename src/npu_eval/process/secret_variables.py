"""What nobody else may see: variables by their names, and what stands for a secret in a text.

Names are read word by word (`HF_TOKEN`, `CLOUD_SDK_AK`, `SecretAccessKey`), because two letters stand inside many an
innocent word. AK, SK and the signs are what Huawei Cloud's tools call their keys. Everything that is printed, kept as a
log or sealed goes through `masked`. Standard library only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

HIDDEN = "***"

_ANYWHERE = re.compile(
    r"TOKEN(?!I[ZS])|SECRET|PASSWD|PASSWORD|PASSPHRASE|CREDENTIAL|AUTH(?!OR(?!I))|API_?KEY|COOKIE|WEBHOOK"
    r"|(?<!AS)(?<!DE)(?<!RE)SIGN(?!AL|IFIC|POST)",
    re.I,
)
_COUNTED = re.compile(r"(?:MAX|MIN|NUM|N|NEW|PER|OF)_(?:\w+_)?TOKENS?(?:_|$)", re.I)
"""Tokens of a language model, which are no secret."""
_WORD = re.compile(r"(?:^|_)(?:KEYS?|AK|SK|PASS|PAT|DSN|SAS|SIG|JWT|BEARER)(?:_|$)|\w_PWD$", re.I)
_JOINED = re.compile(r"(?:ACCESS|PRIVATE|SIGN|SSH|GPG|PGP|CRYPT|HMAC|ENCRYPTION|LICENSE|USER|APP)KEY", re.I)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_A_LETTER = re.compile(r"[^A-Za-z0-9]+")
_ADDRESS = re.compile(r"(?P<head>://)[^/\s\"'<>]*@")
_QUERY = re.compile(r"(?P<head>[?&;](?P<name>[\w.~%-]{1,64})=)[^&;\s#\"'<>)]+")
_HEADER = re.compile(r"(?P<head>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}")
_ASSIGNED = re.compile(
    r"(?P<head>(?<![\w?&;-])(?:--)?(?P<name>[A-Za-z][\w-]{1,63})(?:=|[\"']\s*:\s*[\"']))(?P<value>[^\s\"',;}&]+)"
)
_LONG_ENOUGH = 8
"""Characters of a variable's value that is looked for in texts: a shorter one stands in many an innocent word."""


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable is called like a secret, or holds an address with a name, a password or a signature in it."""
    return _called_so(name) or bool(_ADDRESS.search(value)) or _with_addresses_hidden(value) != value


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for somebody else's program."""
    return {name: value for name, value in environment.items() if not is_secret(name, value)}


def masked(text: str, environment: Mapping[str, str] | None = None) -> str:
    """A text without the secrets of an environment (this process's), and without what stands where secrets stand:
    names and passwords in addresses, signatures and tokens in their queries, headers, assignments.
    """
    for value in _values(os.environ if environment is None else environment):
        text = text.replace(value, HIDDEN)
    return _ASSIGNED.sub(_assignment_hidden, _HEADER.sub(rf"\g<head>{HIDDEN}", _with_addresses_hidden(text)))


def _called_so(name: str) -> bool:
    words = _NOT_A_LETTER.sub("_", _CAMEL.sub("_", name))
    if _COUNTED.search(words):
        return False
    return any(pattern.search(each) for each in (name, words) for pattern in (_ANYWHERE, _WORD, _JOINED))


def _with_addresses_hidden(text: str) -> str:
    if "://" not in text:
        return text
    return _QUERY.sub(_parameter_hidden, _ADDRESS.sub(rf"\g<head>{HIDDEN}@", text))


def _parameter_hidden(found: re.Match[str]) -> str:
    return f"{found['head']}{HIDDEN}" if _called_so(found["name"]) else found[0]


def _assignment_hidden(found: re.Match[str]) -> str:
    """A lone `key` is one of a mapping most often."""
    lone = found["name"].upper() in ("KEY", "KEYS", "TOKENS")
    return f"{found['head']}{HIDDEN}" if not lone and _called_so(found["name"]) else found[0]


def _values(environment: Mapping[str, str]) -> list[str]:
    """The values that may stand in no text, the longest first; paths of files that hold secrets are none."""
    found = {
        value.strip()
        for name, value in environment.items()
        if len(value.strip()) >= _LONG_ENOUGH and _called_so(name) and not os.path.lexists(value.strip())
    }
    return sorted(found, key=len, reverse=True)
