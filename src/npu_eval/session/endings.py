"""How a script of a deliverable ends: a marked line that says why it dies, and the exit code of `errors`."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from npu_eval.device.device import is_out_of_memory
from npu_eval.errors import (
    ERROR_MARK,
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_NOT_PASSED,
    EXIT_OK,
    ConfigError,
    DeliverError,
    DeviceError,
)
from npu_eval.process import streams
from npu_eval.process.secret_variables import masked
from npu_eval.process.shadows import shadow_in
from npu_eval.process.visible import visible, visible_line


def guarded(script: Callable[[], int]) -> int:
    """A script's exit code; an error becomes the marked line that says why it died, and its code.

    What its standard streams do not take is lost and changes nothing, unless it is the result of a script by hand.
    """
    streams.take_over()
    try:
        code = script()
    except KeyboardInterrupt:
        return _die("interrupted", EXIT_INTERRUPTED)
    except DeviceError as error:
        return _die(str(error), error.exit_code)
    except OSError as error:
        place = error.filename or "file system"
        return _die(f"{place}: {error.strerror or error}; free space or use another folder", ConfigError.exit_code)
    except Exception as error:  # noqa: BLE001  the last line of defence: a bug is reported as one
        return _told(error)
    lost = streams.lost_output()
    if lost is not None and code in (EXIT_OK, EXIT_NOT_PASSED):
        return _die(f"standard output: {lost.strerror}; what was found is not printed", ConfigError.exit_code)
    return code


def _told(error: Exception) -> int:
    """Say why a script died of an exception; its exit code."""
    if is_out_of_memory(error):
        full = DeviceError(f"the memory is full ({_first_line(error)})", fix="free memory, or use smaller batch sizes")
        return _die(str(full), full.exit_code)
    trace = masked("".join(traceback.format_exception(error)))
    hidden = shadow_in(trace, [entry for entry in sys.path if entry])
    if isinstance(error, DeliverError):
        return _die(f"{error}; {hidden.what}; {hidden.fix}" if hidden else str(error), error.exit_code)
    sys.stderr.write(visible(trace))
    if hidden is not None:
        return _die(f"{hidden.what} ({type(error).__name__}); {hidden.fix}", ConfigError.exit_code)
    bug = DeliverError(f"this is a bug in npu-deliver, please report it: {type(error).__name__}: {error}")
    return _die(str(bug), EXIT_BUG)


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _die(reason: str, code: int) -> int:
    sys.stderr.write(f"{ERROR_MARK}{visible_line(masked(reason))}\n")
    return code
