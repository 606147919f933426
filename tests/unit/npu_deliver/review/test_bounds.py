"""Whatever size and shape a stranger's folder has: each command ends, in little memory, with a line and its code."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import deliverables
import hostile
import reading_hostile
import samples
from npu_deliver.errors import RecordError, VerifyError
from npu_deliver.review import bounds
from npu_deliver.spec import spec
from npu_eval import jsonio, limits
from npu_eval.asked.layout import LAYOUTS
from npu_eval.experiments.optimisation import search
from npu_eval.experiments.performance import latency, throughput
from npu_eval.experiments.performance import run as performance
from npu_eval.experiments.performance.data import FreshProcess, PerformanceData, ThroughputRun
from npu_eval.jsonio import dumps
from npu_eval.process.visible import unescaped

ROOT = Path(__file__).resolve().parents[4]


def _read(group: str, folder: Path, work: Path) -> list[dict[str, object]]:
    work.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests"))),
                   "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "REPORT_LANG": "en"}  # fmt: skip
    command = [sys.executable, reading_hostile.__file__, str(folder), str(work), group]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr[-3000:])
    return [line for line in lines if line["code"] is not None]


@pytest.fixture(scope="module")
def told(original_on_cpu, tmp_path_factory):
    work = tmp_path_factory.mktemp("hostile")
    return {group: _read(group, original_on_cpu.output, work / group) for group in reading_hostile.GROUPS}


def test_what_is_beyond_a_limit_is_refused_with_the_limit_before_it_is_read(told):
    assert {line["kind"] for line in told["beyond"]} == set(hostile.BEYOND)
    for line in told["beyond"]:
        assert line["code"] == 8 or line["kind"] == "a link to the kernel's memory", line
        assert "Traceback" not in str(line["said"])


def test_what_is_within_the_limits_of_size_neither_hangs_nor_breaks_anything(told):
    assert {line["kind"] for line in told["inside"]} == set(hostile.INSIDE)
    for line in told["inside"]:
        assert line["code"] in (0, 1, 2, 8, 9, 10), line
        assert "Traceback" not in str(line["said"])


def test_a_whole_deliverable_is_within_the_limits(folder):
    assert limits.look(folder) == []
    bounds.require(folder)


def test_the_longest_record_that_a_run_of_ours_writes_is_read():
    """Calls so quick that every cap is reached, on an accelerator with events, in the most batch sizes of a spec."""
    most = next(m.max_length for m in spec.Timing.model_fields["batch_sizes"].metadata if hasattr(m, "max_length"))
    chance = random.Random(0)

    def times(count):
        return tuple(chance.uniform(1e-4, 1e-3) for _ in range(count))

    calls = times(latency.MAX_SAMPLES)
    run = replace(samples.latency_run(1), warmup_s=calls, samples_s=calls, enqueue_s=calls, device_s=calls)
    windows = ThroughputRun(batch_size=1, calls=throughput.MAX_CALLS, windows_s=times(2000), ended_by="protocol")
    fresh = FreshProcess(batch_size=1, start_s=9.0, first_call_s=1.0, samples_s=times(throughput.MAX_CALLS),
                         calls=throughput.MAX_CALLS, windows_s=times(3))  # fmt: skip
    data = PerformanceData(clock="", timed="", runs=(run,), throughput=(windows,),
                           processes=(fresh,) * performance.PROCESSES["publish"])  # fmt: skip
    text = dumps(data)
    deeper = 2 * text.count("\n")  # in its record
    assert most * (len(text) + deeper) < limits.MAX_RECORD_BYTES
    assert most * text.count(",") < limits.MAX_VALUES


def test_a_search_for_speed_stays_within_the_size_of_a_record():
    pair = 20 * 4  # bursts: `search.PAIR_S` has room for no more rounds
    after = 40 * search.MAX_PAIRS * pair * search.FEW_CALLS  # of forty trials
    times = search.MANY_TIMES + pair * search.MOST_CALLS + after
    assert times < limits.MAX_VALUES
    assert 42 * times < limits.MAX_RECORD_BYTES


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_a_record_is_one_in_every_layout(layout):
    for kind in ("precision", "performance", "dataset"):
        assert limits.kind_of(layout.record(kind)).each == limits.MAX_RECORD_BYTES


def test_the_first_places_are_named_and_no_more_than_a_few(folder):
    for number in range(50):
        with (folder / f"{number}.md").open("wb") as stream:
            stream.truncate(limits.MAX_PAGE_BYTES + 1)
    assert len(limits.look(folder)) == limits.SHOWN
    with pytest.raises(VerifyError, match=r"1\.0 MiB is the most for a page \(and 19 more\)"):
        bounds.require(folder)


@pytest.mark.parametrize("answer", [OSError(errno.EINVAL, "no such whence"), AttributeError("SEEK_DATA")])
def test_a_file_system_that_knows_no_holes_accuses_no_file(tmp_path, monkeypatch, answer):
    def lseek(*_):
        raise answer

    (tmp_path / "a.bin").write_bytes(b"x" * 2 * limits.MIB)
    monkeypatch.setattr(os, "lseek", lseek)
    assert limits.look(tmp_path) == []


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../x", "a//b", "./a", "a\0b", "out/passwd"])
def test_a_name_that_means_no_file_of_the_folder_is_none(name, tmp_path):
    (tmp_path / "out").symlink_to("/etc")
    assert limits.inside(tmp_path, name) is None


def test_a_name_of_the_folder_means_its_file(tmp_path):
    assert limits.inside(tmp_path, "a/b c.txt") == tmp_path / "a/b c.txt"


def test_a_pipe_is_not_waited_for_and_a_link_not_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/hostname")
    for name, what in (("pipe", "no plain file"), ("link", "is a link"), (".", "is a folder")):
        with pytest.raises(limits.UnreadableError, match=what):
            limits.read_bytes(tmp_path / name, 100)
    with pytest.raises(limits.UnreadableError, match="no plain file"):
        jsonio.file_sha256(tmp_path / "pipe")


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"a\r\nb\rc")
    assert limits.read_text(tmp_path / "a", 6) == "a\nb\nc"
    with pytest.raises(limits.UnreadableError, match="has 6 bytes; 5 bytes is the most"):
        limits.read_text(tmp_path / "a", 5)


def test_a_file_that_grows_while_it_is_read_is_not_followed_for_ever(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"12345")
    plain = limits.open_plain
    monkeypatch.setattr(limits, "open_plain", lambda path, **how: (plain(path, **how)[0], 3))
    monkeypatch.setattr(jsonio, "open_plain", lambda path, **how: (plain(path, **how)[0], 3))
    with pytest.raises(limits.UnreadableError, match="grows"):
        limits.read_bytes(tmp_path / "a", 100)
    with pytest.raises(limits.UnreadableError, match="grows"):
        jsonio.file_sha256(tmp_path / "a")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 65 + "]" * 65, "more than 64 in each other"),
        ("[" * 10**5, "more than 64 in each other"),
        ("[" + "0," * limits.MAX_VALUES + "0]", f"{limits.MAX_VALUES} is the most"),
        ("9" * 5000, "a number of thousands of digits"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' appears twice"),
        ("[NaN]", "NaN is not JSON"),
    ],
)
def test_json_beyond_the_limits_is_no_json(text, what):
    with pytest.raises(RecordError, match=what):
        jsonio.loads(text, "x.json")


def test_json_within_the_limits_is_read():
    assert jsonio.loads("[" * 64 + "]" * 64, "x.json")
    assert jsonio.loads('{"a": [1, 2], "b": {}}', "x.json") == {"a": [1, 2], "b": {}}


def test_a_reference_to_a_number_of_thousands_of_digits_is_no_character():
    assert unescaped(f"a&#{'9' * 5000};b&lt;&#65;") == "a\ufffdb<A"


def test_the_verifier_that_travels_has_the_same_limits():
    import importlib.util

    file = deliverables.__file__ and (ROOT / "templates/npu_deliverables/verify_deliverable.py")
    spec = importlib.util.spec_from_file_location("verify_deliverable", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("summary.json", "results/accuracy_eval.json", "readme.md", "evaluation/logs/a.log", "a.png", "a.bin",
                 "evaluation/records/a.json", "evaluation/results/a.png", "evaluation/ledger.jsonl",
                 "model/tokenizer.json", "inputs/a.bin", "npu_eval/a.py"):  # fmt: skip
        assert module.most(name) == limits.kind_of(name).each, name
    assert (module.MOST_FILES, module.MOST_DEEP, module.MOST_NESTED, module.MOST_VALUES, module.MOST["all"]) == (
        limits.MAX_FILES, limits.MAX_DEPTH, limits.MAX_NESTING, limits.MAX_VALUES, limits.MAX_BYTES
    )  # fmt: skip


def test_a_name_that_is_too_long_means_no_file(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    assert limits.is_file(tmp_path, "a")
    assert not limits.is_file(tmp_path, "a" * 300)
    assert not limits.is_file(tmp_path, "../a")
    assert not bounds.holds(tmp_path, "a" * 300, None)


def test_a_file_that_may_not_be_read_is_told_before_anything_is_read(folder, monkeypatch):
    closed, allowed = str(folder / "readme.md"), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != closed and allowed(path, mode))
    assert limits.look(folder) == [("readme.md", "cannot be read (Permission denied)")]
    with pytest.raises(VerifyError, match="nothing of it was read"):
        bounds.require(folder)
