"""What adapters import comes through one door, and opening it loads no framework."""

import importlib
import subprocess
import sys

import pytest

from npu_eval import models


@pytest.mark.parametrize("name", models.__all__)
def test_each_name_is_that_of_its_module(name):
    home = importlib.import_module(f"npu_eval.models.{models._HOMES[name]}")
    assert getattr(models, name) is getattr(home, name)


def test_the_list_is_what_the_door_knows():
    assert set(models.__all__) == set(models._HOMES)
    with pytest.raises(AttributeError, match="has no attribute 'photo_batsh'"):
        _ = models.photo_batsh


def test_the_host_reads_names_of_photos_without_a_framework():
    code = "import sys, npu_eval.models.photo_files; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
