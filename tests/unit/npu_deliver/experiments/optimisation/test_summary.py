from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import deliverables
import samples
from npu_deliver import plan
from npu_deliver.experiments.optimisation.step import with_budget
from npu_deliver.experiments.optimisation.summary import optimisation
from npu_deliver.review.verify import verify
from npu_deliver.spec.spec import Job
from npu_eval.asked.profiles import default_criteria
from npu_eval.experiments.performance.speed import HostBound, Phase, WholeWay

CRITERIA = default_criteria("classification")
EVALUATION = {**deliverables.SPEC["evaluation"], "optimisation_budget_s": 90}


def found(**changes):
    return optimisation(samples.optimisation_data(**changes), CRITERIA, bound=None, way=None)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Job, deliverables.FakeEngine]:
    """A finished deliverable with a search, and the engine that ran it. Nobody may change it."""
    root = tmp_path_factory.mktemp("models")
    deliverables.write_model(root, evaluation=EVALUATION)
    job, engine = deliverables.job_of(root), deliverables.FakeEngine()
    deliverables.make(job, engine, pictures=True)
    return job, engine


@pytest.fixture
def folder(made: tuple[Job, deliverables.FakeEngine], tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(made[0].output, tmp_path / "npu_deliverables"))


def test_a_whole_deliverable_with_a_search_verifies_and_its_pictures_are_drawn(
    made: tuple[Job, deliverables.FakeEngine],
) -> None:
    job, engine = made
    assert engine.ran[-1] == "optimisation"
    assert verify(job.output).findings == ()
    names = {p.stem for p in (job.output / "evaluation/screenshots").iterdir()}
    assert {"optimisation_report", "optimisation_chart", "waterfall_chart", "large_batch_report", "dual_npu_report",
            "operators_chart"} <= names  # fmt: skip


def test_a_search_that_is_made_again_keeps_the_other_steps(
    made: tuple[Job, deliverables.FakeEngine], tmp_path: Path
) -> None:
    shutil.copytree(made[0].folder, tmp_path / "tiny")
    job = deliverables.job_of(tmp_path)
    deliverables.make(job, again := deliverables.FakeEngine(), pictures=True, again=("optimisation",))
    assert again.ran == ["optimisation"]


def test_a_changed_effect_is_found(folder: Path) -> None:
    page = folder / "OPTIMIZATION_RECORD.md"
    deliverables.change_file(page, "1.3000", "1.3900")
    deliverables.reseal(folder)
    assert any(f.file == page.name and "1.3900" in f.what for f in verify(folder).findings)


def test_a_search_that_was_taken_away_is_named_although_resealed(folder: Path) -> None:
    (folder / "evaluation/records/optimisation.json").unlink()
    deliverables.reseal(folder)
    findings = {f.file: f.what for f in verify(folder).findings}
    assert findings["evaluation/records/optimisation.json"] == "is missing, but evaluation/ledger.jsonl tells of it"


@pytest.mark.parametrize(("tier", "asked"), [("smoke", False), ("standard", True), ("publish", True)])
def test_the_tier_says_whether_there_is_a_search(tmp_path: Path, tier: str, asked: bool) -> None:
    deliverables.write_model(tmp_path, evaluation={"device": "cpu", "timing": {"tier": tier}})
    steps = plan.plan(deliverables.job_of(tmp_path).spec, deliverables.IMAGE, weights=None)
    assert ("optimisation" in [s.experiment for s in steps]) is asked
    if asked:
        assert steps[-1].command[-2] == "--budget"


def test_a_budget_of_the_command_line_wins(tmp_path: Path) -> None:
    deliverables.write_model(tmp_path, evaluation=EVALUATION)
    steps = plan.plan(with_budget(deliverables.job_of(tmp_path), 600.0).spec, deliverables.IMAGE, weights=None)
    assert steps[-1].command[-1] == "600s"


def test_stages_are_what_was_measured_anew() -> None:
    made = found()
    assert [s.added for s in made.stages] == ["", "channels-last", "fold-batch-norm"]
    assert made.best == ("channels-last", "fold-batch-norm")
    assert made.gains == ("fold-batch-norm", "channels-last")
    assert made.breaking == ("bfloat16",)
    assert made.stages[-1].total is not None
    assert made.stages[-1].total.factor == pytest.approx(1.45, rel=0.01)


def test_a_gain_that_the_confirmation_does_not_show_is_no_stage() -> None:
    trials = (samples.trial(), samples.trial("x", factor=1.2),
              samples.trial("x", factor=1.0, stage="combination"))  # fmt: skip
    made = found(trials=trials)
    assert (made.best, made.gains) == ((), ("x",))
    assert [s.name for s in made.stages] == ["baseline"]


def test_directions_follow_the_bottleneck() -> None:
    bound = HostBound(batch_size=1, calls=20, enqueue_s=0.02, device_s=0.01, ratio=2.0, device_cv=0.01, share=1.0,
                      bound=True)  # fmt: skip
    phases = (Phase(name="decode", median_s=0.02, share=0.7), Phase(name="forward", median_s=0.01, share=0.3))
    way = WholeWay(photos=9, decode_apart=True, median_s=0.03, mean_s=0.03, phases=phases)
    made = optimisation(samples.optimisation_data(), CRITERIA, bound=bound, way=way)
    assert [d.why for d in made.directions] == ["host-bound", "fallback", "operator", "batching", "outside"]
    assert found(profile=None, sweep=(), scaling=()).directions == ()
