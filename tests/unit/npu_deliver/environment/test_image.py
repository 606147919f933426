"""An environment has an identity that changes with what is in it."""

import json
import sys
from pathlib import Path

import pytest

from npu_deliver.environment.image import MARK, local_image, replayed_image
from npu_deliver.errors import EngineError, RecordError
from npu_deliver.experiments.registry import read_record


@pytest.fixture
def interpreter(tmp_path):
    """A program that answers the probe as an interpreter would, with what is installed in it."""

    def write(text: str | None = None, code: int = 0, **packages: str) -> Path:
        facts = {"python": "3.11.7", "machine": "aarch64", "packages": packages, "nodes": []}
        said = f"a .pth file says {{}}\n{MARK}{json.dumps(facts)}\n{{}}\n"
        script = tmp_path / "python"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.stdout.write({text if text is not None else repr(said)})\n"
            f"sys.exit({code})\n", encoding="utf-8"
        )  # fmt: skip
        script.chmod(0o755)
        return script

    return write


def test_the_identity_covers_every_package(interpreter):
    first = local_image(interpreter(torch="2.7.1", numpy="2.2.6"))
    assert first.kind == "local"
    assert first.digest.startswith("local:sha256:")
    assert first.packages == {"torch": "2.7.1", "numpy": "2.2.6"}
    assert local_image(interpreter(numpy="2.2.6", torch="2.7.1")).digest == first.digest
    assert local_image(interpreter(torch="2.7.1", numpy="2.2.7")).digest != first.digest
    assert local_image(interpreter(torch="2.7.1", numpy="2.2.6", pillow="1")).digest != first.digest


def test_without_torch_nothing_can_run(interpreter):
    with pytest.raises(EngineError, match="torch is not installed there; run `make setup`") as told:
        local_image(interpreter(numpy="2.2.6"))
    assert told.value.exit_code == 3


@pytest.mark.parametrize(("text", "code"), [("", 0), ("no json", 0), ("", 1)])
def test_what_is_no_interpreter_is_told(interpreter, text, code):
    with pytest.raises(EngineError, match="the interpreter does not run"):
        local_image(interpreter(repr(text), code))


def test_a_library_that_is_hidden_on_the_way_to_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("mine = 1\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"'import json' finds .*/json\.py, which hides the library") as told:
        local_image(Path(sys.executable))
    assert "Traceback" not in str(told.value)


def test_what_a_sitecustomize_prints_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('hello {}'); print('[1]')\n", encoding="utf-8")
    quiet = local_image(Path(sys.executable))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert local_image(Path(sys.executable)) == quiet


def test_an_absent_interpreter_is_told(tmp_path):
    with pytest.raises(EngineError, match="name another with --python"):
        local_image(tmp_path / "no-python")


def test_the_probe_finds_what_this_interpreter_has():
    """Run for real: this interpreter, whose packages the test run itself needs."""
    packages = local_image(Path(sys.executable)).packages
    assert {"torch", "pytest", "pydantic"} <= set(packages)
    assert all(name == name.lower() and "-" not in name for name in packages)


def test_a_replayed_environment_is_that_of_the_records(original, tmp_path):
    image = replayed_image(original.output, read_record)
    assert image.kind == "replay"
    assert image.digest.startswith("sha256:1a9e")
    assert image.packages["torch"] == "2.7.1"
    with pytest.raises(RecordError, match="cannot be read"):
        replayed_image(tmp_path, read_record)
