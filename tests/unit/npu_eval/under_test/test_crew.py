"""Real processes under test around the tiny model; each start loads torch, so there are few of them."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import torch

import tiny_model
from contexts import context, cpu_spec
from npu_eval.experiments.precision.run import outputs_of
from npu_eval.under_test.crew import ProcessEnded, Worker
from npu_eval.under_test.messages import Request, Role

pytestmark = pytest.mark.slow

CRASHING = """
from npu_eval.under_test.switches import Switch
import os, signal


class Adapter(TinyClassifier):
    def switches(self):
        def die(bench):
            os.kill(os.getpid(), signal.SIGSEGV)

        def refuse(bench):
            raise ValueError("this machine cannot")

        off = {"group": "x", "probe": lambda bench: "off", "wanted": lambda reading: reading == "on"}
        return (Switch(name="dies", turn_on=die, **off), Switch(name="raises", turn_on=refuse, **off),
                Switch(name="ignored", **off))


def create_adapter():
    return Adapter()
"""


def role(root: Path, *switches: str) -> Role:
    shutil.copy(tiny_model.__file__, root / "adapter.py")
    with (root / "adapter.py").open("a", encoding="utf-8") as stream:
        stream.write(CRASHING)
    return Role(root=str(root), spec=cpu_spec(root, adapter="adapter.py"), device="cpu", switches=switches)


def test_a_process_times_what_it_is_asked_and_agrees_with_the_reference(tmp_path: Path) -> None:
    made = context(tmp_path)
    photo = made.photos()[0]
    reference = {"inputs/cat.png": outputs_of(made, made.network.double(), made.preprocess([photo]).double())}
    torch.save(reference, tmp_path / "reference.pt")
    (tmp_path / "sitecustomize.py").write_text("print('{}')", encoding="utf-8")  # what it prints is no reply
    with Worker(role(tmp_path, "flush-denormal"), {}) as worker:
        assert not worker.refused
        warm = worker.ask(Request(do="warm", batch_size=2, seconds=0.05), timeout_s=60)
        assert (str(warm.failed), warm.readings) == ("", {"flush-denormal": "on"})
        assert warm.resident_bytes is not None
        assert len(worker.ask(Request(do="burst", batch_size=2, calls=5), timeout_s=60).times_s) == 5
        assert len(worker.ask(Request(do="windows", batch_size=2, calls=3, windows=2), timeout_s=60).times_s) == 2
        found = worker.ask(Request(do="compare", path=str(tmp_path / "reference.pt")), timeout_s=60)
        assert found.dtype == "float32"
        assert {d.input for d in found.differences} == {"inputs/cat.png"}
        assert max(d.sum_sq_diff / d.sum_sq_reference for d in found.differences) < 1e-10
        profile = worker.ask(Request(do="profile", calls=3), timeout_s=60).profile
        assert profile is not None
        assert {"aten::addmm"} <= {operator.name for operator in profile.operators}


def test_a_process_finds_what_the_users_python_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cann").mkdir()
    (tmp_path / "cann" / "operator_compiler.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "cann"))
    asked = role(tmp_path)
    with (tmp_path / "adapter.py").open("a", encoding="utf-8") as stream:
        stream.write("\n\nimport operator_compiler\n")
    with Worker(asked, {}) as worker:
        assert not worker.refused


def test_what_goes_wrong_in_a_process_is_said_and_stays_there(tmp_path: Path) -> None:
    with pytest.raises(ProcessEnded, match=f"killed by signal {int(signal.SIGSEGV)}"):
        Worker(role(tmp_path, "dies"), {})
    with Worker(role(tmp_path, "raises"), {}) as worker:
        assert str(worker.refused) == "ValueError: this machine cannot"
    with Worker(role(tmp_path, "ignored"), {}) as worker:
        assert (
            str(worker.ask(Request(do="warm", seconds=0.01), timeout_s=60).failed)
            == "ignored did not take: it reads 'off'"
        )
        with pytest.raises(ProcessEnded, match="did not answer within 0 s"):
            worker.ask(Request(do="burst", calls=10**9), timeout_s=0.2)
