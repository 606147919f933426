"""Which experiments there are: the one list, in the order in which they run. A new one is a line here.

Reading what they stored goes through here too, since a record is read as one of these kinds.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from npu_deliver.experiments.dataset.part import PART as DATASET
from npu_deliver.experiments.inference.part import PART as INFERENCE
from npu_deliver.experiments.localisation.part import PART as LOCALISATION
from npu_deliver.experiments.optimisation.part import PART as OPTIMISATION
from npu_deliver.experiments.part import Part
from npu_deliver.experiments.performance.part import PART as PERFORMANCE
from npu_deliver.experiments.precision.part import PART as PRECISION
from npu_deliver.experiments.training.part import PART as TRAINING
from npu_eval.asked.spec import EvalSpec
from npu_eval.records import record
from npu_eval.records.kind import Kind
from npu_eval.records.record import Record

_ALL = (INFERENCE, PRECISION, PERFORMANCE, TRAINING, OPTIMISATION, DATASET, LOCALISATION)

PARTS: dict[str, Part] = {part.kind.name: part for part in _ALL}
"""Name → what the host makes of it, in the order in which they run."""

KINDS: dict[str, Kind] = {name: part.kind for name, part in PARTS.items()}
"""Name → kind, in the order in which they run."""

OPTIONAL = tuple(name for name, kind in KINDS.items() if kind.optional)
"""Experiments that no spec.json asks for, and that a folder may hold or not."""

SECTIONS = Path(__file__).parent
"""Where an experiment's section of a page lies: ``<experiment>/section.<language>.md.j2``, which the page includes."""


def asked(spec: EvalSpec) -> tuple[str, ...]:
    """The experiments that a spec asks for, each of which leaves a record."""
    return tuple(name for name, kind in KINDS.items() if not kind.optional and kind.asked(spec))


def read_record(path: Path, *, spec_sha256: str | None = None) -> Record:
    """A stored record; with ``spec_sha256``, only if it was made under that spec.

    Raises:
        RecordError: absent, unreadable, of another schema version, of an unknown kind, or of another spec.
    """
    return record.read_record(path, KINDS.values(), spec_sha256=spec_sha256)


def parse_record(text: str, where: str) -> Record:
    """A record from its JSON text.

    Raises:
        RecordError: not JSON, another schema version, an unknown kind, or a field that is wrong.
    """
    return record.parse_record(text, where, KINDS.values())


def halves(module: str) -> dict[str, ModuleType]:
    """Name → a module of an experiment's folder here, of those that have one: its ``words``, ``pictures`` or ``step``.

    It is loaded only when asked for: pictures bring matplotlib, which the verifier does without.
    """
    found = {name: f"{__package__}.{name}.{module}" for name in PARTS}
    return {name: importlib.import_module(full) for name, full in found.items() if importlib.util.find_spec(full)}
