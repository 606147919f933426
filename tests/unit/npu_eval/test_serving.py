"""The server answers photos with predictions and anything else with a status and a reason; it outlives bad requests."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from npu_eval import serving
from npu_eval.config import WeightsSpec
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.jsonio import file_sha256
from npu_eval.serving import Server, weights_in
from npu_eval.shards import read_index

PHOTO = b"a photo"


class FakeModel:
    """Says how long a photo is; some photos it does not like."""

    facts: ClassVar = {"model": "tiny", "stamps": ["no-npu"]}

    def predict(self, photo: bytes) -> dict[str, object]:
        if photo == b"text":
            raise ConfigError("not a readable image", where="photo")
        if photo == b"trap":
            raise AdapterError("raised KeyError", where="adapter.py")
        if photo == b"bug":
            raise ZeroDivisionError
        return {**self.facts, "predictions": [{"label": "length", "score": float(len(photo))}]}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Server(FakeModel(), "127.0.0.1", 0) as server:  # type: ignore[arg-type]  # it quacks like one
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    status, text = answer.status, answer.read()
    connection.close()
    return status, json.loads(text)


@pytest.mark.parametrize("path", ["/", "/health", "/health?full=1"])
def test_health_tells_what_serves(port: int, path: str) -> None:
    assert ask(port, "GET", path) == (200, {"status": "ok", "model": "tiny", "stamps": ["no-npu"]})


@pytest.mark.parametrize("path", ["/", "/predict", "/predict?a=b"])
def test_a_photo_gets_its_predictions(port: int, path: str) -> None:
    status, answer = ask(port, "POST", path, PHOTO, Content_Type="image/jpeg")
    assert (status, answer["predictions"]) == (200, [{"label": "length", "score": 7.0}])


def test_a_photo_in_json_is_the_same_photo(port: int) -> None:
    body = json.dumps({"image": base64.b64encode(PHOTO).decode()}).encode()
    assert ask(port, "POST", "/predict", body, Content_Type="application/json") == ask(port, "POST", "/predict", PHOTO)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "why"),
    [
        ("GET", "/else", None, {}, 404, "GET /health, or POST"),
        ("POST", "/else", PHOTO, {}, 404, "GET /health, or POST"),
        ("POST", "/", b"", {}, 400, "the body holds no photo"),
        ("POST", "/", b"text", {}, 400, "not a readable image"),
        ("POST", "/", b"trap", {}, 500, "raised KeyError"),
        ("POST", "/", b"bug", {}, 500, "ZeroDivisionError"),
        ("POST", "/", PHOTO, {"Content_Length": "-1"}, 411, "say the length"),
        ("POST", "/", PHOTO, {"Content_Length": "many"}, 411, "say the length"),
        ("POST", "/", PHOTO, {"Content_Length": str(10**12)}, 413, "at most 33554432 bytes"),
        ("POST", "/", b"{", {"Content_Type": "application/json"}, 400, "JSON must be"),
        ("POST", "/", b"[" * 9000, {"Content_Type": "application/json"}, 400, "JSON must be"),
        ("POST", "/", b'{"image": 1}', {"Content_Type": "application/json"}, 400, "JSON must be"),
        ("POST", "/", b'{"image": "***"}', {"Content_Type": "application/json"}, 400, "JSON must be"),
    ],
)
def test_what_is_refused_gets_a_reason_and_the_server_stays(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, why: str
) -> None:
    found, answer = ask(port, method, path, body, **headers)
    assert (found, why in str(answer["error"])) == (status, True)
    assert ask(port, "GET", "/health")[0] == 200


def test_a_client_that_goes_away_in_the_middle_disturbs_nobody(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    assert ask(port, "GET", "/health")[0] == 200


def test_a_taken_port_is_named(port: int) -> None:
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: the port cannot be opened"):
        Server(FakeModel(), "127.0.0.1", port)  # type: ignore[arg-type]


# --- $MODEL_PATH -----------------------------------------------------------------------------------------------------


def test_the_weights_are_the_file_itself_or_the_one_that_the_spec_names(tmp_path) -> None:
    named, other = tmp_path / "a/model.pth", tmp_path / "b/other.safetensors"
    for path in (named, other):
        path.parent.mkdir()
        path.write_bytes(path.name.encode())
    (tmp_path / "README.md").touch()
    assert weights_in(other, WeightsSpec(source="random")) == other
    assert weights_in(tmp_path, WeightsSpec(source="hf:some/model.pth")) == named
    assert weights_in(tmp_path, WeightsSpec(source="file:x.bin", sha256=file_sha256(other))) == other
    assert weights_in(other.parent, WeightsSpec(source="default")) == other
    with pytest.raises(ConfigError, match=r"2 weights files are here, and none of them is told apart as x\.bin"):
        weights_in(tmp_path, WeightsSpec(source="file:x.bin"))
    with pytest.raises(ConfigError, match="there is no weights file"):
        weights_in(tmp_path / "nowhere", WeightsSpec(source="file:x.bin"))


def test_an_index_stands_for_its_files(tmp_path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"v": "a.safetensors", "w": "b.safetensors"}}', encoding="utf-8")
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    assert weights_in(tmp_path, WeightsSpec(source="file:anything")) == index
    (tmp_path / "other.pth").write_bytes(b"y")
    assert weights_in(tmp_path, WeightsSpec(source=f"file:{index.name}")) == index
    assert weights_in(tmp_path, WeightsSpec(source="file:x", sha256=read_index(index).sha256)) == index


def test_a_request_may_not_last_for_ever() -> None:
    assert 0 < serving._Handler.timeout <= 60
