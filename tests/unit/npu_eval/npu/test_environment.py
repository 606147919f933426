from __future__ import annotations

import pytest

from npu_eval.notation.sources import CANN_VARIABLES, TORCH_NPU_VARIABLES
from npu_eval.npu.environment import DEFAULTS, SOURCES, settings, sources, unknown_names


@pytest.mark.parametrize(
    ("name", "value", "soc", "state"),
    [
        ("TASK_QUEUE_ENABLE", "1", "Ascend910B4", "default"),
        ("TASK_QUEUE_ENABLE", "2", "Ascend910B4", "changed"),
        ("INF_NAN_MODE_ENABLE", "1", "Ascend910B4", "default"),
        ("INF_NAN_MODE_ENABLE", "1", "Ascend310P3", "changed"),
        ("CPU_AFFINITY_CONF", "2", None, "changed"),
        ("TORCH_NPUGRAPH_GC", "0", "Ascend910B4", "default"),
        ("TORCH_NPU_COMPACT_ERROR_OUTPUT", "1", "Ascend910B4", "changed"),
        ("LCCL_DETERMINISTIC", "0", "Ascend910B4", "changed"),
        ("NPU_FP16_MATMUL", "1", "Ascend910B4", "unknown"),
    ],
)
def test_setting_a_default_changes_nothing_and_an_unknown_name_is_told(
    name: str, value: str, soc: str | None, state: str
) -> None:
    (found,) = settings({name: value}, soc)
    assert (found.name, found.value, found.state) == (name, value, state)


def test_variables_of_others_are_left_out() -> None:
    assert settings({"OMP_NUM_THREADS": "4", "LD_PRELOAD": "x.so"}, "Ascend910B4") == ()


def test_names_that_nobody_reads_are_found_and_secrets_are_not() -> None:
    environment = {
        "NPU_FP16_MATMUL": "1", "TORCH_NPU_FASTER": "yes", "ATB_LLM_TURBO": "on",
        **dict.fromkeys(DEFAULTS, "1"),
        "ASCEND_HOME_PATH": "/home/me/cann", "ASCEND_TOKEN": "abc", "NPU_API_KEY": "abc", "NPU_DELIVER_IMAGE": "x",
        "HCCL_IF_IP": "10.0.0.1", "NPU_NOTE": "two words", "PATH": "/bin",
    }  # fmt: skip
    assert unknown_names(environment) == ("ATB_LLM_TURBO", "NPU_FP16_MATMUL", "TORCH_NPU_FASTER")


def test_every_default_has_a_source_and_each_is_named_once() -> None:
    assert set(SOURCES) == set(DEFAULTS)
    recorded = {"TASK_QUEUE_ENABLE": "2", "HCCL_DETERMINISTIC": "true", "COMBINED_ENABLE": "1", "NPU_MADE_UP": "1"}
    assert sources(recorded) == (TORCH_NPU_VARIABLES, CANN_VARIABLES)
    assert sources({"NPU_MADE_UP": "1"}) == ()
