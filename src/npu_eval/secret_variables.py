"""Which variables of an environment hold what nobody else may see, judged by their names and by addresses in them.

Names are read word by word (`HF_TOKEN`, `CLOUD_SDK_AK`), because two letters stand inside many an innocent word.
AK, SK and the signs are what Huawei Cloud's tools call their keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ANYWHERE = re.compile(
    r"TOKEN(?!IZER)|SECRET|PASSWD|PASSWORD|PASSPHRASE|CREDENTIAL|AUTH|API_?KEY|COOKIE|(?<!AS)(?<!DE)SIGN(?!AL)", re.I
)
_WORD = re.compile(r"(?:^|_)(?:KEYS?|AK|SK|PASS|PAT|DSN|SAS)(?:_|$)|\wKEY$|\w_PWD$", re.I)
_ADDRESS = re.compile(r"://[^/\s@]+@")


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable is called like a secret, or holds an address with a user's name or password in it."""
    return bool(_ANYWHERE.search(name) or _WORD.search(name) or _ADDRESS.search(value))


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for somebody else's program."""
    return {name: value for name, value in environment.items() if not is_secret(name, value)}
