"""A record around any experiment's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from npu_deliver.experiments.registry import KINDS
from npu_eval.asked.spec import EvalSpec
from npu_eval.records.record import Record
from samples.asked import eval_spec
from samples.circumstances import provenance

CODE_SHA256 = "c0de" * 16


def record(data: object, command: Sequence[str], *, spec: EvalSpec | None = None, **changes: Any) -> Record:
    wanted, kind = spec or eval_spec(), next(kind for kind in KINDS.values() if isinstance(data, kind.data))
    found = Record(
        spec_sha256=wanted.sha256,
        code_sha256=CODE_SHA256,
        command=tuple(command),
        started_at="2025-06-01T08:00:00+00:00",
        finished_at="2025-06-01T08:01:40+00:00",
        provenance=provenance(reference_device="cpu" if kind.needs_reference else None),
        of=kind,
        data=data,
    )
    return replace(found, **changes)
