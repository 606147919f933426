"""`python -m npu_deliver`: the command line, where the console script is not on the path.

Python looks for modules in the folder where that is typed, which may be a model's with a `random.py` of its own, and in
the folders of PYTHONPATH. A library that is hidden by such a file is told in a line, as is one that is broken.
"""

import sys
from pathlib import Path


def main() -> None:
    """The command line, once its libraries are there."""
    try:
        from npu_deliver import cli
    except Exception as error:  # noqa: BLE001  whatever a hidden or a broken library raises
        _die(error)
    cli.main()


def _die(error: Exception) -> None:
    why = f"the libraries of npu-deliver do not load ({type(error).__name__}: {error}); `make setup` installs them"
    try:
        import traceback

        from npu_eval.process.shadows import shadow_in

        trace = "".join(traceback.format_exception(error))
        hidden = shadow_in(trace, [entry for entry in sys.path if entry])
        if hidden is not None:
            why = f"{hidden.what} ({type(error).__name__}); {hidden.fix}"
    except Exception as second:  # noqa: BLE001  the hidden library is one that the answer needs
        why = f"{why} ({type(second).__name__})"
    sys.stderr.write(f"npu-deliver: {' '.join(why.split())}\n")
    raise SystemExit(3)  # npu_deliver.errors may be what does not load


if __name__ == "__main__":
    if sys.path and Path(sys.path[0]).resolve() == Path.cwd() != Path(__file__).resolve().parents[1]:
        del sys.path[0]
    main()
