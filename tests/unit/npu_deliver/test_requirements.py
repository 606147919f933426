"""What a model needs: names for an image, exact versions for the deliverable."""

import pytest

from deliverables import IMAGE, job_of, write_model
from npu_deliver import requirements
from npu_deliver.errors import SpecError
from npu_deliver.spec import Overrides, load


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
