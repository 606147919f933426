"""Where the templates of a profile live: those of the first layout, laid out anew, and a profile's own."""

from __future__ import annotations

import re
from pathlib import Path

from npu_deliver.errors import ConfigError, RecordError
from npu_eval.asked.layout import LAYOUTS, NPU_DELIVERABLES, REPORT, Layout
from npu_eval.jsonio import loads
from npu_eval.limits import MAX_DOCUMENT_BYTES, read_text

PLATFORM_SUPPLIES = ("torch_npu", "cann", "python")
"""What the platform brings with its image; naming it in requirements.txt breaks the platform's own test."""

SERVER = "deploy.sh"
"""Starts the HTTP server of a deliverable, where the platform's test of availability looks for it."""

_PAGE = re.compile(r"(.+)\.(?:zh|en)(\.\w+)\.j2")


def templates_folder(profile: str) -> Path:
    """A profile's own templates, a mirror of its deliverable: inside an installed package, or in the repository.

    Raises:
        ConfigError: there is no such profile.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "_templates" / profile, package.parents[1] / "templates" / profile):
        if folder.is_dir():
            return folder
    raise ConfigError(f"profile '{profile}' has no templates", where=str(package), fix="reinstall npu-deliver")


def templates_folders(layout: Layout) -> tuple[Path, ...]:
    """Where the templates of a layout are looked for: in its own folder, if it has one, then in the first layout's.

    Raises:
        ConfigError: the templates are not installed.
    """
    shared = templates_folder(NPU_DELIVERABLES.name)
    own = shared.with_name(layout.name)
    return tuple(dict.fromkeys((own, shared))) if own.is_dir() else (shared,)


def templates(layout: Layout) -> dict[str, Path]:
    """Path in a deliverable → its template: those of the first layout at their place in this one, its own over them.

    Raises:
        ConfigError: the templates are not installed.
    """
    *own, shared = templates_folders(layout)
    found = {layout.at(name): path for name, path in _files(shared).items()}
    for folder in own:
        found |= _files(folder)
    return dict(sorted(found.items()))


def pages(layout: Layout) -> tuple[str, ...]:
    """The pages of a deliverable by their path, the report first."""
    found = {match[1] + match[2]: None for name in templates(layout) if (match := _PAGE.fullmatch(name))}
    return tuple(sorted(found, key=lambda page: (page != layout.at(REPORT), page)))


def _files(folder: Path) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def layout_of(folder: Path) -> Layout:
    """The layout of a folder, as its spec.json names it; the first one where nothing can be read there."""
    path = folder / "spec.json"
    if not path.is_file():  # a pipe is not waited for
        return NPU_DELIVERABLES
    try:
        return LAYOUTS[loads(read_text(path, MAX_DOCUMENT_BYTES), "spec.json")["profile"]]
    except (OSError, ValueError, LookupError, TypeError, RecordError):
        return NPU_DELIVERABLES
