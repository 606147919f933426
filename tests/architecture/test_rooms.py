"""The rooms are as docs/explanation/architecture.md draws them, none is a hall, and the experiments are listed once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from npu_deliver.experiments.registry import KINDS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PAGE = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
MOST_MODULES = 25
PLACES = [
    ROOT,
    SOURCE,
    *(SOURCE / half / "experiments" / name for half in ("npu_eval", "npu_deliver") for name in KINDS),
]
OF_OTHERS = {"npu_eval/asked/metrics.py"}  # says which experiment measures each metric


def test_every_path_of_the_page_exists() -> None:
    named = {name for name in re.findall(r"`([\w./]+)`", PAGE) if ("/" in name or name.endswith(".py"))}
    named = {name for name in named if "echo" not in name}
    assert len(named) > 20
    assert [name for name in sorted(named) if not any((place / name).exists() for place in PLACES)] == []


@pytest.mark.parametrize("package", ["npu_eval", "npu_deliver"])
def test_the_map_has_every_room(package: str) -> None:
    rooms = {path.name for path in (SOURCE / package).iterdir() if (path / "__init__.py").is_file()} - {"fonts"}
    assert [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", PAGE)] == []


def test_no_folder_is_a_hall() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    crowded = {folder.relative_to(SOURCE).as_posix(): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: count for name, count in crowded.items() if count > MOST_MODULES} == {}


def test_every_room_says_what_it_is() -> None:
    doors = sorted((SOURCE).rglob("__init__.py"))
    silent = [door for door in doors if not ast.get_docstring(ast.parse(door.read_text(encoding="utf-8")))]
    assert silent == []


def test_the_experiments_are_listed_in_the_registry_alone() -> None:
    """No other module names most of them: whoever adds one has one list to find."""
    elsewhere = {}
    for path in sorted(SOURCE.rglob("*.py")):
        constants = (
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)
        )
        named = {node.value for node in constants if isinstance(node.value, str)} & KINDS.keys()
        if len(named) > len(KINDS) // 2:
            elsewhere[path.relative_to(SOURCE).as_posix()] = named
    assert elsewhere.keys() - OF_OTHERS == {
        "npu_deliver/review/plausibility/agreement.py"
    }  # what they say of each other


@pytest.mark.parametrize("name", KINDS)
def test_an_experiment_is_one_folder_on_each_side(name: str) -> None:
    travels, stays = SOURCE / "npu_eval/experiments" / name, SOURCE / "npu_deliver/experiments" / name
    assert {"kind.py", "data.py", "run.py", "log.py"} <= {path.name for path in travels.iterdir()}
    assert {"part.py", "summary.py"} <= {path.name for path in stays.iterdir()}
    assert (ROOT / "templates/npu_deliverables" / KINDS[name].script[0]).is_file()
