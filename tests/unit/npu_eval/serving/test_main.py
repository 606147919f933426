"""The served process: the weights that the platform hands over, the port, the signals; each ending has its code."""

from __future__ import annotations

import http.client
import json
import resource
import signal
import socket
import sys
from pathlib import Path

import pytest

import served
from npu_eval.asked.spec import WeightsSpec
from npu_eval.errors import ConfigError
from npu_eval.jsonio import file_sha256
from npu_eval.serving import __main__ as serving
from npu_eval.serving.__main__ import weights_in
from npu_eval.weights.shards import read_index


def photo_request(folder: Path) -> bytes:
    photo = (folder / "inputs/cat.png").read_bytes()
    return b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(photo) + photo


def answer_of(client: socket.socket) -> tuple[int, dict[str, object]]:
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status, json.loads(answer.read())


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_all_that_was_received_be_answered_and_ends_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = served.write_folder(tmp_path, slow_s=0.05)
    with served.serving(folder) as (process, port):
        clients = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(20)]
        for client in clients:
            client.sendall(photo_request(folder))
        process.send_signal(number)
        answers = [answer_of(client) for client in clients]
        assert process.wait(timeout=20) == 0
        assert not is_open(port)
        for client in clients:
            client.close()
        assert process.stderr is not None
        assert process.stderr.read() == "stopped\n"
    assert [status for status, _ in answers] == [200] * 20
    assert answers[0][1]["stamps"] == ["random-weights", "no-npu"]


@pytest.mark.parametrize(("signals", "code"), [(1, 0), (2, 130)])
def test_a_photo_in_work_holds_up_neither_the_stop_nor_a_second_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: int, code: int
) -> None:
    folder = served.write_folder(tmp_path / "slow", slow_s=600)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    with served.serving(folder) as (process, port), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(photo_request(folder))
        while not list((tmp_path / "temporary").glob("npu-serving-*/photo")):
            """The photo is on its way to the model."""
        process.send_signal(signal.SIGTERM)
        while is_open(port):
            """The first signal is not yet taken."""
        if signals == 2:
            process.send_signal(signal.SIGTERM)
        else:
            assert answer_of(client) == (503, {"error": "the server is stopping"})
        assert process.wait(timeout=20) == code
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = served.write_folder(tmp_path)
    (folder / "adapter.py").write_text("raise SystemExit('it was loaded')", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serving.main(folder, ["--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"npu-deliver-error: 127.0.0.1:{port}: the port cannot be opened (")
    assert said.count("\n") == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "a..b"])
def test_a_host_that_is_not_this_machine_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    folder = served.write_folder(tmp_path)
    assert serving.main(folder, ["--host", host, "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"npu-deliver-error: {host}:0: the port cannot be opened (")
    assert said.count("\n") == 1


def test_without_the_server_library_it_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "npu_eval.serving.http_server", raising=False)
    monkeypatch.delattr("npu_eval.serving.http_server", raising=False)
    assert serving.main(served.write_folder(tmp_path), []) == 2
    assert capsys.readouterr().err == (
        "npu-deliver-error: serving: the Python package 'uvicorn' is not installed; "
        "python3 -m pip install uvicorn (requirements.txt has its version)\n"
    )


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_a_port_is_a_number_that_ports_have(tmp_path: Path, port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        serving.main(tmp_path, ["--port", port])
    assert ended.value.code == 2


def test_an_address_that_others_reach_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    for host, others in (("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True), ("10.0.0.1", True)):
        serving._tell(f"{host}:8000", host)
        said = capsys.readouterr().err
        assert said.endswith(f"serving on http://{host}:8000\n")
        assert ("without a password" in said) == others


def test_where_stderr_is_closed_the_server_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> None:
        raise BrokenPipeError(text)

    monkeypatch.setattr(serving, "say_to_stderr", broken)
    serving.say("nobody hears it")


def test_half_of_the_files_that_may_be_open_are_for_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: asked.append(wanted))
    for limits, most in (((256, 256), 128), ((1024, 4096), 1024), ((1024, resource.RLIM_INFINITY), 1024),
                         ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 1024)):  # fmt: skip
        monkeypatch.setattr(resource, "getrlimit", lambda _, found=limits: found)
        assert serving._connections(1024) == most
    assert asked == [(256, 256), (4096, 4096), (4096, resource.RLIM_INFINITY)]


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
