"""What a data set record is. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.dataset.data import DatasetData, check_dataset
from npu_eval.experiments.dataset.log import dataset_lines
from npu_eval.experiments.dataset.values import values
from npu_eval.records.kind import Kind, Telling


def _lines(data: DatasetData, telling: Telling) -> list[str]:
    del telling
    return dataset_lines(data)


def _files(data: DatasetData) -> tuple[tuple[str, str], ...]:
    return ((data.results, data.results_sha256),)


KIND = Kind(
    name="dataset",
    title="Data set evaluation",
    log="dataset_eval.log",
    script=("evaluation/eval_dataset.py",),
    data=DatasetData,
    check=check_dataset,
    lines=_lines,
    values=values,
    files=_files,
    optional=True,
)
