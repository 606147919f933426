"""A small HTTP server for the model: POST a photo, get what the model says of it as JSON; GET /health tells who it is.

Started by a deliverable's ``deploy.sh`` in `isolation`. One photo at a time, in a thread of its own,
behind uvicorn and a bounded queue. It opens its port only when the model is loaded and has answered once, so that an
answering port means a working model.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from npu_eval.asked.spec import WEIGHTS_VARIABLE, WeightsSpec, read_spec_file
from npu_eval.errors import EXIT_OK, ConfigError
from npu_eval.experiments.inference import run as inference
from npu_eval.jsonio import file_sha256
from npu_eval.models.checkpoint.file import TORCH_SUFFIXES
from npu_eval.serving.http_app import App, Reply, replying
from npu_eval.serving.inference_queue import InferenceQueue
from npu_eval.serving.photo_requests import PhotoRequest
from npu_eval.serving.served_model import ServedModel
from npu_eval.session.endings import guarded
from npu_eval.session.script import open_context, say_to_stderr
from npu_eval.weights import shards


def weights_in(path: Path, wanted: WeightsSpec) -> Path:
    """The weights file in what the platform downloaded: the path itself, or the one of its folder that the spec names.

    Raises:
        ConfigError: nothing is there, or nothing tells which of several files it is.
    """
    if path.is_file():
        return path
    found = _weights_files(path)
    name = wanted.source.rpartition("/")[2].rpartition(":")[2]
    chosen = [p for p in found if p.name == name] or found
    if wanted.sha256 is not None and len(chosen) != 1:
        chosen = [p for p in found if _sha256(p) == wanted.sha256]
    if len(chosen) != 1:
        what = f"{len(found)} weights files are here, and none of them is told apart as {name}"
        raise ConfigError(what if found else "there is no weights file", where=str(path), fix="name the file itself")
    return chosen[0]


def _weights_files(folder: Path) -> list[Path]:
    """The weights below a folder; an index stands for the files that it names."""
    suffixes = (".safetensors", *TORCH_SUFFIXES)
    files = [p for p in folder.rglob("*") if p.is_file() and (p.suffix.lower() in suffixes or shards.is_index(p))]
    named = {file for p in files if shards.is_index(p) for file in shards.read_index(p).files}
    return sorted(p for p in files if p not in named)


def _sha256(path: Path) -> str:
    return shards.read_index(path).sha256 if shards.is_index(path) else file_sha256(path)


class _Stopped(BaseException):
    """A signal came before the port was open."""


def _stop(number: int, frame: object) -> None:
    del frame
    signal.signal(number, signal.SIG_DFL)  # the second one ends the process at once
    raise _Stopped


def say(text: str) -> None:
    """Tell a person what is being done; where nobody can be told any more, the server goes on."""
    with contextlib.suppress(OSError, ValueError):
        say_to_stderr(text)


def main(root: Path, argv: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it; returns the exit code (see `errors`)."""
    arguments = _parse(argv)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    folder = Path(tempfile.mkdtemp(prefix="npu-serving-"))
    try:
        return guarded(lambda: _serve(root, arguments, folder))
    except _Stopped:
        return EXIT_OK
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", help="the weights file or the folder that holds it (default: what spec.json says)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine alone)")
    parser.add_argument("--port", type=_port, default=8000, help="default: 8000; 0: any that is free")
    parser.add_argument("--device", help="auto, cpu, cuda:0, npu:0 … (default: what spec.json says)")
    parser.add_argument(
        "--min-score", type=float, default=inference.MIN_SCORE, help="of a detector: tell objects from it"
    )
    return parser.parse_args(argv)


def _serve(root: Path, arguments: argparse.Namespace, folder: Path) -> int:
    http_server = _server_library()
    spec = read_spec_file(root / "spec.json").evaluation
    with contextlib.closing(http_server.bound(arguments.host, arguments.port)) as opened:  # told before the model loads
        if arguments.weights:
            os.environ[WEIGHTS_VARIABLE] = str(weights_in(Path(arguments.weights).absolute(), spec.weights))
        context = open_context(root, spec, device=arguments.device or spec.candidate.device, say=say_to_stderr)
        model = ServedModel(context, arguments.min_score, folder)
        queue: InferenceQueue[PhotoRequest, Reply] = InferenceQueue(replying(model, say), first=model.warm_up)
        try:
            queue.ready.result()
            http_server.listen(opened, arguments.host)
            server = http_server.Server(
                App(model.facts, queue),
                most=_connections(http_server.MAX_CONNECTIONS),
                opened=lambda: _tell(http_server.address_of(opened), opened.getsockname()[0]),
                at_once=lambda: shutil.rmtree(folder, ignore_errors=True),
            )
            server.run(sockets=[opened])
            say("stopped")
        finally:
            queue.close()
    return EXIT_OK


def _leave(code: int) -> NoReturn:
    """End the process without the interpreter's own end, which aborts beside a thread that computes in torch and takes
    seconds to unload it on a busy machine.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def _server_library() -> ModuleType:
    """The module that needs uvicorn, which is a requirement of deliverables that serve, and of no other."""
    try:
        from npu_eval.serving import http_server
    except ModuleNotFoundError as error:
        fix = "python3 -m pip install uvicorn (requirements.txt has its version)"
        raise ConfigError(f"the Python package '{error.name}' is not installed", where="serving", fix=fix) from error
    return http_server


def _connections(most: int) -> int:
    """How many clients may be connected at once: half of the files that the process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return most
    wanted = 4 * most if hard == resource.RLIM_INFINITY else min(hard, 4 * most)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        soft = max(soft, wanted)
    return max(1, min(most, soft // 2))


def _tell(address: str, host: str) -> None:
    if not ipaddress.ip_address(host).is_loopback:
        say(f"listening at {host}: every machine that reaches this one can ask, without a password")
    say(f"serving on http://{address}")


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port: 0 to 65535")
    return number


if __name__ == "__main__":
    _leave(main(Path(__file__).resolve().parents[2]))
