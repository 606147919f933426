"""A folder that is no deliverable is told as such, with the ones below it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from npu_deliver import cli
from npu_deliver.commands.deliverable_folder import deliverable_folder
from npu_deliver.errors import ConfigError


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as told:
        deliverable_folder(folder)
    assert told.value.exit_code == 2
    assert len(str(told.value).splitlines()) == 1
    return str(told.value)


def test_what_is_no_deliverable_is_told_with_the_ones_below_it(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("x")
    assert "is a file" in refusal(tmp_path / "a.txt")
    assert "name the folder that holds MANIFEST.json" in refusal(tmp_path)
    made = tmp_path / "models/tiny/npu_deliverables"
    made.mkdir(parents=True)
    (made / "MANIFEST.json").write_text("{}")
    assert f"there is {made}" in refusal(tmp_path)
    assert deliverable_folder(made) == made
    (made / "evaluation/records").mkdir(parents=True)
    assert f"it is a part of {made}" in refusal(made / "evaluation/records")


@pytest.mark.parametrize("name", ["MANIFEST.json", "spec.json", "summary.json", "logs/summary.json"])
def test_one_file_of_a_deliverable_is_enough_to_be_checked_as_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    assert deliverable_folder(tmp_path) == tmp_path


COMMANDS = (
    ["verify"],
    ["audit"],
    ["rerun"],
    ["judge", "--criteria", "cann-hf32"],
    ["compare", "."],
    ["compare", "made"],
)
NO_DELIVERABLE = ("nowhere", "file", "empty", "dangling", "above", "inside")
WRONG = [(command, what) for command in COMMANDS for what in NO_DELIVERABLE]
WRONG += [(["lint"], what) for what in ("nowhere", "empty", "dangling")]  # the others may be a report, or hold some


@pytest.mark.parametrize(
    ("command", "what"), WRONG, ids=lambda words: words if isinstance(words, str) else " ".join(words)
)
def test_every_command_says_what_it_expected_and_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], what: str
) -> None:
    """Of one line, with exit code 2; a checkout of reports, or a part of one, is what `lint` is for."""
    (tmp_path / "made/evaluation").mkdir(parents=True)
    (tmp_path / "made/MANIFEST.json").write_text("{}")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    named = {"above": ".", "inside": "made/evaluation"}.get(what, what)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["npu-deliver", *command, named])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    assert (end.value.code, out, len(err.splitlines())) == (2, "", 1)
    if what == "above" or command[-1] == ".":
        assert "there is made" in err
    elif what == "inside":
        assert f"it is a part of {tmp_path / 'made'}" in err
    else:
        assert any(words in err for words in ("there is no", "is a file", "is no deliverable"))


@pytest.mark.parametrize("module", ["npu_deliver", "npu_deliver.cli"])
@pytest.mark.parametrize("command", ["verify", "audit"])
def test_the_module_answers_like_the_command(tmp_path: Path, module: str, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, command, str(tmp_path / "nowhere")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("there is no such folder; name the folder of a deliverable\n")
