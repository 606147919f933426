"""The command line: the commands put together, and errors as one line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

from npu_deliver import log
from npu_deliver.commands import auditing, judging, linting, making, operators, reading, referencing, reproducing
from npu_deliver.commands.saying import say
from npu_deliver.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, ConfigError, DeliverError, DeviceError, EngineError
from npu_eval.process import streams
from npu_eval.process.secret_variables import masked
from npu_eval.process.shadows import shadow_in
from npu_eval.process.visible import visible, visible_line

app = typer.Typer(
    help="Complete, honest, reproducible deliverables for vision models ported to Ascend NPUs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _tell_version(asked: bool) -> None:
    if asked:
        from npu_deliver.release import versions

        say(versions.named(versions.current()))
        raise typer.Exit


@app.callback()
def _set_up(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is")
    ] = False,
) -> None:
    log.set_up(verbose=verbose)


COMMANDS = (
    making.deliver,
    making.plan,
    making.image,
    making.stage,
    making.run,
    making.optimise,
    making.locate,
    making.report,
    referencing.reference,
    reading.verify,
    reading.compare,
    judging.judge,
    auditing.audit,
    linting.lint,
    reproducing.rerun,
    reproducing.doctor,
    operators.ops,
    reading.models,
    reading.schema,
)
for _command in COMMANDS:
    app.command()(_command)


def main() -> None:
    """Entry point: errors become one line and an exit code, as `errors` draws them."""
    _in_utf8()
    streams.take_over()
    with _as_exit_codes():
        app(prog_name="npu-deliver")


def _in_utf8() -> None:
    """Begin again where names of files are not UTF-8 (a POSIX locale, `PYTHONUTF8=0`): a photo may be 红.jpg."""
    if sys.getfilesystemencoding().lower() not in ("utf-8", "utf8") and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  this very command


@contextlib.contextmanager
def _as_exit_codes() -> Iterator[None]:
    try:
        yield
    except DeliverError as error:
        _die(str(error), error.exit_code)
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and stop.code != EXIT_INTERRUPTED:  # typer turns Ctrl-C into this code
            _leave(stop)
        _die("interrupted; finished steps are kept, the same command goes on from there", EXIT_INTERRUPTED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _die(
            f"{place}{error.strerror or error}; free space, mend permissions, or name another folder with --output",
            ConfigError.exit_code,
        )
    except MemoryError:
        _die("the memory is full; free some, finished steps are kept", DeviceError.exit_code)
    except Exception as error:  # noqa: BLE001  the last line of defence: a bug is reported as one
        told = masked(traceback.format_exc())
        hidden = shadow_in(told, [entry for entry in sys.path if entry])
        if hidden is not None:
            _die(f"{hidden.what} ({type(error).__name__}); {hidden.fix}", EngineError.exit_code)
        sys.stderr.write(visible(told))
        _die("this is a bug in npu-deliver; please report it with the lines above", EXIT_BUG)


def _leave(stop: SystemExit) -> NoReturn:
    """End with the command's own code, unless it was good and what it printed did not arrive."""
    lost = streams.lost_output()
    if lost is not None and stop.code in (None, EXIT_OK):
        _die(
            f"standard output: {lost.strerror}; the result is not printed, nothing else is lost", ConfigError.exit_code
        )
    raise stop


def _die(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"npu-deliver: {visible_line(masked(message))}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
