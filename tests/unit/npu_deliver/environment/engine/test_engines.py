"""The local engine: output as it comes, the child's own exit code, and nothing left running whatever happens."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

import deliverables
from npu_deliver.environment.engine import LocalEngine, ReplayEngine, attached
from npu_deliver.environment.step import Mount, Step
from npu_deliver.errors import EngineError, RecordError, StepError
from npu_deliver.experiments.registry import KINDS, read_record
from npu_eval.records.record import write_record


def step_of(code: str, *arguments: str, timeout_s: float = 20.0, mounts=()) -> Step:
    return Step(
        experiment="precision", command=("python", "-c", textwrap.dedent(code), *arguments), record="record.json",
        log="precision.log", devices=(), image="sha256:0", mounts=mounts, timeout_s=timeout_s,
    )  # fmt: skip


def ran(folder, code: str, **options) -> tuple[int, list[str]]:
    lines: list[str] = []
    with LocalEngine(deliverables.IMAGE) as engine:
        return engine.run(step_of(code, **options), folder, lines.append), lines


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process is gone (or waits, dead, for whoever adopted it)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("code", [0, 1, 2, 5, 130])
def test_the_exit_code_is_the_childs(tmp_path, code):
    assert ran(tmp_path, f"raise SystemExit({code})") == (code, [])


def test_a_child_that_is_killed_has_a_negative_code(tmp_path):
    assert ran(tmp_path, "import os; os.kill(os.getpid(), 9)") == (-9, [])


def test_lines_come_while_the_child_runs(tmp_path):
    """The child waits for an answer to each line: it ends only if the line was told before its end."""
    code = """
        import pathlib, time
        for i in range(3):
            print("line", i)
            while not pathlib.Path(f"told{i}").exists():
                time.sleep(0.005)
    """
    told = []

    def tell(line):
        told.append(line)
        (tmp_path / f"told{line.split()[1]}").touch()

    with LocalEngine(deliverables.IMAGE) as engine:
        assert engine.run(step_of(code), tmp_path, tell) == 0
    assert told == ["line 0", "line 1", "line 2"]


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("pass", []),
        ("print()", [""]),
        ("print('a\\n\\nb')", ["a", "", "b"]),
        ("import sys; sys.stdout.write('no newline')", ["no newline"]),
        ("import sys; sys.stderr.write('error\\n')", ["error"]),
        ("print('\u732b \u00d7 \U0001f431')", ["\u732b \u00d7 \U0001f431"]),
        ("print('dos\\r')", ["dos"]),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n')", ["\ufffd\ufffd"]),
        (
            "import os, time; t = '\u732b\\n'.encode(); os.write(1, t[:1]); time.sleep(.05); os.write(1, t[1:])",
            ["\u732b"],
        ),
        ("print('x' * 300_000)", ["x" * 300_000]),
    ],
)
def test_output_of_any_kind(tmp_path, code, lines):
    assert ran(tmp_path, code) == (0, lines)


def test_standard_input_is_empty(tmp_path):
    assert ran(tmp_path, "import sys; print(repr(sys.stdin.read()))") == (0, ["''"])


def test_the_step_runs_in_the_folder_with_its_environment(tmp_path):
    code = """
        import os
        print(os.getcwd())
        for name in ("NPU_DELIVER_WEIGHTS", "NPU_DELIVER_IMAGE", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
            print(os.environ.get(name))
    """
    mounts = (Mount(source="/w/tiny.pth", variable="NPU_DELIVER_WEIGHTS"),)
    assert ran(tmp_path, code, mounts=mounts) == (0, [str(tmp_path.resolve()), "/w/tiny.pth", "sha256:0", "1", "1"])
    assert "NPU_DELIVER_IMAGE" not in os.environ
    mounts = (Mount(source="/w/large", variable="NPU_DELIVER_WEIGHTS", entry="m.index.json"),)
    assert ran(tmp_path, code, mounts=mounts)[1][1] == "/w/large/m.index.json"


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "while True: print('never quiet')",
        "import sys\nwhile True: sys.stdout.write('x' * 999)",
    ],
)
def test_a_step_that_runs_too_long_is_stopped(tmp_path, code):
    start = time.monotonic()
    with pytest.raises(
        StepError, match=r"ran longer than 0\.5 s and was stopped; raise evaluation\.step_timeout_s"
    ) as told:
        ran(tmp_path, code, timeout_s=0.5)
    assert told.value.exit_code == 6
    assert time.monotonic() - start < 10


FAMILY = """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(child.pid, flush=True)
    {then}
"""


def test_a_timeout_stops_the_whole_family(tmp_path):
    lines = []
    with LocalEngine(deliverables.IMAGE) as engine, pytest.raises(StepError):
        engine.run(step_of(FAMILY.format(then="time.sleep(60)"), timeout_s=1.0), tmp_path, lines.append)
    assert gone(int(lines[0]))


def test_what_a_step_leaves_behind_is_stopped_at_its_end(tmp_path):
    code = """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(child.pid)
    """
    status, lines = ran(tmp_path, code)
    assert status == 0
    assert gone(int(lines[0]))


def test_an_error_in_the_teller_leaves_nothing_running(tmp_path):
    pids = []

    def tell(line):
        pids.append(int(line))
        raise KeyboardInterrupt

    with LocalEngine(deliverables.IMAGE) as engine, pytest.raises(KeyboardInterrupt):
        engine.run(step_of("import os, time; print(os.getpid()); time.sleep(60)"), tmp_path, tell)
    assert gone(pids[0])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_dies_with_its_parent(tmp_path, how):
    """However the parent ends: nothing goes on writing behind the back of the next run."""
    parent = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
import deliverables
from npu_deliver.environment.engine import LocalEngine
from npu_deliver.plan import Step
step = Step(experiment="x", command=("python", "-c", "import os, time; print(os.getpid()); time.sleep(60)"), record="r",
            log="l", devices=(), image="i", mounts=(), timeout_s=60.0)
with LocalEngine(deliverables.IMAGE) as engine:
    engine.run(step, Path({str(tmp_path)!r}), lambda line: print(line, flush=True))
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    try:
        child = int(process.stdout.readline())
        process.send_signal(how)
        process.wait(timeout=10)
        assert gone(child)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_an_interpreter_that_is_not_there_is_told(tmp_path):
    with (
        LocalEngine(replace(deliverables.IMAGE, python="/no/python")) as engine,
        pytest.raises(StepError, match="does not start"),
    ):
        engine.run(step_of("pass"), tmp_path, print)


# --- replaying -------------------------------------------------------------------------------------------------------


@pytest.fixture
def staged(folder):
    """A folder as it was staged, without records, and where its records are."""
    source = folder.with_name("source")
    shutil.copytree(folder, source)
    for name in ("records", "logs", "results"):
        shutil.rmtree(folder / "evaluation" / name)
    return folder, source


def replay_step(kind: str = "precision") -> Step:
    return Step(experiment=kind, command=("python", "x.py"), record=f"evaluation/records/{kind}.json",
                log=f"evaluation/logs/{KINDS[kind].log}", devices=(), image="sha256:0", mounts=(),
                timeout_s=1.0)  # fmt: skip


def test_what_is_replayed_is_marked(staged):
    folder, source = staged
    lines = []
    with ReplayEngine(source, read_record) as engine:
        assert engine.run(replay_step(), folder, lines.append) == 0
    record = read_record(folder / "evaluation/records/precision.json")
    original = read_record(source / "evaluation/records/precision.json")
    assert record.provenance.replayed_from
    assert replace(record.provenance, replayed_from=None) == original.provenance
    assert record.data == original.data
    assert "!!! REPLAYED - NUMBERS OF AN EARLIER RUN !!!" in lines
    assert "\n".join(lines) + "\n" == (folder / "evaluation/logs/precision_eval.log").read_text(encoding="utf-8")


def test_a_replay_of_a_replay_names_the_first_run(staged):
    folder, source = staged
    with ReplayEngine(source, read_record) as engine:
        engine.run(replay_step(), folder, str)
    first = read_record(folder / "evaluation/records/precision.json")
    write_record(source / "evaluation/records/precision.json", first)
    with ReplayEngine(source, read_record) as engine:
        engine.run(replay_step(), folder, str)
    assert (
        read_record(folder / "evaluation/records/precision.json").provenance.replayed_from
        == first.provenance.replayed_from
    )


def test_the_result_pictures_come_along(staged):
    folder, source = staged
    with ReplayEngine(source, read_record) as engine:
        engine.run(replay_step("inference"), folder, str)
    assert (folder / "evaluation/results/cat.png").read_bytes() == (source / "evaluation/results/cat.png").read_bytes()


def test_a_record_of_another_spec_is_not_replayed(staged):
    folder, source = staged
    deliverables.change_file(folder / "spec.json", '"seed": 0', '"seed": 1')
    with ReplayEngine(source, read_record) as engine, pytest.raises(RecordError, match="was made under spec"):
        engine.run(replay_step(), folder, str)
    assert not (folder / "evaluation/records").exists()


def test_a_record_of_other_code_is_not_replayed(staged):
    folder, source = staged
    (folder / "npu_eval/records/verdict.py").write_text("", encoding="utf-8")
    with (
        ReplayEngine(source, read_record) as engine,
        pytest.raises(RecordError, match="was made by other code; run the experiment again"),
    ):
        engine.run(replay_step(), folder, str)


def test_what_is_no_deliverable_cannot_be_replayed(tmp_path):
    with (
        pytest.raises(EngineError, match=r"is no deliverable to replay; name a folder with a spec\.json"),
        ReplayEngine(tmp_path, read_record),
    ):
        pass


def framed(channel: int, payload: bytes) -> bytes:
    return bytes([channel, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def test_a_containers_lines_stay_whole_when_its_channels_come_in_turns():
    """The engine sends what it has of each channel; an unbuffered print is two writes, and others may come between."""
    frames = [framed(1, "一".encode()[:2]), framed(2, b"two\nthr"), framed(1, "一行".encode()[2:]), framed(1, b"\n"),
              framed(2, b"ee")]  # fmt: skip
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as stream, open(writing, "wb", buffering=0) as engine:  # noqa: PTH123
        told = attached.lines(stream, time.monotonic() + 20.0, step_of(""))
        engine.write(frames[0] + frames[1][:5])
        engine.write(frames[1][5:] + b"".join(frames[2:]))
        assert [next(told), next(told)] == ["two", "一行"]
        engine.close()
        assert list(told) == ["three"]
