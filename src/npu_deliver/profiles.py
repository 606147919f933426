"""Where a profile lives: its templates are a mirror of a deliverable."""

from __future__ import annotations

from pathlib import Path

from npu_deliver.errors import ConfigError

PLATFORM_SUPPLIES = ("torch_npu", "cann", "python")
"""What the platform brings with its image; naming it in requirements.txt breaks the platform's own test."""

SERVER = "deploy.sh"
"""Starts the HTTP server of a deliverable, where the platform's test of availability looks for it."""


def templates_folder(profile: str) -> Path:
    """The mirror of a deliverable: inside an installed package, or at the top of the repository.

    Raises:
        ConfigError: there is no such profile.
    """
    package = Path(__file__).parent
    for folder in (package / "_templates" / profile, package.parents[1] / "templates" / profile):
        if folder.is_dir():
            return folder
    raise ConfigError(f"profile '{profile}' has no templates", where=str(package), fix="reinstall npu-deliver")
