"""Which experiments there are: the one list, in the order in which they run. A new one is a line here.

Reading what they stored goes through here too, since a record is read as one of these kinds.
"""

from __future__ import annotations

from pathlib import Path

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.dataset.kind import KIND as DATASET
from npu_eval.experiments.inference.kind import KIND as INFERENCE
from npu_eval.experiments.localisation.kind import KIND as LOCALISATION
from npu_eval.experiments.optimisation.kind import KIND as OPTIMISATION
from npu_eval.experiments.performance.kind import KIND as PERFORMANCE
from npu_eval.experiments.precision.kind import KIND as PRECISION
from npu_eval.experiments.training.kind import KIND as TRAINING
from npu_eval.records import record
from npu_eval.records.kind import Kind
from npu_eval.records.record import Record

_ALL = (INFERENCE, PRECISION, PERFORMANCE, TRAINING, OPTIMISATION, DATASET, LOCALISATION)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""Name → kind, in the order in which they run."""

OPTIONAL = tuple(kind.name for kind in _ALL if kind.optional)
"""Experiments that no spec.json asks for, and that a folder may hold or not."""


def asked(spec: EvalSpec) -> tuple[str, ...]:
    """The experiments that a spec asks for, each of which leaves a record."""
    return tuple(kind.name for kind in _ALL if not kind.optional and kind.asked(spec))


def read_record(path: Path, *, spec_sha256: str | None = None) -> Record:
    """A stored record; with ``spec_sha256``, only if it was made under that spec.

    Raises:
        RecordError: absent, unreadable, of another schema version, of an unknown kind, or of another spec.
    """
    return record.read_record(path, _ALL, spec_sha256=spec_sha256)


def parse_record(text: str, where: str) -> Record:
    """A record from its JSON text.

    Raises:
        RecordError: not JSON, another schema version, an unknown kind, or a field that is wrong.
    """
    return record.parse_record(text, where, _ALL)
