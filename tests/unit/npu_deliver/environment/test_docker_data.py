"""The Dockerfile and its data are found where they lie."""

import pytest

from npu_deliver.environment import docker_data
from npu_deliver.errors import ConfigError


def test_an_installation_without_the_dockerfile_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(docker_data, "__file__", str(tmp_path / "a/b/environment/docker_data.py"))
    with pytest.raises(ConfigError, match="the Dockerfile is missing; reinstall"):
        docker_data.docker_folder()
    (tmp_path / "a/b/_docker").mkdir(parents=True)
    (tmp_path / "a/b/_docker/images.toml").touch()
    assert docker_data.docker_folder() == tmp_path / "a/b/_docker"


def test_a_table_is_what_its_file_holds():
    assert docker_data.table("images.toml")["default_registry"] in docker_data.table("images.toml")["registries"]
