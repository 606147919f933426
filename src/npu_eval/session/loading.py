"""A network's weights: which file is meant, how it is loaded, and what the record says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from npu_eval.asked.spec import WEIGHTS_VARIABLE, EvalSpec, WeightsSpec
from npu_eval.errors import AdapterError
from npu_eval.models.adapter import Adapter, SupportsDefaultWeights, SupportsRenaming, calling
from npu_eval.models.checkpoint import loading as checkpoint
from npu_eval.models.checkpoint.sets import Rename
from npu_eval.process.secret_variables import masked
from npu_eval.process.visible import visible
from npu_eval.records.provenance import WeightsFacts
from npu_eval.records.stamps import SEEDED
from npu_eval.weights import fetch as weights


def load(network: nn.Module, adapter: Adapter, spec: EvalSpec, root: Path, say: Callable[[str], None]) -> WeightsFacts:
    """Load a network's weights, strictly, or keep its random ones where the spec says so.

    Args:
        root: the folder that relative paths start from.
        say: takes lines about progress.

    Raises:
        AdapterError, WeightsError: the weights cannot be had, or do not fit.
    """
    wanted = _named(adapter, spec)
    at_hand = os.environ.get(WEIGHTS_VARIABLE)  # already fetched by the tool that runs this script
    reference = wanted.source if at_hand is None or wanted.random else f"file:{at_hand}"
    fetched = weights.fetch(reference, sha256=wanted.sha256, base=root, say=say)
    if fetched is None:
        say(f"weights: {SEEDED}; every result of this run is stamped so")
        report = checkpoint.LoadReport(
            tensors=len(network.state_dict()),
            parameters=sum(p.numel() for p in network.parameters()),
            buffers=len(list(network.buffers())),
            missing=(),
            unexpected=(),
            mapping="none",
        )
    else:
        say(f"weights: {wanted.source}")
        report = checkpoint.load(
            network,
            fetched.path,
            mapping=wanted.mapping,
            source=wanted.source,
            ema=wanted.ema,
            rename=_renaming(adapter, spec.adapter),
        )
    for note in report.notes:
        say(f"weights: {visible(str(note))}")
    return WeightsFacts(
        source=masked(wanted.source),
        random=fetched is None,
        file=fetched.path.name if fetched else None,
        sha256=fetched.sha256 if fetched else None,
        sha256_fixed_before=wanted.sha256 is not None,
        size_bytes=fetched.size_bytes if fetched else None,
        mapping=report.mapping,
        tensors=report.tensors,
        parameters=report.parameters,
        missing_keys=tuple(report.missing),
        unexpected_keys=tuple(report.unexpected),
        notes=report.notes,
    )


def _named(adapter: Adapter, spec: EvalSpec) -> WeightsSpec:
    """The weights to load; ``default`` becomes what the adapter's library publishes for this model."""
    if spec.weights.source != "default":
        return spec.weights
    if not isinstance(adapter, SupportsDefaultWeights):
        raise AdapterError(
            "knows no default weights", where=spec.adapter, fix="name them in the spec or with --weights"
        )
    with calling(spec.adapter):
        return replace(spec.weights, source=adapter.default_weights())


def _renaming(adapter: Adapter, culprit: str) -> Rename | None:
    """The adapter's renaming of checkpoints under older names; what it raises names it."""
    if not isinstance(adapter, SupportsRenaming):
        return None

    def rename(state: Mapping[str, Any]) -> Mapping[str, Any]:
        with calling(culprit):
            return adapter.renamed(state)

    return rename
