"""What is called like a secret goes to nobody; what only sounds like one stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.process.secret_variables import HIDDEN, is_secret, masked, without_secrets


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
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_ACCESS_KEY",
        "SecretAccessKey",
        "AccessKeyId",
        "securityToken",
        "ACCESSKEY",
        "HUAWEICLOUD_SDK_SECURITY_TOKEN",
        "OBS_ACCESS_KEY_ID",
        "MODELARTS_AK",
        "DB_PASSWD",
        "SERVICE_AUTH",
        "OAUTH_CLIENT",
        "REQUEST_SIGN",
        "X-Obs-Signature",
        "sig",
        "SLACK_WEBHOOK_URL",
        "WANDB_API_KEY",
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
        "HCCL_CONNECT_TIMEOUT",
        "HCCL_ALGO",
        "ASCEND_RT_VISIBLE_DEVICES",
        "ASCEND_GLOBAL_LOG_LEVEL",
        "TASK_ID",
        "SKIP_TESTS",
        "MONKEY",
        "TURKEY",
        "MAX_TOKENS",
        "NUM_NEW_TOKENS",
        "TOKENIZE",
        "GIT_AUTHOR_NAME",
        "AUTHOR",
        "ASSIGNED_CARDS",
        "SIGNIFICANT_DIGITS",
        "RESIGNED",
        "MASK",
        "BREAK",
        "COMPASS",
        "PATTERN",
        "SPATIAL",
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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from http://me:hush@proxy:3128/x", "from http://***@proxy:3128/x"),
        ("--index-url https://__token__:pypi-Ag@host/simple", "--index-url https://***@host/simple"),
        ("https://h/x?AWSAccessKeyId=AKIA&Expires=1&Signature=a%2Fb%3D", "https://h/x?AWSAccessKeyId=***&Expires=1&Signature=***"),
        ("https://h/x?X-Amz-Credential=a%2Fb&X-Amz-Date=1&X-Amz-Signature=ff", "https://h/x?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=***"),
        ("https://obs.h/x?AccessKeyId=HST&x-obs-security-token=gg", "https://obs.h/x?AccessKeyId=***&x-obs-security-token=***"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer ***"),
        ("export HUAWEICLOUD_SDK_SK=hush", "export HUAWEICLOUD_SDK_SK=***"),
        ("tool --password=hush x", "tool --password=*** x"),
        ('{"SecretAccessKey": "hush"}', '{"SecretAccessKey": "***"}'),
        ("the value is 0123456789abcdef!", "the value is ***!"),
    ],
)  # fmt: skip
def test_a_text_keeps_all_but_its_secrets(text: str, wanted: str) -> None:
    assert masked(text, {"HF_TOKEN": "0123456789abcdef"}) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'backbone.conv1.weight'",
        "unexpected keys=3, key=value",
        "https://host/owner/repo@main/file.pth?download=true",
        "hf:owner/repo@0123abc/model.safetensors",
        "git+https://host/x.git@v1",
        "signal=9 design=flat assign=1 author=me",
        "batch=1, tokens=197, TASK_QUEUE_ENABLE=2",
        "python evaluation/eval_precision.py --device npu:0 --save evaluation",
        "relative_l2 <= 0.01: worst 4.1e-08",
        "basic blocks, bearer of news",
    ],
)
def test_an_honest_text_stays(text: str) -> None:
    assert masked(text, {"HF_TOKEN": "short", "SSH_AUTH_SOCK": "/tmp", "PATH": "relative_l2"}) == text


@given(st.text(max_size=60), st.text("abcdefgh0123456789", min_size=8, max_size=20))
def test_no_value_of_a_secret_variable_is_left(text: str, secret: str) -> None:
    hidden = masked(f"{text}{secret}{text}", {"OBS_SK": secret})
    assert secret not in hidden
    assert HIDDEN in hidden
    assert masked(hidden, {"OBS_SK": secret}) == hidden
