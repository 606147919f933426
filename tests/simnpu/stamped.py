"""What a deliverable of a simulated NPU must say of itself, in each of its files."""

from __future__ import annotations

import json
import re
from pathlib import Path

SHOWN = (".md", ".log", ".png")
ASIDE = {"results", "npu_eval", "npu_models", "inputs"}
"""Folders of a deliverable in which no number is shown."""


def assert_stamped(folder: Path) -> None:
    """Title, names, times and verdicts of every page, log and picture, and the summary."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["hardware"] is None
    assert summary["stamps"][0] == "simulated"
    shown = [p for p in folder.rglob("*") if p.suffix in SHOWN and not ASIDE & set(p.relative_to(folder).parts)]
    assert len(shown) >= 8
    assert all(".simulated." in p.name for p in shown), shown
    for page in (p for p in shown if p.suffix != ".png"):
        text = page.read_text(encoding="utf-8")
        assert "SIMULATED" in text
        assert not re.search(r"\d ms\b|\d /s\b", text), page
        assert not re.search(r"\b(PASS|FAIL|NOT_MEASURED)\b(?! \(simulated\))", text.split("\n## ")[0]), page
    assert "n/a (simulated)" in (folder / "evaluation/logs/performance_eval.simulated.log").read_text(encoding="utf-8")
