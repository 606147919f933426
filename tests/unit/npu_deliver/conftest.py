"""A finished deliverable for the tests that read, tamper with or replay one: made once, copied for each."""

import shutil
from pathlib import Path

import jinja2
import pytest

import deliverables
from npu_deliver.drawing import encoding
from npu_deliver.report import render
from npu_deliver.review.second_look import asking as second_look
from npu_deliver.spec.spec import Job


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Nobody pulls the plug during a test; what a kill leaves is tested without it."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture(scope="session", autouse=True)
def no_packing_small():
    """Pictures are packed quickly: packing them small takes longer than drawing, and the pixels are the same."""
    with encoding.quickly():
        yield


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    return jinja2.FileSystemBytecodeCache(str(tmp_path_factory.mktemp("compiled")))


@pytest.fixture(autouse=True)
def no_compiling_twice(monkeypatch, compiled):
    """The same template is compiled once in a test run, instead of hundreds of times."""
    plain = render._environment

    def cached(*arguments):
        environment = plain(*arguments)
        environment.bytecode_cache = compiled
        return environment

    monkeypatch.setattr(render, "_environment", cached)


@pytest.fixture(autouse=True)
def no_second_process(request, monkeypatch):
    """Pages are made again in this process; a test marked ``second_process`` starts the real one."""
    if request.node.get_closest_marker("second_process") is None:
        monkeypatch.setattr(second_look, "start", lambda folder: deliverables.QuickLook())


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Job:
    """A job whose output is finished, with drawn pictures. Nobody may change it."""
    root = tmp_path_factory.mktemp("models")
    deliverables.write_model(root)
    job = deliverables.job_of(root)
    deliverables.make(job, pictures=True)
    return job


@pytest.fixture(scope="session")
def original_on_cpu(tmp_path_factory) -> Job:
    """The same without an NPU, in English."""
    root = tmp_path_factory.mktemp("models")
    deliverables.on_cpu(root)
    job = deliverables.job_of(root)
    deliverables.make(job, pictures=True, lang="en")
    return job


@pytest.fixture
def folder(original, tmp_path) -> Path:
    """A copy of the finished folder, to be spoilt."""
    return Path(shutil.copytree(original.output, tmp_path / "npu_deliverables"))


@pytest.fixture
def folder_on_cpu(original_on_cpu, tmp_path) -> Path:
    return Path(shutil.copytree(original_on_cpu.output, tmp_path / "npu_deliverables"))
