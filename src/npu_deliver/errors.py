"""The error tree, with the exit code of the command that dies of it.

    DeliverError                70  base class (npu_eval.errors)
    ├── ConfigError              2  a flag or a file the user named is wrong
    │   └── SpecError            2  a spec.yaml is broken, has an unknown key, or asks for what does not exist
    ├── EngineError              3  the engine is absent or too old, or a build failed
    ├── DeviceError              4  the asked-for device is not there
    ├── AdapterError             5  the adapter is not found, breaks its contract or raises
    │   └── WeightsError         5  weights cannot be had, are not what was promised, or do not load strictly
    ├── StepError                6  a step timed out, died, or left no record
    ├── RenderError              7  an undefined name, None or a bare float in a template; an unexpanded placeholder
    ├── VerifyError              8  a folder contradicts itself
    └── RecordError              9  a record is unreadable, of another schema version, or of another spec

0 is success, 1 a result (everything ran and was rendered, a verdict is not PASS), 10 a result too (another version of
this tool made the folder, and this one derives or writes some of it otherwise), 70 a bug, 130 an interrupt.
"""

from __future__ import annotations

from npu_eval.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_NOT_PASSED,
    EXIT_OK,
    AdapterError,
    ConfigError,
    DeliverError,
    DeviceError,
    RecordError,
    WeightsError,
    nearest,
)

EXIT_OTHER_VERSION = 10
"""Nothing contradicts anything, but the folder is of another version, which says what this one does not derive."""

__all__ = [
    "EXIT_BUG",
    "EXIT_INTERRUPTED",
    "EXIT_NOT_PASSED",
    "EXIT_OK",
    "EXIT_OTHER_VERSION",
    "AdapterError",
    "ConfigError",
    "DeliverError",
    "DeviceError",
    "EngineError",
    "RecordError",
    "RenderError",
    "SpecError",
    "StepError",
    "VerifyError",
    "WeightsError",
    "from_exit_code",
    "nearest",
]


class SpecError(ConfigError):
    """A spec.yaml is broken, has an unknown key, or asks for what does not exist."""


class EngineError(DeliverError):
    """The engine is absent, too old, or failed to build an image."""

    exit_code = 3


class StepError(DeliverError):
    """A step timed out, died, or left no record."""

    exit_code = 6


class RenderError(DeliverError):
    """A template met an undefined name, None or a bare float, or left a placeholder in its text."""

    exit_code = 7


class VerifyError(DeliverError):
    """A folder contradicts itself, or its files are not those of its manifest."""

    exit_code = 8


_BY_CODE: dict[int, type[DeliverError]] = {
    cls.exit_code: cls for cls in (ConfigError, DeviceError, AdapterError, RecordError)
}


def from_exit_code(code: int, what: str, *, where: str) -> DeliverError:
    """The error of a script that died with an exit code of the tree; any other code is a StepError."""
    return _BY_CODE.get(code, StepError)(what, where=where)
