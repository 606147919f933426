"""All quantities of a text, from its tables and its lines."""

from __future__ import annotations

from npu_deliver.lint.reading.markup.markdown import Structure
from npu_deliver.lint.reading.quantities.in_lines import from_lines
from npu_deliver.lint.reading.quantities.in_tables import from_tables
from npu_deliver.lint.reading.quantities.quantity import Quantities
from npu_deliver.lint.reading.quantities.surroundings import Surroundings


def quantities(file: str, structure: Structure) -> Quantities:
    """The quantities of a text."""
    out = Quantities()
    around = Surroundings(structure)
    from_tables(file, structure, around, out)
    from_lines(file, structure, around, out)
    return out
