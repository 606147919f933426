"""A staged folder is complete before anything runs, the same bytes each time, and nobody else's files are touched."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pillow

import deliverables
import npu_eval
from deliverables import IMAGE, job_of, write_model, write_photo
from npu_deliver.errors import ConfigError, SpecError
from npu_deliver.experiments.registry import asked
from npu_deliver.spec.spec import Dataset, Overrides, load
from npu_deliver.staging import stage
from npu_eval.asked.spec import Classes, read_spec_file
from npu_eval.jsonio import file_sha256
from npu_eval.weights.fetch import FetchedWeights, fetch


def staged(job, image=IMAGE):
    wanted = job.spec.weights_spec()
    weights = None if wanted.random else fetch(wanted.source, sha256=wanted.sha256, base=job.folder, say=print)
    return stage.stage(job, image, weights)


def refusal(job, image=IMAGE, error=SpecError):
    with pytest.raises(error) as told:
        staged(job, image)
    assert told.value.exit_code == 2
    assert len(str(told.value).splitlines()) == 1
    return str(told.value)


def inside(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_staged_folder_has_all_that_runs(tmp_path):
    write_model(tmp_path)
    found = staged(job_of(tmp_path))
    names = inside(found.folder)
    assert {"inference.py", "evaluation/eval_precision.py", "evaluation/eval_performance.py", "adapter.py", "spec.json",
            "requirements.txt", "inputs/cat.png", "npu_eval/session/script.py",
            "npu_eval/__init__.py"} <= names  # fmt: skip
    assert not any(n.startswith("npu_models/") for n in names)  # this adapter does not use them
    assert not any("__pycache__" in n or n.endswith(".j2") for n in names)
    assert not any(n.startswith("npu_eval/models/adapters/") and n.endswith("_models.py") for n in names)
    assert read_spec_file(found.folder / "spec.json") == found.spec
    assert found.spec.evaluation.inputs[0].sha256 == file_sha256(tmp_path / "tiny/photos/cat.png")


def test_what_is_staged_is_what_lies_in_the_package(tmp_path):
    write_model(tmp_path)
    folder = staged(job_of(tmp_path)).folder
    source = Path(npu_eval.__file__).parent
    for name in ("records/verdict.py", "session/script.py", "fonts/NotoSansSC-gb2312.otf"):
        assert (folder / "npu_eval" / name).read_bytes() == (source / name).read_bytes()


def test_an_adapter_that_uses_our_networks_brings_them(tmp_path):
    folder = write_model(tmp_path)
    (folder / "adapter.py").write_text("from npu_models import resnet\n", encoding="utf-8")
    assert any(n.startswith("npu_models/") for n in inside(staged(job_of(tmp_path)).folder))


def test_a_library_adapter_brings_its_own_code_and_packages(tmp_path):
    write_model(tmp_path, adapter="timm:resnet18")
    image = replace(IMAGE, packages=IMAGE.packages | {"torchvision": "0.22.1+cpu", "safetensors": "0.5.3"})
    folder = staged(job_of(tmp_path), image).folder
    assert (folder / "npu_eval/models/adapters/timm_models.py").is_file()
    assert not (folder / "adapter.py").exists()
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [
        "torch==2.7.1",
        "numpy==2.2.6",
        "pillow==11.3.0",
        "torchvision==0.22.1",
        "timm==1.0.20",
        "safetensors==0.5.3",
    ]


def test_staging_again_writes_nothing(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path)
    folder = staged(job).folder
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*")}
    again = staged(job)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*")} == before
    assert again.code_sha256 == staged(job).code_sha256


def test_what_is_stale_goes_and_what_was_made_stays(tmp_path):
    folder = write_model(tmp_path)
    job = job_of(tmp_path)
    out = staged(job).folder
    made = ["evaluation/records/precision.json", "evaluation/logs/precision_eval.log", "evaluation/results/cat.png"]
    stale = ["readme.md", "old.py", "npu_eval/gone.py", "inputs/other.png", "evaluation/.partial-x",
             "evaluation/logs/.partial-y",
             "npu_eval/__pycache__/x.pyc"]  # fmt: skip
    for name in made + stale:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(name, encoding="utf-8")
    (out / "inference.py").write_text("spoilt", encoding="utf-8")
    write_photo(folder / "photos/cat.png", (9, 9, 9))
    staged(job)
    assert all((out / name).read_text(encoding="utf-8") == name for name in made)
    assert not any((out / name).exists() for name in stale)
    assert (out / "inference.py").read_text(encoding="utf-8") != "spoilt"
    assert (out / "inputs/cat.png").read_bytes() == (folder / "photos/cat.png").read_bytes()


def test_a_working_folder_of_another_model_is_not_kept(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path)
    out = staged(job).folder
    (out / "evaluation/records").mkdir(parents=True)
    (out / "evaluation/records/precision.json").write_text("{}", encoding="utf-8")
    deliverables.change_file(out / "spec.json", '"name": "tiny"', '"name": "other"')
    staged(job)
    assert not (out / "evaluation/records").exists()


# --- somebody else's files -------------------------------------------------------------------------------------------


def test_another_models_folder_is_refused(tmp_path, original):
    write_model(tmp_path, "huge")
    job = replace(job_of(tmp_path, "huge"), output=original.output)
    before = deliverables.tree(original.output)
    assert "holds the deliverable of 'tiny', not of 'huge'" in refusal(job, error=ConfigError)
    assert deliverables.tree(original.output) == before


@pytest.mark.parametrize("name", ["thesis.txt", ".hidden", "sub/file"])
def test_a_folder_of_foreign_files_is_refused(tmp_path, name):
    write_model(tmp_path)
    job = job_of(tmp_path)
    (job.output / name).parent.mkdir(parents=True)
    (job.output / name).write_text("years of work", encoding="utf-8")
    assert "holds files that are no deliverable, not of 'tiny'" in refusal(job, error=ConfigError)
    assert (job.output / name).read_text(encoding="utf-8") == "years of work"


def test_a_foreign_file_in_our_folder_is_refused(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path)
    deliverables.make(job)
    (job.output / "notes.txt").write_text("mine", encoding="utf-8")
    assert "holds 'notes.txt', which is not in its manifest; move it away first" in refusal(job, error=ConfigError)


def test_our_folder_without_its_manifest_is_nobodys(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path)
    deliverables.make(job)
    (job.output / "MANIFEST.json").unlink()
    assert "which is not in its manifest" in refusal(job, error=ConfigError)


def test_a_file_instead_of_a_folder_is_refused(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path)
    job.output.write_text("a file", encoding="utf-8")
    assert "is a file; name another folder with --output" in refusal(job, error=ConfigError)


def test_an_empty_folder_is_taken(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path)
    job.output.mkdir()
    assert staged(job).folder.is_dir()


# --- inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (["nowhere.jpg"], "nowhere.jpg: the photo does not exist"),
        (["nowhere/"], "nowhere/: the photo does not exist"),
        (["empty"], "empty: there is no photo in this folder; looked for .jpg .jpeg .png"),
        (["photos", "again/cat.png"], "two inputs are called 'cat.png'; rename one"),
        (["broken.png"], "not a readable image"),
        (["half.png"], "not a readable image"),
        (["text.jpg"], "not a readable image"),
        (["shot.heic"], "shot.heic: files of the kind '.heic' are not read; save it as one of .jpg"),
        (["phone"], "there is no photo in this folder (passed over, as no photos that are read here: 2 .heic, 1 .mov"),
        ([], "there is no input; name at least one photo"),
    ],
)
def test_wrong_inputs_are_told(tmp_path, inputs, told):
    folder = write_model(tmp_path, inputs=inputs)
    (folder / "empty/dir.jpg").mkdir(parents=True)
    write_photo(folder / "again/cat.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    data = write_photo(folder / "half.png", (1, 2, 3)).read_bytes()
    (folder / "half.png").write_bytes(data[: len(data) // 2])
    (folder / "text.jpg").write_text("no picture", encoding="utf-8")
    (folder / "phone").mkdir()
    for name in ("shot.heic", "phone/1.heic", "phone/2.HEIC", "phone/3.mov", "phone/._4.jpg", "phone/Thumbs.db"):
        (folder / name).write_bytes(b"\0")
    assert told in refusal(job_of(tmp_path), error=(ConfigError, SpecError))


def test_what_is_passed_over_in_a_folder_is_counted_and_hidden_files_are_not(tmp_path, caplog):
    folder = write_model(tmp_path)
    for name in ("._cat.png", ".DS_Store", "Thumbs.db", "dog.heic", "bird.heic", "notes.txt"):
        (folder / "photos" / name).write_bytes(b"\0\5\x16\7")
    caplog.set_level("INFO")
    assert inside(staged(job_of(tmp_path)).folder) >= {"inputs/cat.png"}
    assert "photos: passed over, as no photos that are read here: 2 .heic, 1 .txt" in caplog.text


@pytest.mark.parametrize(("suffix", "frames"), [(".gif", 3), (".webp", 2), (".jp2", 1)])
def test_other_kinds_of_pictures_are_inputs_too(tmp_path, suffix, frames):
    folder = write_model(tmp_path, inputs=[f"photo{suffix}"])
    pictures = [Pillow.new("RGB", (8, 6), (40 * n, 9, 9)) for n in range(frames)]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(folder / f"photo{suffix}", **more)
    assert f"inputs/photo{suffix}" in inside(staged(job_of(tmp_path)).folder)


def test_too_many_photos_are_told(tmp_path):
    folder = write_model(tmp_path)
    photo = (folder / "photos/cat.png").read_bytes()
    for i in range(stage.MAX_INPUTS):
        (folder / f"photos/{i}.png").write_bytes(photo)
    assert f"{stage.MAX_INPUTS + 1} photos of 0 MiB are too much" in refusal(job_of(tmp_path))


def test_too_large_photos_are_told(tmp_path, monkeypatch):
    write_model(tmp_path)
    monkeypatch.setattr(stage, "MAX_INPUT_BYTES", 10)
    assert "are too much to travel in a deliverable" in refusal(job_of(tmp_path))


def test_without_inputs_the_samples_are_taken(tmp_path):
    write_model(tmp_path, inputs=None)
    names = [entry.path for entry in staged(job_of(tmp_path)).spec.evaluation.inputs]
    assert names == [f"inputs/{n}.jpg" for n in ("cat", "coffee", "flower", "palace", "rocket")]


def test_an_input_from_the_command_line_takes_the_place_of_the_specs(tmp_path):
    write_model(tmp_path)
    photo = write_photo(tmp_path / "elsewhere/\u72d7.png")
    found = staged(job_of(tmp_path, input=photo)).spec.evaluation.inputs
    assert [entry.path for entry in found] == ["inputs/\u72d7.png"]


# --- adapter, weights, requirements ----------------------------------------------------------------------------------


def test_a_missing_adapter_is_told(tmp_path):
    (write_model(tmp_path) / "adapter.py").unlink()
    assert "the adapter 'adapter.py' does not exist; correct 'adapter'" in refusal(job_of(tmp_path))


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_only_the_code_of_the_library_that_is_used_travels(tmp_path, library):
    write_model(tmp_path, adapter=f"{library}:resnet18")
    image = replace(IMAGE, packages=IMAGE.packages | {"torchvision": "0.22.1", "safetensors": "0.5.3"})
    names = {p.name for p in (staged(job_of(tmp_path), image).folder / "npu_eval/models/adapters").glob("*_models.py")}
    assert names == {f"{library}_models.py"}


@pytest.mark.parametrize("how", ["relative", "absolute", "file:"])
def test_a_local_weights_file_is_named_without_its_path(tmp_path, how):
    folder = write_model(tmp_path)
    path = folder / "tiny.pth"
    source = {"relative": "tiny.pth", "absolute": str(path), "file:": f"file:{path}"}[how]
    found = staged(job_of(tmp_path, weights=source))
    weights = found.spec.evaluation.weights
    assert weights.source == "file:tiny.pth"
    assert weights.sha256 == file_sha256(path)
    assert str(tmp_path) not in (found.folder / "spec.json").read_text(encoding="utf-8")
    assert (
        json.loads((found.folder / "spec.json").read_text(encoding="utf-8"))["evaluation"]["weights"]["source"]
        == "file:tiny.pth"
    )


@pytest.mark.parametrize("ema", [True, False, None])
def test_the_choice_of_averaged_weights_travels(tmp_path, ema):
    write_model(tmp_path)
    weights = staged(job_of(tmp_path, ema=ema)).spec.evaluation.weights
    assert weights.ema == {True: "ema", False: "plain", None: ""}[ema]


WITH_TORCHVISION = replace(IMAGE, packages=IMAGE.packages | {"torchvision": "0.22.1", "safetensors": "0.5.3"})


def test_classes_and_their_names_travel(tmp_path):
    (tmp_path / "labels.txt").write_text("猫\n a dog \n", encoding="utf-8")
    for changes, wanted in (
        ({"labels": tmp_path / "labels.txt"}, Classes(count=2, names=("猫", "a dog"))),
        ({"labels": tmp_path / "labels.txt", "num_classes": 2}, Classes(count=2, names=("猫", "a dog"))),
        ({"num_classes": 5}, Classes(count=5)),
        ({"num_classes": 0}, Classes(count=0)),
        ({}, None),
    ):
        job = load("timm:resnet18", tmp_path, overrides=Overrides(weights="random", **changes))
        found = stage.stage(job, WITH_TORCHVISION, None).spec.evaluation
        assert found.classes == wanted
        assert found.task == ("features" if changes.get("num_classes") == 0 else "classification")


def test_words_travel_as_the_classes_that_they_are(tmp_path):
    write_model(tmp_path)
    assert staged(job_of(tmp_path)).spec.evaluation.classes is None
    found = staged(job_of(tmp_path, words="shoe,  yellow   bus")).spec.evaluation
    assert found.classes == Classes(count=2, names=("shoe", "yellow bus"))
    assert staged(job_of(tmp_path, words="coco80")).spec.evaluation.classes.count == 80


def test_as_many_labels_as_classes(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    overrides = Overrides(weights="random", labels=tmp_path / "labels.txt", num_classes=3)
    with pytest.raises(ConfigError, match="2 labels for 3 classes"):
        stage.stage(load("timm:resnet18", tmp_path, overrides=overrides), WITH_TORCHVISION, None)


def test_an_address_is_named_without_its_query(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path, weights="https://example.org/w.pth?signature=secret")
    found = FetchedWeights(tmp_path / "w.pth", "https://example.org/w.pth", "ab" * 32, 3)
    assert stage.portable_weights(job.spec.weights_spec(), found).source == "https://example.org/w.pth"


def test_the_hash_of_the_weights_is_told_to_whoever_runs(tmp_path):
    folder = write_model(tmp_path)
    assert staged(job_of(tmp_path)).weights_sha256 == file_sha256(folder / "tiny.pth")
    assert staged(job_of(tmp_path, weights="random")).weights_sha256 is None


@pytest.mark.parametrize("source", ["random", "default"])
def test_weights_without_a_file_stay_as_they_were_named(tmp_path, source):
    write_model(tmp_path, weights={"source": source})
    assert stage.stage(job_of(tmp_path), IMAGE, None).spec.evaluation.weights.source == source


def test_requirements_are_pinned_to_what_ran(tmp_path):
    write_model(tmp_path, requirements=["timm", "numpy"])
    text = (staged(job_of(tmp_path)).folder / "requirements.txt").read_text(encoding="utf-8")
    assert text == "torch==2.7.1\nnumpy==2.2.6\npillow==11.3.0\ntimm==1.0.20\n"  # no build label, nothing twice


@pytest.mark.parametrize("name", ["torch_npu", "torch-npu", "Torch.NPU", "python", "CANN"])
def test_what_the_platform_supplies_may_not_be_required(tmp_path, name):
    """Otherwise the finished folder would be refused after everything had run."""
    write_model(tmp_path, requirements=[name])
    assert f"'{name}' may not be required: the platform supplies it" in refusal(job_of(tmp_path))


def test_a_package_that_is_not_installed_is_told(tmp_path):
    write_model(tmp_path, requirements=["opencv-python"])
    assert "the package 'opencv-python' is not installed in" in refusal(job_of(tmp_path))


@pytest.mark.parametrize(("family", "name"), [("fcos", "r50_caffe_fpn_gn-head_1x"), ("solov2", "r50_fpn_1x"),
                                              ("blendmask", "R_50_1x")])  # fmt: skip
def test_a_network_of_ours_brings_its_own_family_and_no_other(tmp_path, family, name):
    torchvision = replace(IMAGE, packages={**IMAGE.packages, "torchvision": "0.22.1"})
    write_model(tmp_path, adapter=f"npu_models:{family}/{name}", task="detection")
    folder = staged(job_of(tmp_path), torchvision).folder
    ours = {n for n in inside(folder) if n.startswith("npu_models/")}
    assert {"npu_models/__init__.py", "npu_models/registry.py", f"npu_models/{family}.py"} <= ours
    assert not ours & ({f"npu_models/{n}.py" for n in ("fcos", "solov2", "blendmask")} - {f"npu_models/{family}.py"})
    code = f"import npu_models; from npu_models.random_weights import randomise; npu_models.build('{family}/{name}')"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(folder)}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_script_of_an_experiment_travels_where_the_spec_asks_for_it(tmp_path):
    write_model(tmp_path)
    assert "evaluation/eval_training.py" not in inside(staged(job_of(tmp_path)).folder)
    write_model(tmp_path, "trained", evaluation={"device": "cpu", "training": {"steps": 2}})
    found = staged(job_of(tmp_path, "trained"))
    assert "evaluation/eval_training.py" in inside(found.folder)
    assert found.spec.evaluation.training.steps == 2
    assert asked(found.spec.evaluation)[-1] == "training"
    assert {c.metric for c in found.spec.evaluation.criteria} >= {"loss_error", "gradient_error"}


def test_a_data_set_that_leaves_a_choice_of_annotations_is_told_before_anything_runs(tmp_path):
    write_model(tmp_path)
    data = tmp_path / "coco"
    (data / "annotations").mkdir(parents=True)
    for year in (2014, 2017):
        (data / "annotations" / f"instances_val{year}.json").write_text("{}")
    job = job_of(tmp_path)
    chosen = Dataset(path=str(data))
    said = refusal(with_dataset(job, chosen), error=ConfigError)
    assert "annotations/instances_val2014.json, annotations/instances_val2017.json" in said
    assert "--annotations" in said
    named = chosen.model_copy(update={"annotations": "annotations/instances_val2017.json"})
    assert staged(with_dataset(job, named)).folder.is_dir()
    absent = chosen.model_copy(update={"annotations": "annotations/other.json"})
    assert "has no annotation file annotations/other.json" in refusal(with_dataset(job, absent))


def with_dataset(job, dataset):
    return replace(job, spec=job.spec.model_copy(update={"dataset": dataset}))
