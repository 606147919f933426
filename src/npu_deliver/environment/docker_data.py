"""The Dockerfile and its data: where they lie, in an installed package and in the repository."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from npu_deliver.errors import ConfigError


def docker_folder() -> Path:
    """The Dockerfile and its data: inside an installed package, or at the top of the repository.

    Raises:
        ConfigError: there is no such folder.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "_docker", package.parents[1] / "docker"):
        if (folder / "images.toml").is_file():
            return folder
    raise ConfigError("the Dockerfile is missing", where=str(package), fix="reinstall npu-deliver")


@functools.cache
def table(name: str) -> dict[str, Any]:
    """What a TOML file of the folder holds.

    Raises:
        ConfigError: there is no such folder.
    """
    return tomllib.loads((docker_folder() / name).read_text(encoding="utf-8"))
