"""A container engine and a package index for tests that build images. They skip, with the reason, without an engine."""

import contextlib
import fcntl
import gc
import hashlib
import http.server
import io
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import warnings
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from npu_deliver.environment.build import Build, transport_arguments, write_context

try:
    import docker
except ImportError:  # the fixture below skips then
    docker = None

LOCK = Path(tempfile.gettempdir()) / f"npu-deliver-tests-engine-{os.getuid()}.lock"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """One engine serves all test processes: a test that stops it runs alone, the others side by side."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if item.get_closest_marker("stops_engine") else fcntl.LOCK_SH)
        return (yield)


USER, PASSWORD = "user", "s3cr3t"


class BuildError(Exception):
    """The engine refused a build; the text is its whole output."""


@dataclass
class Engine:
    """What the tests need of an engine, which removes whatever it made."""

    client: "docker.DockerClient"
    kept: set[str]  # the ids of the images that were here before: bases, and whatever else is somebody's
    made: set[str] = field(default_factory=set)

    def build(self, build: Build, **transport: str) -> str:
        """Build an image on the host's network; the output of the build."""
        arguments = transport_arguments(os.environ) | build.arguments | transport
        output = []
        with tempfile.TemporaryFile() as context:
            write_context(build, context)
            context.seek(0)
            for event in self.client.api.build(
                fileobj=context, custom_context=True, tag=build.tag, buildargs=arguments, platform=build.platform,
                network_mode="host", rm=True, forcerm=True, decode=True,
            ):  # fmt: skip
                output.append(event.get("stream", "") + event.get("error", ""))
                if output[-1].startswith(" ---> ") and "Running" not in output[-1]:
                    self.made.add(output[-1].split()[1])
                if "error" in event:
                    if "no space left on device" in event["error"]:  # of the machine, not of what is tested
                        pytest.skip(f"the disk is full before {build.tag} is built: {event['error'].strip()}")
                    raise BuildError("".join(output))
        self.made.add(build.tag)
        return "".join(output)

    def refusal(self, build: Build, **transport: str) -> str:
        """The output of a build that the engine must refuse."""
        with pytest.raises(BuildError) as told:
            self.build(build, **transport)
        return str(told.value)

    def run(self, build: Build, *command: str, **options: object) -> str:
        """Run a command in a new container; what it wrote."""
        return self.client.containers.run(build.tag, list(command), remove=True, stderr=True, **options).decode("utf-8")

    def attributes(self, build: Build) -> dict:
        return self.client.images.get(build.tag).attrs

    def has(self, name: str) -> bool:
        try:
            self.client.images.get(name)
        except docker.errors.ImageNotFound:
            return False
        return True

    def remove_all(self) -> None:
        """Remove the images, and the stages that they were built from, newest first."""
        for _ in range(2):  # a stage can go when the image above it has gone
            for image in sorted(self.made, key=lambda name: ":" not in name):
                with contextlib.suppress(docker.errors.APIError):  # gone already, or a base of something else
                    if ":" in image or self.client.images.get(image).id not in self.kept:  # a tag of ours, or a stage
                        self.client.images.remove(image)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    if docker is None:
        pytest.skip("the package docker is not installed")
    client, reason = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker leaves the socket of a refused connection open
        try:
            client = docker.from_env(timeout=1800)
            client.ping()
        except (docker.errors.DockerException, OSError) as error:
            reason = str(error)
        gc.collect()
    if client is None or reason:
        pytest.skip(f"no container engine answers: {reason}")
    engine = Engine(client, kept={image.id for image in client.images.list(all=True)})
    try:
        yield engine
    finally:
        engine.remove_all()
        client.close()


def base_or_skip(engine: Engine, name: str) -> None:
    """Skip unless a base image is there or can be pulled."""
    if engine.has(name):
        return
    try:
        engine.kept.add(engine.client.images.pull(name).id)
    except docker.errors.APIError as error:
        pytest.skip(f"the base image {name} cannot be had: {error}")


def tiny_wheel(name: str, version: str, *, requires: str = "") -> tuple[str, bytes]:
    """The file name and the bytes of a wheel with one module, which tells its version."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", stream.getvalue()


@dataclass
class Index:
    """A package index on this machine that wants a password. ``asked`` are the projects that were asked for."""

    wheels: dict[str, bytes]
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def transport(self) -> dict[str, str]:
        return {"PIP_INDEX_URL": self.url, "PIP_EXTRA_INDEX_URL": "", "PIP_TRUSTED_HOST": "127.0.0.1"}


# No public index has these names: a build that asked the wrong index must fail, not install a stranger's package.
WHEELS = dict(
    [
        tiny_wheel("npudelivertest_stack", "1.0"),
        tiny_wheel("npudelivertest_stack", "2.0"),
        tiny_wheel(
            "npudelivertest_npu", "1.0", requires="npudelivertest_torch==1.0+cpu"
        ),  # which no index has, as with torch_npu
        tiny_wheel("npudelivertest_model", "1.0", requires="npudelivertest_stack>=1.0"),
        tiny_wheel("npudelivertest_greedy", "1.0", requires="npudelivertest_stack>=2.0"),
    ]
)


def _handler(index: Index) -> type[http.server.BaseHTTPRequestHandler]:
    wanted = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                self.answer(401, b"")
                return
            parts = self.path.strip("/").split("/")
            if parts[0] == "files" and parts[-1] in index.wheels:
                self.answer(200, index.wheels[parts[-1]])
                return
            index.asked.append(parts[-1])
            found = [name for name in index.wheels if name.partition("-")[0] == parts[-1].replace("-", "_")]
            links = "".join(
                f'<a href="/files/{name}#sha256={hashlib.sha256(index.wheels[name]).hexdigest()}">{name}</a>\n'
                for name in found
            )
            self.answer(200 if found else 404, links.encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name is http.server's
            """Nothing on the screen."""

    return Handler


@contextlib.contextmanager
def serve(index: Index, certificate: Path | None = None) -> Iterator[Index]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(index))
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        scheme = "https"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    index.url = f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def index() -> Iterator[Index]:
    with serve(Index(dict(WHEELS))) as served:
        yield served


@pytest.fixture
def secure_index(tmp_path: Path) -> Iterator[tuple[Index, Path]]:
    """An index whose certificate nobody knows, and the certificate."""
    certificate, both = tmp_path / "ca.pem", tmp_path / "both.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", certificate],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    both.write_text((tmp_path / "key.pem").read_text() + certificate.read_text())
    with serve(Index(dict(WHEELS)), both) as served:
        yield served, certificate


SPACE_BYTES = 40 * 2**30
"""What two of the largest images take while two processes of tests build them: each 8 GB for itself, the same for its
stage, and room beside."""


@pytest.fixture(scope="session")
def need_space(engine: Engine) -> Callable[[], None]:
    """Skip, with the reason, where an image of several GB would fill the disk."""

    def check() -> None:
        root = Path(engine.client.info()["DockerRootDir"])  # of this machine, or not to be seen from here
        free = shutil.disk_usage(root if root.is_dir() else Path.cwd()).free
        if free < SPACE_BYTES:
            pytest.skip(f"{free / 2**30:.0f} GiB of disk are free, a whole image takes {SPACE_BYTES / 2**30:.0f}")

    return check


@pytest.fixture(scope="session")
def need_base(engine: Engine) -> Callable[[str], None]:
    return lambda name: base_or_skip(engine, name)
