"""The second process: it finds painted pictures, sees nothing of the user, and has an end."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from deliverables import reseal
from npu_deliver.report.figures import FOLDER
from npu_deliver.review import verify
from npu_deliver.review.second_look import asking as second_look
from npu_eval.process.secret_variables import is_secret

pytestmark = pytest.mark.second_process


def repaint(path) -> None:
    """What a forger does: other pixels under the same texts."""
    with Image.open(path) as image:
        texts, picture = dict(image.text), image.copy()
    ImageDraw.Draw(picture).rectangle((200, 200, 260, 220), fill=(0, 158, 115))
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    picture.save(path, pnginfo=info)


def test_a_folder_as_it_was_made_holds_and_a_painted_picture_does_not(folder):
    assert verify.verify(folder).holds
    names = [f"{FOLDER}/precision_chart.png", f"{FOLDER}/performance_report.png"]
    for name in names:
        repaint(folder / name)
    reseal(folder)
    found = {finding.file: finding.what for finding in verify.verify(folder).findings}
    assert set(found) == set(names)
    assert all("something else" in what for what in found.values())


def test_a_picture_that_is_gone_or_drawn_with_other_libraries_is_told(folder):
    (folder / f"{FOLDER}/batch_chart.png").unlink()
    for path in (folder / FOLDER).glob("*.png"):
        with Image.open(path) as image:
            texts, picture = dict(image.text), image.copy()
        texts["Drawn-With"] = "matplotlib 3.9.0 (FreeType 2.6.1), Pillow 10.4.0 (FreeType 2.13.2), aarch64"
        if path.name == "precision_chart.png":
            picture.putpixel((0, 0), (1, 2, 3, 255))
        info = PngInfo()
        for key, value in texts.items():
            info.add_text(key, value)
        picture.save(path, pnginfo=info)
    reseal(folder)
    report = verify.verify(folder)
    assert f"{FOLDER}/batch_chart.png" in {finding.file for finding in report.findings}
    compared = {place.file for place in report.uncompared}
    said = {finding.file for finding in report.findings}
    assert f"{FOLDER}/precision_chart.png" in compared | said


def test_it_is_started_isolated_and_told_no_secret(folder, tmp_path, monkeypatch):
    trap = tmp_path / "trap"
    (trap / "npu_deliver").mkdir(parents=True)
    for name in ("sitecustomize.py", "npu_deliver/__init__.py", "json.py"):
        (trap / name).write_text("raise SystemExit('executed')\n", encoding="utf-8")
    for name in ("matplotlibrc", "npu_eval.py", "jinja2.py"):
        shutil.copy(trap / "json.py", folder / name)
    monkeypatch.setenv("PYTHONPATH", str(trap))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.chdir(folder)
    started = []
    plain = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append((a, k)) or plain(*a, **k))
    with second_look.start(folder) as look, pytest.raises(second_look.Unanswered):
        look.ask({"summary": {}, "pages": {}})
    (((command,), options),) = started
    assert command[1:3] == ["-I", "-B"]
    assert not [name for name in options["env"] if is_secret(name)]
    paths = json.loads(command[5])
    assert str(trap) not in options["env"].values()
    assert not [path for path in paths if os.path.realpath(path).startswith(str(folder.resolve()))]


def test_what_else_is_printed_in_it_is_no_answer(folder, monkeypatch):
    noisy = f"import atexit; print('[pth] on'); atexit.register(print, '[pth] off'); {second_look._BOOT}"
    monkeypatch.setattr(second_look, "_BOOT", noisy)
    assert verify.verify(folder).holds


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [
        ("CPU_S", 0, "computing"),
        ("MEMORY_BYTES", 2**26, ""),
        ("_BOOT", "import time; time.sleep(60)", "than 0.5 s"),
    ],
)
def test_a_limit_ends_it_with_one_line(folder, monkeypatch, limit, value, told):
    monkeypatch.setattr(second_look, limit, value)
    if limit == "_BOOT":
        monkeypatch.setattr(second_look, "WALL_S", 0.5)
    report = verify.verify(folder)
    assert not report.findings
    (place,) = report.other.unchecked
    assert "could be made again" in place.what
    assert told in place.what
    assert "\n" not in place.what


@pytest.mark.parametrize("question", [{}, {"cut off": "x" * 2**20}])
def test_nothing_is_left_running_or_open(folder, monkeypatch, question):
    monkeypatch.setattr(second_look, "_BOOT", "import time; time.sleep(60)")
    monkeypatch.setattr(second_look, "WALL_S", 0.5)
    with second_look.start(folder) as look:
        process = look._process
        assert process.poll() is None
        if question:
            with pytest.raises(second_look.Unanswered):
                look.ask(question)
    assert process.returncode is not None
    assert all(pipe.closed for pipe in (process.stdin, process.stdout, process.stderr))
    assert sys.executable in process.args
