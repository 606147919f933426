"""Where the files of a model of transformers come from, and what is said where they cannot be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from npu_deliver.errors import SpecError
from npu_deliver.spec import libraries as references
from npu_deliver.spec.libraries import describe, facts_of, placed, portable, task_of, weights_in
from npu_deliver.spec.spec import Overrides, load
from npu_eval.errors import WeightsError
from npu_eval.weights.download import HttpStatusError
from npu_eval.weights.fetch import FetchedWeights

CONFIG = {
    "architectures": ["DetrForObjectDetection"],
    "model_type": "detr",
    "backbone_config": {"model_type": "resnet"},
}


def folder(path: Path, config: Any = CONFIG, **files: str) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name, text in files.items():
        (path / name.replace("_json", ".json").replace("_safetensors", ".safetensors")).write_text(text)
    return path


class Hub:
    """Stands for the hub: gives the files that it has, and remembers what it was asked for."""

    def __init__(self, path: Path, files: dict[str, str], failure: Exception | None = None) -> None:
        self.path, self.files, self.failure, self.asked = path, files, failure, []

    def fetch(self, reference: str, **_: Any) -> FetchedWeights:
        self.asked.append(reference)
        name = reference.rpartition("/")[2]
        if name not in self.files:
            error = WeightsError("the server answers 404", where=reference, fix="check it; WEIGHTS=random")
            raise error from (self.failure or HttpStatusError("404", status=404))
        (self.path / name).write_text(self.files[name])
        return FetchedWeights(self.path / name, reference, "0" * 64, 1)


def hub_in_place(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    monkeypatch.setattr(references, "fetch", hub.fetch)


def test_a_folder_gives_its_files_its_task_and_its_weights(tmp_path: Path) -> None:
    folder(tmp_path / "models/small", model_safetensors="w", preprocessor_config_json="{}", README_md="")
    found = describe("transformers:./models/small", "default", base=tmp_path, made=tmp_path)
    assert (found.name, found.task, found.packages) == ("small", "detection", ())
    assert set(found.files) == {"config.json", "preprocessor_config.json"}
    assert found.weights == f"file:{tmp_path / 'models/small/model.safetensors'}"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "there is no such folder"),
        (lambda path: path.mkdir(), "holds no config.json; it holds nothing"),
        (lambda path: folder(path, config=[1]), "holds no keys"),
    ],
)
def test_a_folder_without_a_configuration_is_refused(tmp_path: Path, make: Any, told: str) -> None:
    make(tmp_path / "small")
    with pytest.raises(SpecError) as error:
        describe("transformers:./small", "default", base=tmp_path, made=tmp_path)
    assert told in str(error.value)


def test_the_hub_is_asked_for_the_configuration_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(tmp_path, {"config.json": json.dumps(CONFIG), "preprocessor_config.json": "{}"})
    hub_in_place(monkeypatch, hub)
    found = describe("transformers:someone/small@v1", "default", base=tmp_path, made=tmp_path)
    assert hub.asked == ["hf:someone/small@v1/config.json", "hf:someone/small@v1/preprocessor_config.json"]
    assert (found.name, found.task, set(found.files)) == ("someone/small@v1", "detection", set(hub.files))


def test_the_configuration_comes_from_where_the_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(tmp_path, {"config.json": json.dumps(CONFIG)})
    hub_in_place(monkeypatch, hub)
    source = "modelscope:other/copy@r2/model.safetensors"
    describe("transformers:someone/small", source, base=tmp_path, made=tmp_path)
    assert hub.asked[0] == "modelscope:other/copy@r2/config.json"
    local = folder(tmp_path / "local", {"architectures": ["ViTForImageClassification"]}, model_safetensors="w")
    found = describe("transformers:someone/small", str(local / "model.safetensors"), base=tmp_path, made=tmp_path)
    assert (found.task, found.name, len(hub.asked)) == ("classification", "someone/small", 2)


def test_a_hub_that_does_not_answer_is_told_with_the_way_that_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_in_place(monkeypatch, Hub(tmp_path, {}, OSError("no route")))
    with pytest.raises(WeightsError) as error:
        describe("transformers:someone/small", "default", base=tmp_path, made=tmp_path / "none")
    line = str(error.value)
    assert line.startswith("hf:someone/small: config.json cannot be had: ")
    assert "transformers:./folder" in line
    folder(tmp_path / "made/model")
    found = describe("transformers:someone/small", "default", base=tmp_path, made=tmp_path / "made")
    assert found.files == {"config.json": tmp_path / "made/model/config.json"}


@pytest.mark.parametrize("name", ["a/b/c", "a b/c", "a/b@"])
def test_what_is_no_name_of_the_hub_is_refused_before_it_is_asked(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="is no owner/name"):
        describe(f"transformers:{name}", "default", base=tmp_path, made=tmp_path)


def test_other_libraries_need_no_files(tmp_path: Path) -> None:
    weights = folder(tmp_path / "w", model_safetensors="w") / "model.safetensors"
    for adapter in ("timm:resnet18", "adapter.py"):
        assert not describe(adapter, str(weights), base=tmp_path, made=tmp_path).files
    assert describe("adapter.py", str(weights), base=tmp_path, made=tmp_path, uses_library=True).files


def test_a_folder_of_weights_stands_for_the_file_in_it(tmp_path: Path) -> None:
    here = folder(tmp_path / "w", model_safetensors="w")
    assert weights_in("w", tmp_path) == f"file:{here / 'model.safetensors'}"
    for same in ("w/model.safetensors", "random", "default", "hf:a/b/c.bin", "nowhere.pth"):
        assert weights_in(same, tmp_path) == same
    (here / "model.safetensors").rename(here / "model.safetensors.index.json")
    assert weights_in("w", tmp_path) == f"file:{here / 'model.safetensors.index.json'}"
    (here / "model.safetensors.index.json").unlink()
    with pytest.raises(SpecError, match=r"holds none of .* it holds config.json"):
        weights_in("w", tmp_path)


def test_no_path_of_this_machine_is_in_a_reference_that_travels(tmp_path: Path) -> None:
    reference = placed("transformers:./small", tmp_path)
    assert reference == f"transformers:{tmp_path / 'small'}"
    assert portable(reference) == "transformers:small"
    for other in ("transformers:a/b", "transformers:ViTModel", "timm:resnet18", "adapter.py"):
        assert placed(other, tmp_path) == portable(other) == other


@pytest.mark.parametrize(
    ("reference", "task"),
    [
        ("timm:x", "classification"),
        ("npu_models:fcos/x", "detection"),
        ("npu_models:solov2/x", "instance-segmentation"),
    ],
)
def test_a_library_tells_the_task(reference: str, task: str) -> None:
    assert task_of(reference) == task


def test_the_report_names_the_page_of_a_model_of_the_hub() -> None:
    page = "https://huggingface.co/facebook/x"
    assert facts_of("transformers:facebook/x@v1") == {"title": "facebook/x@v1", "source": page}
    assert facts_of("transformers:/home/me/x") == {"title": "x"}
    assert facts_of("npu_models:fcos/x") == {"title": "fcos/x"}


def test_a_job_of_a_folder_has_a_name_without_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "deep/small", {"architectures": ["X"], "backbone": "timm_backbone"}, model_safetensors="w")
    monkeypatch.chdir(tmp_path)
    job = load("transformers:./deep/small", tmp_path / "deliverables", overrides=Overrides())
    assert (job.spec.name, job.spec.task, job.spec.model.title) == ("transformers_small", "features", "small")
    assert job.spec.weights.source == f"file:{tmp_path / 'deep/small/model.safetensors'}"
    assert job.spec.requirements == ["timm"]
    random = load("transformers:./deep/small", tmp_path, overrides=Overrides(weights="random"))
    assert random.spec.weights.source == "random"
