"""How the commands tell of a folder that another version of this tool made, and the exit code of what they found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import typer

from npu_deliver.errors import EXIT_OTHER_VERSION, VerifyError

if TYPE_CHECKING:
    from npu_deliver.review.otherwise import Finding, Otherwise


MOST_TOLD = 500
"""Contradictions that are printed one a line; ``--json`` has all of them."""


class Outcome(Protocol):
    """What a verification and an audit have in common."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Contradictions."""

    @property
    def holds(self) -> bool:
        """Whether everything was derived again and is the same."""


def version_lines(findings: Sequence[Finding], other: Otherwise) -> list[str]:
    """Contradictions; then which version made the folder and what this one derives otherwise, where it is another."""
    from npu_deliver.release.versions import is_current, named
    from npu_deliver.review.otherwise import said

    lines = [f"✗ {finding}" for finding in findings[:MOST_TOLD]]
    if len(findings) > MOST_TOLD:
        lines.append(f"  and {len(findings) - MOST_TOLD} more; --json lists all")
    if findings and not other.told.ours:
        return [*lines, *other.lines, f"! {said(other.told)}"]
    if not findings and other.told.ours and not is_current(other.told.measured):
        lines.append(f"  the records were measured with {named(other.told.measured)}; the rest is derived by this one")
    mark = "✓" if other.same else "!"
    if other.told.ours:
        return [*lines, *other.lines]
    return [*lines, *other.lines, f"{mark} {other.outcome}"]


def versions_json(other: Otherwise) -> dict[str, Any]:
    """The same for programs."""
    from npu_deliver.release import versions
    from npu_eval.jsonio import to_json

    return {
        "made_with": to_json(other.told.derived),
        "measured_with": to_json(other.told.measured),
        "checked_with": to_json(versions.current()),
        "changed": to_json(other.changed),
        "written": to_json(other.written),
        "unchecked": to_json(other.unchecked),
    }


def leave(found: Outcome) -> None:
    """End with 8 after a contradiction, with 10 where only another version could say more."""
    if found.findings:
        raise typer.Exit(VerifyError.exit_code)
    if not found.holds:
        raise typer.Exit(EXIT_OTHER_VERSION)
