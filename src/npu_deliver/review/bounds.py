"""What of a stranger's folder may be read: one within the limits, and of it files that lie in it."""

from __future__ import annotations

from pathlib import Path

from npu_deliver.errors import VerifyError
from npu_eval import limits
from npu_eval.jsonio import file_sha256


def require(folder: Path) -> None:
    """Let a folder pass that is within the limits.

    Raises:
        VerifyError: something in it is beyond a limit; the message names the first place.
    """
    if found := limits.look(folder):
        (name, what), more = found[0], len(found) - 1
        others = f" (and {more} more)" if more else ""
        raise VerifyError(
            f"{what}{others}; nothing of it was read",
            where=f"{folder}: {name}",
            fix="ask its maker; docs/reference/limits.md has the limits",
        )


def holds(folder: Path, name: str, sha256: str | None, known: dict[str, str] | None = None) -> bool:
    """Whether a name means a file of the folder that has a hash; ``known`` keeps hashes of names that come again."""
    known = {} if known is None else known
    if not limits.is_file(folder, name):
        return False
    if name not in known:
        known[name] = file_sha256(folder / name)
    return known[name] == sha256
