"""What is called like a secret goes to nobody; what only sounds like one stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.secret_variables import is_secret, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "GITHUB_TOKEN",
        "CI_JOB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "CLIENT_SECRETS",
        "OPENAI_API_KEY",
        "APIKEY",
        "SIGN_KEY",
        "OBS_AK",
        "OBS_SK",
        "HUAWEICLOUD_SDK_AK",
        "CLOUD_SDK_SK",
        "AK",
        "SK",
        "ROOT_PASSWD",
        "PGPASSWORD",
        "DB_PASS",
        "MYSQL_PWD",
        "SSH_AUTH_SOCK",
        "AUTHORIZATION",
        "X_SIGN",
        "URL_SIGNATURE",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "SESSION_COOKIE",
        "hf_token",
        "GPG_PASSPHRASE",
    ],
)
def test_secrets_are_known_by_their_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "PWD",
        "OLDPWD",
        "LD_LIBRARY_PATH",
        "ASCEND_HOME_PATH",
        "TASK_QUEUE_ENABLE",
        "HCCL_WHITELIST_DISABLE",
        "TOKENIZERS_PARALLELISM",
        "DESIGN",
        "SIGNAL_FILE",
        "KEYBOARD",
        "MONKEYS_AND_MORE",
        "OMP_NUM_THREADS",
        "TASK",
        "SKIP",
        "PYTORCH_NPU_ALLOC_CONF",
        "http_proxy",
    ],
)
def test_what_only_sounds_like_one_stays(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("value", ["http://me:hush@proxy:3128", "https://token@index.example/simple"])
def test_an_address_with_a_password_is_one_under_any_name(value: str) -> None:
    assert without_secrets({"https_proxy": value, "PLAIN": "http://proxy:3128"}) == {"PLAIN": "http://proxy:3128"}


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=6), st.text("ABC_", max_size=8))
def test_nothing_but_secrets_is_taken_away(environment: dict[str, str], head: str) -> None:
    left = without_secrets({**environment, f"{head}_TOKEN": "hush", f"{head}_SK": "hush"})
    assert left == {name: value for name, value in environment.items() if name in left}
    assert not any(is_secret(name, value) for name, value in left.items())
