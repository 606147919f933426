"""What lies in a folder and in no deliverable is named by whoever reads the folder, sealed or not, and never opened."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deliverables
from hostile import leave_socket
from npu_deliver import cli
from npu_deliver.errors import ConfigError, DeliverError, RecordError, VerifyError
from npu_deliver.review import audit, comparing, intake, lasting, rejudging, verify
from npu_deliver.seal import manifest, strays
from npu_deliver.staging import stage

COMPILED = ["npu_eval/__pycache__/stats.cpython-311.pyc", "npu_eval/stats.cpython-311-x86_64-linux-gnu.so",
            "npu_eval/stats.abi3.so", "evaluation/eval_precision.pyc", "npu_eval.so", "evil.pth", "site.egg-link",
            "packages.zip", "libstats.so.1"]  # fmt: skip
HIDDEN = [".git/config", ".env", "evaluation/.hidden/x.json", "npu_eval/.x.py"]
IN_THE_WAY = ["json.py", "torch.py", "sitecustomize.py", "usercustomize.py", "numpy/__init__.py", "torch/nn.py",
              "evaluation/json.py", "evaluation/pathlib.py", "model/evil.py", "runpy.pyw"]  # fmt: skip


def add(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"raise SystemExit('ran')\n")


def told(folder: Path) -> list[str]:
    return [finding.file for finding in verify.verify(folder).findings]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("name", [*COMPILED, *HIDDEN, *IN_THE_WAY])
def test_each_kind_is_named_although_it_is_sealed(folder, name, sealed):
    add(folder, name)
    if sealed:
        deliverables.reseal(folder)
        assert name in manifest.read(folder).files
    place = next(file for file in told(folder) if name.startswith(file))
    with pytest.raises(VerifyError) as refused:
        intake.inspect(folder)
    assert refused.value.where == place or not sealed
    assert "\n" not in str(refused.value)
    assert any(name.startswith(file) for file, _ in lasting.check(folder)[0])
    with pytest.raises(RecordError, match="contradicts itself"):
        comparing.compare(folder, folder)


def test_a_sealed_file_that_no_deliverable_has_is_named(folder):
    add(folder, "notes.txt")
    deliverables.reseal(folder)
    assert told(folder) == ["notes.txt"]
    assert [finding.file for finding in audit.audit(folder).findings] == ["notes.txt"]


def test_a_folder_of_which_the_manifest_knows_nothing_is_one_line(folder):
    for number in range(300):
        add(folder, f"notes/deep/{number}.txt")
    add(folder, "evaluation/extra.log")
    assert [str(finding) for finding in verify.verify(folder).findings] == [
        "evaluation/extra.log: is not in the manifest",
        "notes: holds 300 files that are not in the manifest",
    ]


def special(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        leave_socket(path)
    else:
        path.symlink_to({"link": "/etc/passwd", "circle": path.name, "zero": "/dev/zero", "folder": "/etc"}[kind])


@pytest.mark.parametrize("kind", ["pipe", "socket", "link", "circle", "zero", "folder"])
@pytest.mark.parametrize(
    "name", ["spec.json", "MANIFEST.json", "summary.json", "statement.intoto.json", "statement.dsse.json", "readme.md",
             "evaluation/ledger.jsonl", "evaluation/records/precision.json", "inputs/extra.jpg", "npu_eval/x.py"],
)  # fmt: skip
def test_nothing_is_read_beside_a_link_or_a_pipe(folder, kind, name, monkeypatch):
    special(kind, folder / name)
    opened = []
    plain = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *rest, **more: opened.append(path) or plain(path, *rest, **more))
    assert told(folder) == [name]
    assert told(folder) == [finding.file for finding in audit.audit(folder).findings]
    assert lasting.check(folder)[0][0][0] == name
    for read in (lambda: intake.inspect(folder), lambda: rejudging.rejudge(folder, "contest-1pct"),
                 lambda: comparing.compare(folder, folder), lambda: stage.refuse_foreign(folder, "tiny")):  # fmt: skip
        with pytest.raises(DeliverError) as refused:
            read()
        assert refused.value.exit_code in (2, 8, 9)
        assert "\n" not in str(refused.value)
    assert not [path for path in opened if folder in path.parents]


@pytest.mark.parametrize("command", ["verify", "audit", "judge"])
@pytest.mark.parametrize("name", ["spec.json", "MANIFEST.json", "evaluation/records/precision.json"])
def test_no_command_waits_for_a_pipe(folder, command, name):
    special("pipe", folder / name)
    done = subprocess.run(
        [sys.executable, "-m", "npu_deliver", command, str(folder)], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2, 8, 9)
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_our_own_is_not_replaced_with_somebodys_link_in_it(folder):
    (folder / "notes").symlink_to("/etc")
    with pytest.raises(ConfigError, match="holds 'notes', which is a link; a deliverable holds plain files"):
        stage.refuse_foreign(folder, "tiny")
    (folder / "notes").unlink()
    add(folder, "npu_eval/__pycache__/x.cpython-311.pyc")  # nobody's work
    stage.refuse_foreign(folder, "tiny")


def test_what_the_steps_compiled_is_not_sealed(tmp_path):
    deliverables.write_model(tmp_path)

    def compile_something(step, folder, tell):
        add(folder, "npu_eval/__pycache__/x.cpython-311.pyc")
        return deliverables.leave_record(step, folder, tell)

    job = deliverables.job_of(tmp_path)
    deliverables.make(job, deliverables.FakeEngine(instead={"precision": compile_something}))
    assert verify.verify(job.output).holds
    assert not list(job.output.rglob("__pycache__"))


def test_the_report_is_made_anew_beside_what_a_user_left_compiled(original, tmp_path, monkeypatch):
    root = Path(shutil.copytree(original.folder.parent, tmp_path / "models"))
    output = root / "tiny/npu_deliverables"
    add(output, "npu_eval/__pycache__/x.cpython-311.pyc")
    monkeypatch.setattr("sys.argv", ["npu-deliver", "report", "tiny", "--root", str(root)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code in (None, 0)
    assert verify.verify(output).holds


NAMES = st.lists(st.sampled_from(["a", "b", "__pycache__", ".c", "d.py", "e.pyc", "f.so"]), min_size=1, max_size=4)


@given(st.lists(NAMES.map("/".join), max_size=6), st.lists(NAMES.map("/".join), max_size=3))
def test_every_name_is_known_unfit_or_foreign(names, known):
    places = {place for place, _ in strays.foreign(names, known)}
    for name in names:
        covered = name in known or any(name == place or name.startswith(f"{place}/") for place in places)
        assert covered
        unfit = strays.unfit(name)
        bad = [part for part in name.split("/") if part == "__pycache__" or part.startswith(".")]
        assert (unfit is not None) == (bool(bad) or name.endswith((".pyc", ".so")))
