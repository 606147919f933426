"""The documentation says what is so: generated pages are current, links lead somewhere, tables are complete."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from npu_deliver import errors
from npu_eval.asked.metrics import METRICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import generate_reference

        return generate_reference.pages()
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def test_reference_pages_are_current(generated: dict[str, str]) -> None:
    for name, content in generated.items():
        page = DOCS / "reference" / name
        assert page.read_text(encoding="utf-8") == content, f"run scripts/generate_reference.py: {name} has changed"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_metric_is_defined() -> None:
    page = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    assert not [name for name in METRICS if f"`{name}`" not in page]


def test_every_exit_code_is_explained() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.DeliverError)]
    assert len(classes) > 8
    assert not [c.__name__ for c in classes if f"| {c.exit_code} |" not in page]


def test_readme_is_short_enough_to_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
