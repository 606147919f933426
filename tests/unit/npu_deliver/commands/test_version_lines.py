"""What a verification prints of a folder, however much is wrong with it."""

from __future__ import annotations

from npu_deliver.commands.version_lines import MOST_TOLD, version_lines
from npu_deliver.release import versions
from npu_deliver.release.versions import Told
from npu_deliver.review.otherwise import Finding, Otherwise


def test_the_first_contradictions_are_told_and_how_many_more_there_are():
    current = versions.current()
    other = Otherwise(told=Told(measured=current, derived=current))
    findings = [Finding(file=f"f{number}", what="is missing") for number in range(MOST_TOLD + 7)]
    lines = version_lines(findings, other)
    assert lines[MOST_TOLD - 1 :] == [f"✗ f{MOST_TOLD - 1}: is missing", "  and 7 more; --json lists all"]
    assert len(version_lines(findings[:MOST_TOLD], other)) == MOST_TOLD
