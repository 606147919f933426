"""The evaluation on a data set as a step."""

from __future__ import annotations

from dataclasses import replace

from npu_deliver.environment.step import Mount, Step
from npu_deliver.spec.spec import Spec
from npu_eval.asked.spec import AGAINST_VARIABLE, DATA_VARIABLE


def wanted(spec: Spec) -> bool:
    """Whether a spec names a data set."""
    return spec.dataset is not None


def completed(step: Step, spec: Spec) -> Step:
    """The evaluation on a data set, with what of it is asked for and where it lies."""
    data = spec.dataset
    if data is None:
        return step
    asked = [] if data.limit is None else ["--limit", str(data.limit)]
    asked += [] if data.annotations is None else ["--annotations", data.annotations]
    asked += [] if data.protocol is None else ["--protocol", data.protocol]
    asked += ["--cross-check"] if data.cross_check else []
    mounts = [Mount(source=data.path, variable=DATA_VARIABLE)]
    mounts += [] if data.against is None else [Mount(source=data.against, variable=AGAINST_VARIABLE)]
    return replace(step, command=(*step.command[:2], *asked, *step.command[2:]), mounts=(*step.mounts, *mounts))
