"""The errors of this package. It may import nothing of the rest of the project, so they are its own.

    ValueError
    ├── UnknownModelError    a name that `build` does not know
    └── CheckpointError      a file that holds no usable weights

A message is one line that says what is wrong, where, and what to do.
"""

from __future__ import annotations


class UnknownModelError(ValueError):
    """The name is not one of the models of this package; the message lists those that are."""


class CheckpointError(ValueError):
    """The checkpoint cannot be read, needs more than tensors to unpickle, or holds values that are no weights."""
