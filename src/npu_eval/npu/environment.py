"""The environment variables of torch_npu and CANN, with what holds on this SoC where they are not set.

Setting a variable to its default is no optimisation, and one that nobody reads is none either: a report has to tell
them apart. Names and defaults are those of torch_npu's list of environment variables (docs, `environment_variable`),
with CANN's own of HCCL and device visibility. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from npu_eval.notation.sources import ATB_VARIABLES, CANN_VARIABLES, TORCH_NPU_VARIABLES, Source
from npu_eval.process.secret_variables import is_secret

_OF_TORCH_NPU: dict[str, str | None] = {
    "ACL_DEVICE_SYNC_TIMEOUT": None,
    "ACL_OP_COMPILER_CACHE_DIR": None,
    "ACL_OP_COMPILER_CACHE_MODE": "enable",
    "ASCEND_LAUNCH_BLOCKING": "0",
    "COMBINED_ENABLE": "0",
    "CPU_AFFINITY_CONF": "0",
    "INDUCTOR_ASCEND_CHECK_ACCURACY": None,
    "INF_NAN_MODE_ENABLE": "1",
    "INF_NAN_MODE_FORCE_DISABLE": "0",
    "MULTI_STREAM_MEMORY_REUSE": "1",
    "NPU_ASD_CONFIG": None,
    "NPU_ASD_ENABLE": "0",
    "NPU_INDUCTOR_FALLBACK_LIST": None,
    "OOM_SNAPSHOT_ENABLE": "0",
    "PER_STREAM_QUEUE": "0",
    "PROF_CONFIG_PATH": None,
    "PYTORCH_NO_NPU_MEMORY_CACHING": "0",
    "PYTORCH_NPU_ALLOC_CONF": None,
    "STREAMS_PER_DEVICE": "32",
    "TASK_QUEUE_ENABLE": "1",
    "TORCHINDUCTOR_ENABLE_MFUSION": "0",
    "TORCHINDUCTOR_NPU_BACKEND": "default",
    "TORCHINDUCTOR_USE_AKG": "0",
    "TORCH_NPUGRAPH_GC": "0",
    "TORCH_NPU_COMPACT_ERROR_OUTPUT": "0",
    "TORCH_NPU_DEVICE_CAPABILITY": None,
    "TORCH_NPU_DISABLED_WARNING": None,
    "TORCH_NPU_FALLBACK_CPU_DISABLE": "0",
    "TORCH_NPU_LAZY_FUSION": "False",
    "TORCH_NPU_LEGACY_IMPL_LIST": None,
    "TORCH_NPU_LOGS": None,
    "TORCH_NPU_LOGS_FILTER": None,
    "TORCH_NPU_USE_COMPATIBLE_IMPL": "0",
    "TORCH_NPU_WARNING_DISABLE": None,
    "TORCH_TRANSFER_TO_NPU": "0",
}
_OF_CANN: dict[str, str | None] = {
    "ASCEND_RT_VISIBLE_DEVICES": None,
    "ASCEND_VISIBLE_DEVICES": None,
    "HCCL_DETERMINISTIC": "false",
}
_OF_ATB: dict[str, str | None] = {
    "ATB_LLM_LCOC_ENABLE": None,
    "ATB_MATMUL_SHUFFLE_K_ENABLE": "1",
    "LCCL_DETERMINISTIC": None,
}

DEFAULTS: dict[str, str | None] = _OF_TORCH_NPU | _OF_CANN | _OF_ATB
"""Known variable → its default; None where there is none, or where its source gives none."""

SOURCES: dict[str, Source] = {
    **dict.fromkeys(_OF_TORCH_NPU, TORCH_NPU_VARIABLES),
    **dict.fromkeys(_OF_CANN, CANN_VARIABLES),
    **dict.fromkeys(_OF_ATB, ATB_VARIABLES),
}
"""Known variable → where its default was read."""

_BEFORE_910B = ("Ascend910A", "Ascend910Pro", "Ascend310")
_DEFAULTS_BEFORE_910B = {"INF_NAN_MODE_ENABLE": "0"}
"""Older SoCs saturate, whatever the variable says (TORCH_NPU_VARIABLES, INF_NAN_MODE_ENABLE)."""

_FAMILY = re.compile(r"(ASCEND|TORCH_NPU|TORCH_NPUGRAPH|PYTORCH_NPU|NPU|HCCL|LCCL|ATB|ACL|TASK_QUEUE)_[A-Z0-9_]+")
_PLACES = re.compile(r".*(_PATH|_HOME|_DIR|_CONFIG|_FILE)|ASCEND_\w*LOG\w*|NPU_DELIVER_\w+|HCCL_(IF|SOCKET|CONNECT)\w*")
_PLAIN = re.compile(r"[\w.,:;=+-]{0,80}")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A variable that is set. ``state`` is ``default``, ``changed``, or ``unknown``: nobody is known to read it."""

    name: str
    value: str
    default: str | None
    state: str


def unknown_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that look as if torch_npu or CANN read them, and are not in the table: misspelt, made up, or newer.

    Paths and what may be secret are left out, because these names are written into reports with their values.
    """
    return tuple(
        sorted(
            name
            for name, value in environment.items()
            if name not in DEFAULTS
            and _FAMILY.fullmatch(name)
            and not _PLACES.fullmatch(name)
            and not is_secret(name, value)
            and _PLAIN.fullmatch(value)
        )
    )


def settings(environment: Mapping[str, str], soc: str | None) -> tuple[Setting, ...]:
    """What each recorded variable of torch_npu and CANN comes to on a SoC; variables of others are left out."""
    older = soc is not None and soc.startswith(_BEFORE_910B)
    defaults = DEFAULTS | (_DEFAULTS_BEFORE_910B if older else {})
    found = []
    for name in sorted(environment):
        if name not in DEFAULTS and not _FAMILY.fullmatch(name):
            continue
        default = defaults.get(name)
        state = "unknown" if name not in DEFAULTS else "default" if environment[name] == default else "changed"
        found.append(Setting(name=name, value=environment[name], default=default, state=state))
    return tuple(found)


def sources(environment: Mapping[str, str]) -> tuple[Source, ...]:
    """Where the defaults of the recorded variables were read, each once."""
    return tuple(dict.fromkeys(SOURCES[name] for name in sorted(environment) if name in SOURCES))
