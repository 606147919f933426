"""Experiment `dataset`: COCO box and mask AP of a detector, top-1 and top-5 of a classifier, on a data set at hand."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from npu_eval.asked.layout import Layout
from npu_eval.asked.spec import AGAINST_VARIABLE, DATA_VARIABLE
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.experiments.dataset.data import DatasetData
from npu_eval.experiments.dataset.image_run import Task
from npu_eval.experiments.dataset.kind import KIND
from npu_eval.jsonio import TEMPORARY_PREFIX
from npu_eval.models.adapter import SupportsClassification, SupportsDetection, SupportsDirectDetection
from npu_eval.models.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from npu_eval.session.script import Context

__all__ = ["DESCRIPTION", "KIND", "add_arguments", "run"]

DESCRIPTION = """Evaluate the model on a data set: COCO box and mask AP for detectors, top-1 and top-5 for classifiers.

example: python %(prog)s --data /path/to/coco2017 --limit 100 --device auto"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--data`` and what of it, and how the result is checked."""
    parser.add_argument("--data", type=Path, help="the folder of the data set, which is only read")
    parser.add_argument("--annotations", type=Path, help="its annotation file in it, where there are several")
    parser.add_argument("--limit", type=_positive, help="the first so many images (default: all)")
    parser.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        help=f"which answers are detections, of a model of many words (default: {DEFAULT_PROTOCOL})",
    )
    parser.add_argument(
        "--cross-check", action="store_true", help="ask pycocotools too (up to 500 images it is asked anyway)"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="the dataset.jsonl of another run on the same images, to compare with",
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep the results here; the same command goes on after a break"
    )


def run(context: Context, arguments: argparse.Namespace) -> DatasetData:
    """Evaluate on the data set; goes on where a run that was cut short ended.

    Raises:
        ConfigError: no data set was named, it is laid out otherwise, a package is missing, or a flag does not fit.
        AdapterError: the adapter's outputs can be evaluated on no data set, or it raised.
    """
    given = arguments.data or os.environ.get(DATA_VARIABLE)
    if given is None:
        raise ConfigError("no data set was named", where="--data", fix="give --data /path/to/the/folder")
    data, against = Path(given), arguments.against or os.environ.get(AGAINST_VARIABLE)
    with _results(arguments, context.layout) as results:
        task = Task(
            context=context,
            data=data,
            annotations=None if arguments.annotations is None else data / arguments.annotations,
            limit=arguments.limit,
            cross_check=arguments.cross_check,
            against=None if against is None else Path(against),
            results=results,
            protocol=_protocol(context, arguments.protocol),
        )
        if isinstance(context.adapter, SupportsDetection):
            return _evaluate("npu_eval.experiments.dataset.detection", task)
        if isinstance(context.adapter, SupportsClassification):
            return _evaluate("npu_eval.experiments.dataset.classification", task)
    raise AdapterError(
        "can be evaluated on no data set: it gives neither detections() nor class_output",
        where=context.spec.adapter,
        fix="see docs/how-to/data-sets.md",
    )


def _protocol(context: Context, named: str | None) -> str | None:
    """The protocol under which detections are listed; None where the adapter lists them itself.

    Raises:
        ConfigError: one was named, and the adapter lists them itself.
    """
    if isinstance(context.adapter, SupportsDirectDetection):
        return named or DEFAULT_PROTOCOL
    if named is not None:
        raise ConfigError(
            "the adapter has a list of detections of its own", where="--protocol", fix="leave --protocol out"
        )
    return None


def _evaluate(module: str, task: Task) -> DatasetData:
    try:
        found: DatasetData = importlib.import_module(module).evaluate(task)
    except ModuleNotFoundError as error:  # the evaluators are requirements of such deliverables alone
        raise ConfigError(
            f"the Python package '{error.name}' is not installed",
            where="eval_dataset",
            fix="pip install pycocotools hotcoco",
        ) from error
    return found


@contextlib.contextmanager
def _results(arguments: argparse.Namespace, layout: Layout) -> Iterator[Path]:
    """The file of the results: kept with the record, or in the named folder, else for this run alone."""
    kept = arguments.work if arguments.save is None else arguments.save / layout.below_home("evaluation/results")
    if kept is not None:
        for left in kept.glob(f"{TEMPORARY_PREFIX}*/"):  # of a run that was killed
            shutil.rmtree(left)
        yield kept / "dataset.jsonl"
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "dataset.jsonl"


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
