"""A small HTTP server for the model: POST a photo, get what the model says of it as JSON; GET /health tells who it is.

Started by a deliverable's ``deploy.sh`` as ``python -m npu_eval.serving``. The standard library's server, one call of
the model at a time: it is there to show that the port answers, not to carry load. It opens its port only when the model
is loaded and has answered once, so that an answering port means a working model.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from torch import nn

from npu_eval import inference, shards
from npu_eval.checkpoint_file import TORCH_SUFFIXES
from npu_eval.config import WEIGHTS_VARIABLE, WeightsSpec, read_spec_file
from npu_eval.errors import ERROR_MARK, EXIT_OK, ConfigError, DeliverError
from npu_eval.jsonio import file_sha256, to_json
from npu_eval.session import Context, open_context, say_to_stderr
from npu_eval.stamps import stamps_for

MAX_BYTES = 32 * 2**20
"""Of one request: a photo of a large camera has about 20 MiB."""

STALLED_S = 30.0
"""Seconds for which a client may say nothing, so that one that hangs does not keep its thread for ever."""


class RefusedError(Exception):
    """A request that gets no prediction: the HTTP status and why."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


_USAGE = "GET /health, or POST a photo to /predict"


class Model:
    """The loaded model. ``predict`` may be called from any thread; calls wait for each other."""

    def __init__(self, context: Context, min_score: float) -> None:
        self._context = context
        self._min_score = min_score
        self._network: nn.Module = context.model(context.spec.candidate, context.device.name)
        self._lock = threading.Lock()
        stamps = stamps_for(context.device.facts(), random_weights=context.weights.random, replayed=False)
        self.facts: dict[str, Any] = {
            "model": context.spec.name, "task": context.spec.task, "device": context.device.name,
            "weights_sha256": context.weights.sha256, "stamps": [str(stamp) for stamp in stamps],
        }  # fmt: skip

    def predict(self, photo: bytes) -> dict[str, Any]:
        """What the model says of a photo, with the seconds that it took.

        Raises:
            ConfigError: the bytes are no readable image.
            AdapterError: the adapter raised.
        """
        with tempfile.TemporaryDirectory(prefix="npu-serving-") as folder, self._lock:
            path = Path(folder) / "photo"
            path.write_bytes(photo)
            started = time.perf_counter()
            predictions, _ = inference.predict(self._context, self._network, path, self._min_score)
            seconds = time.perf_counter() - started
        return {**self.facts, "seconds": seconds, "predictions": to_json(predictions)}


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


class Server(ThreadingHTTPServer):
    """A server of one model, bound when it is made.

    Raises:
        ConfigError: the port is taken or may not be used.
    """

    daemon_threads = True

    def __init__(self, model: Model, host: str, port: int) -> None:
        self.model = model
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise ConfigError(f"the port cannot be opened ({error.strerror})", where=f"{host}:{port}",
                              fix="free it, or name another with --port") from error  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    timeout = STALLED_S
    server_version = "npu-eval"

    def do_GET(self) -> None:
        """Whether the model is there, and which."""
        if self.path.partition("?")[0] in ("/", "/health"):
            self._answer(200, {"status": "ok", **self.server.model.facts})
        else:
            self._answer(404, {"error": _USAGE})

    def do_POST(self) -> None:
        """What the model says of the photo in the body."""
        try:
            self._answer(200, self.server.model.predict(self._photo()))
        except RefusedError as error:
            self._answer(error.status, {"error": str(error)})
        except ConfigError as error:
            self._answer(400, {"error": error.what})
        except DeliverError as error:
            self._answer(500, {"error": error.what})
        except OSError:  # the client went away, or said nothing for too long
            self.close_connection = True
        except Exception as error:  # noqa: BLE001  one request may fail, the server stays
            traceback.print_exc()
            self._answer(500, {"error": type(error).__name__})

    def _photo(self) -> bytes:
        if self.path.partition("?")[0] not in ("/", "/predict"):
            raise RefusedError(404, _USAGE)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(411, "say the length of the photo (Content-Length)")
        if int(length) > MAX_BYTES:
            raise RefusedError(413, f"a photo may have at most {MAX_BYTES} bytes")
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() == "application/json":
            body = _of_json(body)
        if not body:
            raise RefusedError(400, "the body holds no photo")
        return body

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


def _of_json(body: bytes) -> bytes:
    """The photo of ``{"image": "<base64>"}``."""
    try:
        return base64.b64decode(json.loads(body)["image"], validate=True)
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error) as error:
        raise RefusedError(400, 'JSON must be {"image": "<base64>"}') from error


@contextlib.contextmanager
def _opened(root: Path, arguments: argparse.Namespace) -> Iterator[Server]:
    spec = read_spec_file(root / "spec.json").evaluation
    if arguments.weights:
        os.environ[WEIGHTS_VARIABLE] = str(weights_in(Path(arguments.weights).absolute(), spec.weights))
    context = open_context(root, spec, device=arguments.device or spec.candidate.device, say=say_to_stderr)
    model = Model(context, arguments.min_score)
    model.predict(context.photos()[0].read_bytes())
    with Server(model, arguments.host, arguments.port) as server:
        yield server


def _stop(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


def main(root: Path, argv: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it; returns the exit code (see `errors`)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", help="the weights file or the folder that holds it (default: what spec.json says)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0: any that is free")
    parser.add_argument("--device", help="auto, cpu, cuda:0, npu:0 … (default: what spec.json says)")
    parser.add_argument(
        "--min-score", type=float, default=inference.MIN_SCORE, help="of a detector: tell objects from it"
    )
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    try:
        with _opened(root, arguments) as server:
            host, port = server.server_address[:2]
            say_to_stderr(f"serving on http://{host!s}:{port}")
            server.serve_forever()
    except KeyboardInterrupt:
        return EXIT_OK
    except DeliverError as error:
        sys.stderr.write(f"{ERROR_MARK}{error}\n")
        return error.exit_code
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[1]))
