from __future__ import annotations

import errno
import os
import ssl
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from http_site import Site, serve
from npu_eval.errors import WeightsError
from npu_eval.weights import download as downloading
from npu_eval.weights.download import HttpStatusError, NoAnswerError, discard, download

CONTENT = bytes(range(256)) * 400  # 102 kB, seven chunks of the site


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "BACKOFF_S", (0.0, 0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as running:
        running.files["/w.pth"] = CONTENT
        yield running


def fetch(site: Site, part: Path, path: str = "/w.pth", **options: str) -> tuple[str | None, list[str]]:
    said: list[str] = []
    done = download(site.url + path, part, say=said.append, allow_http=True, **options)
    return (done.etag if done else None), said


def test_a_file_arrives_whole_with_its_etag_and_a_last_line(site: Site, tmp_path: Path) -> None:
    etag, said = fetch(site, tmp_path / "w.part")
    assert (tmp_path / "w.part").read_bytes() == CONTENT
    assert etag == site.etag("/w.pth")
    assert said[-1].startswith("w.pth: 0.1 of 0.1 MB (100%)")


def test_an_unchanged_copy_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    etag, _ = fetch(site, tmp_path / "w.part", known_etag=site.etag("/w.pth"))
    assert etag is None
    assert not (tmp_path / "w.part").exists()


def test_a_broken_connection_is_resumed_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.cuts["/w.pth"] = [30_000, 20_000]
    _, said = fetch(site, tmp_path / "w.part")
    assert (tmp_path / "w.part").read_bytes() == CONTENT
    assert [headers.get("range") for headers in site.asked("/w.pth")] == [None, "bytes=30000-", "bytes=50000-"]
    assert any("the connection closed at 0.0 of 0.1 MB; trying again" in line for line in said)


def test_a_later_process_resumes_what_an_earlier_one_left(site: Site, tmp_path: Path) -> None:
    part = tmp_path / "w.part"
    site.cuts["/w.pth"] = [40_000, 0, 0, 0]
    with pytest.raises(NoAnswerError, match="after 4 attempts"):
        fetch(site, part)
    assert part.read_bytes() == CONTENT[:40_000]
    _, said = fetch(site, part)
    assert part.read_bytes() == CONTENT
    assert "w.pth: continuing after 0.0 MB" in said


def test_two_versions_of_a_file_are_never_glued_together(site: Site, tmp_path: Path) -> None:
    part = tmp_path / "w.part"
    site.cuts["/w.pth"] = [40_000, 0, 0, 0]
    with pytest.raises(NoAnswerError):
        fetch(site, part)
    site.files["/w.pth"] = CONTENT[::-1]
    fetch(site, part)
    assert part.read_bytes() == CONTENT[::-1]


def test_a_part_of_unknown_version_is_started_over(site: Site, tmp_path: Path) -> None:
    (tmp_path / "w.part").write_bytes(b"what is this")
    fetch(site, tmp_path / "w.part")
    assert (tmp_path / "w.part").read_bytes() == CONTENT


def test_a_part_that_was_complete_is_kept(site: Site, tmp_path: Path) -> None:
    part = tmp_path / "w.part"
    fetch(site, part)
    etag, _ = fetch(site, part)
    assert etag == site.etag("/w.pth")
    assert part.read_bytes() == CONTENT
    assert site.asked("/w.pth")[-1]["range"] == f"bytes={len(CONTENT)}-"


def test_a_part_longer_than_the_file_is_started_over(site: Site, tmp_path: Path) -> None:
    part = tmp_path / "w.part"
    fetch(site, part)
    with part.open("ab") as stream:
        stream.write(b"more")
    fetch(site, part)
    assert part.read_bytes() == CONTENT


def test_a_host_without_validators_starts_over_and_gives_up_at_last(site: Site, tmp_path: Path) -> None:
    site.validators = False
    site.cuts["/w.pth"] = [30_000]
    fetch(site, tmp_path / "w.part")
    assert (tmp_path / "w.part").read_bytes() == CONTENT
    site.cuts["/w.pth"] = [30_000] * 9
    discard(tmp_path / "w.part")
    with pytest.raises(NoAnswerError, match=r"closed at 0\.0 of 0\.1 MB"):
        fetch(site, tmp_path / "w.part")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(min_value=1, max_value=60_000), max_size=8), validators=st.booleans())
def test_whatever_breaks_the_file_is_whole_or_nobody_answers(
    site: Site, tmp_path: Path, cuts: list[int], validators: bool
) -> None:
    part = tmp_path / "w.part"
    discard(part)
    site.cuts["/w.pth"], site.validators = list(cuts), validators
    try:
        fetch(site, part)
    except NoAnswerError:
        assert not validators, "with validators each attempt gets further"
    else:
        assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_transient_status_is_tried_again(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses["/w.pth"] = [status, status]
    fetch(site, tmp_path / "w.part")
    assert (tmp_path / "w.part").read_bytes() == CONTENT


def test_a_host_that_stays_ill_counts_as_silent(site: Site, tmp_path: Path) -> None:
    site.statuses["/w.pth"] = [503] * 9
    with pytest.raises(NoAnswerError, match=r"no answer from 127\.0\.0\.1 after 4 attempts \(HTTP 503\)"):
        fetch(site, tmp_path / "w.part")


@pytest.mark.parametrize(
    ("status", "meaning"), [(401, "access denied"), (403, "access denied"), (404, "no such file"), (451, "refused")]
)
def test_a_refusal_is_final(site: Site, tmp_path: Path, status: int, meaning: str) -> None:
    site.statuses["/w.pth"] = [status]
    with pytest.raises(HttpStatusError, match=rf"{meaning}: .* HTTP {status} for w\.pth") as caught:
        fetch(site, tmp_path / "w.part")
    assert caught.value.status == status
    assert len(site.requests) == 1


def test_nobody_listening(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match="refused"):
        download("http://127.0.0.1:9/w.pth", tmp_path / "p", say=str, allow_http=True)


def test_an_unknown_name_is_not_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(NoAnswerError, match=r"no-such-host\.invalid"):
        download("https://no-such-host.invalid/w.pth", tmp_path / "p", say=said.append)


def test_an_untrusted_certificate_names_the_remedy() -> None:
    refusal = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refusal.verify_message = "self-signed certificate"
    error = downloading._unreachable(urllib.error.URLError(refusal), "https://example.org/w")
    assert isinstance(error, NoAnswerError)
    assert "self-signed" in str(error)
    assert "SSL_CERT_FILE" in str(error)


def test_an_unencrypted_address_is_refused_also_behind_a_redirect(site: Site, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not encrypted"):
        download(site.url + "/w.pth", tmp_path / "p", say=str)
    handler = downloading._Redirects(allow_http=False)
    request = downloading.urllib.request.Request("https://example.org/w")
    with pytest.raises(WeightsError, match="not encrypted"):
        handler.redirect_request(request, None, 302, "", None, site.url + "/w.pth")  # type: ignore[arg-type]
    assert site.requests == []


def test_a_token_stays_on_its_host(site: Site, tmp_path: Path) -> None:
    site.redirects["/same"] = "/w.pth"
    fetch(site, tmp_path / "a", path="/same", bearer="secret")
    assert [headers["authorization"] for _, headers in site.requests] == ["Bearer secret"] * 2
    with serve() as other:
        other.files["/w.pth"] = CONTENT
        site.redirects["/away"] = other.url + "/w.pth"
        fetch(site, tmp_path / "b", path="/away", bearer="secret")
        assert site.asked("/away")[0]["authorization"] == "Bearer secret"
        assert "authorization" not in other.requests[0][1]


def test_a_disk_too_small_is_told_before_the_download(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = downloading.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WeightsError, match=r"0\.1 MB are to come and 0\.0 MB are free"):
        fetch(site, tmp_path / "w.part")


def test_a_disk_that_fills_up_is_told(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(downloading, "_copy", full)
    with pytest.raises(WeightsError, match="the disk is full"):
        fetch(site, tmp_path / "w.part")


def test_progress_is_told_at_steps_of_time_and_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(downloading.time, "monotonic", lambda: now_s[0])
    said: list[str] = []
    progress = downloading._Progress(said.append, "w.pth")
    progress.start(0, 100_000_000)
    for _ in range(100):  # 1 MB each 0.2 s: a tenth takes 2 s
        now_s[0] += 0.2
        progress.advance(1_000_000)
    assert said[0] == "w.pth: 10.0 of 100.0 MB (10%), 5.0 MB/s"
    assert len(said) == 10
    said.clear()
    progress.start(0, None)
    for _ in range(11):
        now_s[0] += 1.0
        progress.advance(1_000_000)
    assert said == ["w.pth: 5.0 MB, 1.0 MB/s", "w.pth: 10.0 MB, 1.0 MB/s"]
