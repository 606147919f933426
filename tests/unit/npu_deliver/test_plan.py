"""A plan is a pure function of the spec: what would be run, where its results lie, on what."""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

import deliverables
from npu_deliver.environment.engine.container import environment
from npu_deliver.environment.step import Mount
from npu_deliver.experiments.optimisation.step import with_budget
from npu_deliver.experiments.registry import KINDS
from npu_deliver.plan import INPUTS, RESULTS, locate, plan, reference_step, scripts_left_out
from npu_deliver.spec.spec import Dataset, Training
from npu_eval.asked.layout import NPU_DELIVERABLES
from npu_eval.asked.spec import AGAINST_VARIABLE, DATA_VARIABLE, REFERENCE_VARIABLE, WEIGHTS_VARIABLE


@pytest.fixture
def spec(tmp_path):
    deliverables.write_model(tmp_path)
    return deliverables.job_of(tmp_path).spec


def on(spec, device):
    return spec.model_copy(update={"evaluation": spec.evaluation.model_copy(update={"device": device})})


def test_the_steps_are_the_experiments_in_their_order(spec):
    steps = plan(spec, deliverables.IMAGE, weights=None)
    assert [s.experiment for s in steps] == ["inference", "precision", "performance"]
    assert [s.shell for s in steps] == [
        f"python inference.py --input {INPUTS} --output {RESULTS} --device npu:0 --save evaluation",
        "python evaluation/eval_precision.py --device npu:0 --save evaluation",
        "python evaluation/eval_performance.py --device npu:0 --save evaluation",
    ]
    assert [s.record for s in steps] == [f"evaluation/records/{s.experiment}.json" for s in steps]
    assert [s.log for s in steps] == [f"evaluation/logs/{KINDS[s.experiment].log}" for s in steps]
    assert {s.image for s in steps} == {deliverables.IMAGE.digest}
    assert {s.timeout_s for s in steps} == {3600.0}
    assert {s.mounts for s in steps} == {()}


def test_training_is_a_step_where_the_spec_asks_for_it(spec):
    evaluation = spec.evaluation.model_copy(update={"training": Training(steps=2)})
    steps = plan(spec.model_copy(update={"evaluation": evaluation}), deliverables.IMAGE, weights=None)
    assert [s.experiment for s in steps] == ["inference", "precision", "performance", "training"]
    assert steps[-1].command[1] == "evaluation/eval_training.py"
    assert scripts_left_out(spec) == {"evaluation/eval_training.py", "deploy.sh"}
    assert scripts_left_out(spec.model_copy(update={"evaluation": evaluation})) == {"deploy.sh"}
    assert scripts_left_out(spec.model_copy(update={"evaluation": evaluation, "serve": True})) == frozenset()


def test_localisation_runs_as_the_other_steps_do(spec):
    first, *_ = plan(spec, deliverables.IMAGE, weights=Path("/w.pth"))
    step = locate(first, NPU_DELIVERABLES)
    assert step.shell == "python evaluation/eval_localisation.py --device npu:0 --save evaluation"
    assert (step.record, step.log) == ("evaluation/records/localisation.json", "evaluation/logs/localisation.log")
    assert (step.mounts, step.image, step.devices) == (first.mounts, first.image, first.devices)
    assert "evaluation/eval_localisation.py" not in scripts_left_out(spec)
    carried = locate(first, NPU_DELIVERABLES, reference=Path("/bundle")).mounts[-1]
    assert (carried.source, carried.variable, carried.read_only) == ("/bundle", REFERENCE_VARIABLE, True)


@pytest.mark.parametrize(("device", "devices"), [("cpu", ()), ("npu:1", ("npu:1",)), ("auto", ("auto",))])
def test_a_step_names_the_accelerators_that_it_needs(spec, device, devices):
    assert {s.devices for s in plan(on(spec, device), deliverables.IMAGE, weights=None)} == {devices}


def test_an_index_brings_the_folder_of_its_files(spec):
    for step in plan(spec, deliverables.IMAGE, weights=Path("/w/large/model.safetensors.index.json")):
        (mount,) = step.mounts
        assert mount == Mount(source="/w/large", variable=WEIGHTS_VARIABLE, entry="model.safetensors.index.json")
        assert environment(step)[WEIGHTS_VARIABLE] == "/mnt/0/large/model.safetensors.index.json"


def test_fetched_weights_are_mounted_read_only_for_every_step(spec):
    for step in plan(spec, deliverables.IMAGE, weights=Path("/w/tiny.pth")):
        assert step.mounts == (Mount(source="/w/tiny.pth", variable=WEIGHTS_VARIABLE, read_only=True),)
        assert "/w/" not in step.shell  # a path of this machine is in no command that is published


def test_the_same_spec_gives_the_same_plan_and_another_environment_another(spec):
    first = plan(spec, deliverables.IMAGE, weights=None)
    assert first == plan(spec, deliverables.IMAGE, weights=None)
    assert first != plan(spec, replace(deliverables.IMAGE, digest="sha256:0"), weights=None)
    with pytest.raises(FrozenInstanceError):
        first[0].image = "other"


def test_a_data_set_adds_a_step_that_only_reads_it(spec):
    data = Dataset(
        path="/data/coco2017",
        limit=9,
        annotations="a b.json",
        protocol="seed",
        cross_check=True,
        against="/runs/dataset.jsonl",
    )
    *others, step = plan(spec.model_copy(update={"dataset": data}), deliverables.IMAGE, weights=Path("/w.pth"))
    assert others == list(plan(spec, deliverables.IMAGE, weights=Path("/w.pth")))
    assert step.shell == ("python evaluation/eval_dataset.py --limit 9 --annotations 'a b.json' --protocol seed "
                          "--cross-check --device npu:0 --save evaluation")  # fmt: skip
    assert step.record == "evaluation/records/dataset.json"
    assert {m.variable: m.source for m in step.mounts} == {
        WEIGHTS_VARIABLE: "/w.pth", DATA_VARIABLE: "/data/coco2017", AGAINST_VARIABLE: "/runs/dataset.jsonl",
    }  # fmt: skip
    assert all(mount.read_only for mount in step.mounts)


def test_what_compares_with_a_reference_gets_the_bundle(tmp_path):
    deliverables.write_model(tmp_path)
    spec = with_budget(deliverables.job_of(tmp_path), 60.0).spec
    bundle = Mount(source="/made/there", variable=REFERENCE_VARIABLE)
    steps = plan(spec, deliverables.IMAGE, weights=Path("/w.pth"), reference=Path("/made/there"))
    assert {s.experiment for s in steps if bundle in s.mounts} == {"precision", "optimisation"}
    assert {len(s.mounts) for s in steps} == {1, 2}
    assert all(mount.read_only for s in steps for mount in s.mounts)


def test_a_reference_is_made_on_the_device_of_the_spec(spec):
    step = reference_step(on(spec, "cuda:1"), deliverables.IMAGE, weights=Path("/w.pth"))
    assert step.shell == "python evaluation/make_reference.py --device cuda:1 --output reference"
    assert (step.devices, step.mounts) == (("cuda:1",), (Mount(source="/w.pth", variable=WEIGHTS_VARIABLE),))
    assert reference_step(on(spec, "cpu"), deliverables.IMAGE, weights=None).devices == ()
