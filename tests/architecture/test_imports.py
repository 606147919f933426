"""Who may import whom: the contracts of pyproject.toml, and the import budget of the quick commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def _imports(path: Path) -> set[str]:
    """Top-level names of everything a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _modules(package: str) -> dict[str, Path]:
    """Every module of a package by its path below it: names alone come more than once."""
    return {path.relative_to(SOURCE / package).as_posix(): path for path in (SOURCE / package).rglob("*.py")}


def test_networks_import_only_torch_and_torchvision() -> None:
    allowed = {"torch", "torchvision", "npu_models", *sys.stdlib_module_names}
    foreign = {name: _imports(path) - allowed for name, path in _modules("npu_models").items()}
    assert not {name: names for name, names in foreign.items() if names}


def test_what_travels_imports_only_what_a_submission_has() -> None:
    allowed = {"torch", "torchvision", "timm", "PIL", "numpy", "safetensors", "torch_npu", "npu_eval", "npu_models"}
    allowed |= set(sys.stdlib_module_names)
    foreign = {name: _imports(path) - allowed for name, path in _modules("npu_eval").items()}
    assert {name: names for name, names in foreign.items() if names} == {
        "experiments/dataset/mask_codes.py": {"pycocotools"},  # a requirement of deliverables with a data set alone
        "models/adapters/transformers_models.py": {"transformers"},  # a requirement of its models alone
        "sam3/image_network.py": {"transformers"},  # of SAM 3, with which they travel
        "sam3/direct.py": {"transformers"},
        "sam3/kernels.py": {"transformers"},
        "sam3/video_network.py": {"transformers"},
        "serving/http_server.py": {"uvicorn", "h11"},  # a requirement of deliverables that serve alone
    }


@pytest.mark.parametrize("package", ["npu_eval", "npu_deliver", "npu_models"])
def test_modules_are_short_enough_to_read(package: str) -> None:
    limit = 600 if package == "npu_models" else 400
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in _modules(package).items()}
    assert lengths
    assert not {name: length for name, length in lengths.items() if length > limit}


HEAVY = ("torch", "numpy", "docker", "matplotlib", "jinja2", "yaml", "PIL", "pandas")  # typer loads pydantic itself


@pytest.mark.parametrize(
    "arguments", [["--help"], ["verify", "--help"], ["verify", "nowhere"], ["lint", "README.md"], ["lint", "--list"]]
)
def test_quick_commands_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['npu-deliver', *{arguments!r}]\n"
        "try:\n    from npu_deliver.cli import main; main()\n"
        "except SystemExit:\n    pass\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"
