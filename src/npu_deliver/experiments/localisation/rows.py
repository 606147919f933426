"""The table rows in which the numbers of a localisation may stand. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.localisation.summary import Localisation
from npu_deliver.experiments.localisation.words import located
from npu_deliver.experiments.part import Rows
from npu_deliver.words import LANGUAGES


def rows(found: Localisation, device: str) -> Rows:
    """A row for each output, and for each of the worst operators."""
    del device
    for output in found.outputs:
        yield (output.output,), output
    for row in found.worst:
        yield (row.module,), row, [located(row.cause, lang) for lang in LANGUAGES]
