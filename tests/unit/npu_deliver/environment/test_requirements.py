"""What a model needs: names for an image, exact versions for the deliverable."""

from pathlib import Path

import pytest

from deliverables import IMAGE, job_of, write_model
from npu_deliver.environment import requirements
from npu_deliver.errors import SpecError
from npu_deliver.review import intake
from npu_deliver.spec.spec import Overrides, load


def test_a_library_brings_what_it_needs(tmp_path):
    job = load("timm:resnet18", tmp_path, overrides=Overrides())
    assert requirements.names(job.spec) == ("torch", "numpy", "pillow", "torchvision", "timm", "safetensors")


def test_names_come_once_and_without_versions(tmp_path):
    write_model(tmp_path, requirements=["timm", "numpy"])
    assert requirements.names(job_of(tmp_path).spec) == ("torch", "numpy", "pillow", "timm")


def test_versions_are_those_of_the_environment_without_a_build_label(tmp_path):
    write_model(tmp_path, requirements=["timm"])
    text = requirements.pinned(job_of(tmp_path).spec, IMAGE)
    assert text == "torch==2.7.1\nnumpy==2.2.6\npillow==11.3.0\ntimm==1.0.20\n"


def test_what_the_platform_supplies_is_refused_before_an_image_is_built(tmp_path):
    write_model(tmp_path, requirements=["torch-npu"])
    with pytest.raises(SpecError, match="the platform supplies it"):
        requirements.names(job_of(tmp_path).spec)


def test_a_server_needs_one_package_more_and_the_image_does_not_have_it(tmp_path):
    write_model(tmp_path, serve=True)
    spec = job_of(tmp_path).spec
    assert requirements.pinned(spec, IMAGE) == f"torch==2.7.1\nnumpy==2.2.6\npillow==11.3.0\n{requirements.SERVER}\n"
    assert requirements.names(spec) == ("torch", "numpy", "pillow")


def test_the_server_is_the_one_that_is_tested_and_a_rerun_may_install_it():
    constraints = Path(__file__).parents[4] / "requirements/constraints.txt"
    assert requirements.SERVER in constraints.read_text(encoding="utf-8").splitlines()
    assert requirements.SERVER.partition("==")[0] in intake.KNOWN_PACKAGES
