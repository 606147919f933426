"""A deliverable's scripts import their own packages from sources, and all else from the Python that runs them."""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import npu_eval
from npu_eval import isolation
from npu_eval.session import script as session

REPOSITORY = Path(__file__).parents[3]
SCRIPTS = sorted((REPOSITORY / "templates/npu_deliverables").rglob("*.py"))
MARK = "import os\nopen({mark!r}, 'a').write(__file__ + chr(10))\n"
SHADOWED = ("json", "pathlib", "torch", "numpy", "argparse", "runpy", "pkgutil", "sitecustomize", "usercustomize",
            "types", "importlib", "npu_models", "PIL", "typing", "contextlib", "__init__")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The scripts and our package; what the test puts in the way is not there yet."""
    root = tmp_path / "npu_deliverables"
    shutil.copytree(REPOSITORY / "templates/npu_deliverables", root, ignore=shutil.ignore_patterns("*.j2"))
    shutil.copytree(Path(npu_eval.__file__).parent, root / "npu_eval", ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


def hostile(folder: Path, mark: Path) -> None:
    """Modules in the way wherever an import may look, and compiled copies of our own that hide their source."""
    code = MARK.format(mark=str(mark))
    for place in (folder, folder / "evaluation"):
        for name in SHADOWED:
            (place / f"{name}.py").write_text(code, encoding="utf-8")
    source = folder.parent / "evil.py"
    source.write_text(code, encoding="utf-8")
    cache = folder / "npu_eval/__pycache__"
    cache.mkdir(exist_ok=True)
    for module in (
        "__init__",
        "isolation",
        "session",
        "errors",
        "jsonio",
        "precision",
        "inference",
        "worker",
        "serving",
    ):
        for target in (cache / f"{module}.{sys.implementation.cache_tag}.pyc", folder / f"npu_eval/{module}.pyc"):
            py_compile.compile(
                str(source), str(target), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
            )
        (folder / f"npu_eval/{module}.cpython-311-x86_64-linux-gnu.so").write_bytes(b"no library")
        (folder / f"npu_eval/{module}.abi3.so").write_bytes(b"no library")


def started(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=clean | variables, capture_output=True, text=True, timeout=300,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("flags", [(), ("-P", "-B")], ids=["by hand", "as the engines start it"])
@pytest.mark.parametrize("script", ["evaluation/eval_precision.py", "inference.py"])
def test_nothing_in_the_folder_shadows_what_a_script_imports(
    folder: Path, mark: Path, script: str, flags: tuple[str, ...]
) -> None:
    hostile(folder, mark)
    done = started(*flags, script, "--help", cwd=folder, PYTHONPATH=os.pathsep.join([str(folder), ".", ""]))
    if mark.exists():  # the interpreter itself looks for these two on PYTHONPATH before any script runs
        assert {Path(line).stem for line in mark.read_text().splitlines()} <= {"sitecustomize", "usercustomize"}
    assert done.returncode == 0, done.stderr
    assert "--device" in done.stdout
    mark.unlink(missing_ok=True)
    done = started(*flags, str(folder / script), "--help", cwd=folder / "evaluation")
    assert (done.returncode, mark.exists()) == (0, False), done.stderr


@pytest.mark.parametrize("module", ["npu_eval.serving.__main__", "npu_eval.registration"])
def test_a_module_that_is_run_is_isolated_too(folder: Path, mark: Path, module: str) -> None:
    hostile(folder, mark)
    script = f"import sys; sys.argv[0] = {module!r}; from {module} import main; print(main.__module__)"
    (folder / "npu_eval/question.py").write_text(script, encoding="utf-8")
    done = started("-P", "-B", "npu_eval/isolation.py", "npu_eval.question", cwd=folder)
    assert (done.returncode, mark.exists()) == (0, False), done.stderr
    assert done.stdout.split() == [module]


def test_the_one_file_verifier_imports_nothing_that_lies_beside_it(folder: Path, mark: Path) -> None:
    hostile(folder, mark)
    done = started("verify_deliverable.py", cwd=folder)
    assert (done.returncode, mark.exists()) == (8, False), done.stderr


def test_a_script_says_what_to_do_with_what_was_compiled(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("npu_eval.records.codehash.__file__", str(folder / "npu_eval/records/codehash.py"))
    session.check_code(folder)
    assert capsys.readouterr().err == ""
    (folder / "npu_eval/__pycache__").mkdir()
    session.check_code(folder)
    assert capsys.readouterr().err.endswith("verify names them: delete them\n")


def test_a_script_leaves_nothing_compiled(folder: Path) -> None:
    assert started("inference.py", "--help", cwd=folder).returncode == 0
    assert not list(folder.rglob("__pycache__"))


def test_what_pythonpath_names_is_found_and_shadows_nothing(folder: Path, tmp_path: Path) -> None:
    """As CANN's set_env.sh leaves it: packages that are nowhere else."""
    place = tmp_path / "cann"
    place.mkdir()
    (place / "te.py").write_text("", encoding="utf-8")
    (place / "json.py").write_text("raise SystemExit('shadowed')", encoding="utf-8")
    (folder / "npu_eval/question.py").write_text("import json, te; print(te.__file__)", encoding="utf-8")
    done = started("-P", "npu_eval/isolation.py", "npu_eval.question", cwd=folder, PYTHONPATH=str(place))
    assert done.stdout.strip() == str(place / "te.py"), done.stderr


@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if path.name != "verify_deliverable.py"], ids=lambda p: p.name
)
def test_each_script_imports_nothing_before_it_is_isolated(script: Path) -> None:
    before = script.read_text(encoding="utf-8").partition('RULES["enter"](ROOT)')[0]
    assert [line for line in before.splitlines() if line.startswith(("import", "from"))] == ["import os", "import sys"]


PLACES = ["", ".", "relative", "/cann/python", "/d", "/d/evaluation", "/dx", "/other"]


@given(st.lists(st.sampled_from(PLACES)), st.lists(st.sampled_from(["/venv/site-packages", "/d/.venv/site-packages"])))
def test_installed_packages_come_first_and_nothing_else_is_lost(before: list[str], after: list[str]) -> None:
    library = str(Path(os.__file__).parent)
    found = isolation.in_order([*before, library, *after], "/d")
    kept = [place for place in before if place in ("/cann/python", "/dx", "/other")]
    assert found == [library, *after, *kept]
