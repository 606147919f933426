from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.errors import ConfigError
from npu_eval.weights.naming import GRAMMAR, WeightsReference, parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"

words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
dotted = st.builds("{}{}{}".format, words, st.sampled_from([".", "-", "_", ""]), words)
files = st.builds("{}{}".format, dotted, st.sampled_from(["", ".pth", " (1).bin", "模型.pt"]))
paths = st.lists(files, min_size=1).map("/".join)
near_misses = st.builds("{}{}".format, st.sampled_from(["hf:", "pypi:", "https:", "file:"]), st.text())
hubs = st.builds(
    WeightsReference,
    st.sampled_from(["hf", "modelscope"]),
    st.builds("{}/{}".format, dotted, dotted),
    st.one_of(st.just(""), dotted, st.just(COMMIT)),
    paths,
)
packages = st.builds(WeightsReference, st.just("pypi"), dotted, dotted, paths)
addresses = st.builds(
    lambda scheme, host, path: WeightsReference(scheme, path=f"{scheme}://{host}.org/{path.replace(' ', '%20')}?a=b"),
    st.sampled_from(["https", "http"]),
    words,
    paths,
)
locals_ = st.builds(
    lambda start, path: WeightsReference("file", path=start + path),
    st.sampled_from(["", "/", "../", "~/", "$", "hf:", "c:", "//"]),
    paths,
)
references = st.one_of(st.just(WeightsReference("random")), hubs, packages, addresses, locals_)


@given(references)
def test_a_reference_parses_from_its_own_text(reference: WeightsReference) -> None:
    assert parse(str(reference)) == reference
    assert parse(f"  {reference}\n") == reference


@given(st.one_of(st.text(max_size=40), near_misses))
def test_any_text_is_refused_with_the_grammar_or_means_one_thing(text: str) -> None:
    try:
        reference = parse(text)
    except ConfigError as refusal:
        line = str(refusal)
    else:
        assert parse(str(reference)) == reference
        assert "/" not in reference.file_name
        return
    assert line.endswith(GRAMMAR)
    assert "\n" not in line


@given(references)
def test_the_file_name_cannot_leave_a_folder(reference: WeightsReference) -> None:
    assert "/" not in reference.file_name
    assert reference.file_name not in (".", "..")
    assert bool(reference.file_name) == (reference.scheme != "random")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("random", WeightsReference("random")),
        ("./random", WeightsReference("file", path="./random")),
        ("file:random", WeightsReference("file", path="random")),
        ("w/a.pth", WeightsReference("file", path="w/a.pth")),
        ("file:///w/a.pth", WeightsReference("file", path="/w/a.pth")),
        ("pypi:e-l==0.1.0/w/a.pth", WeightsReference("pypi", "e-l", "0.1.0", "w/a.pth")),
        ("hf:timm/r50/m.bin", WeightsReference("hf", "timm/r50", "", "m.bin")),
        ("hf:timm/r50@v1/s/m.bin", WeightsReference("hf", "timm/r50", "v1", "s/m.bin")),
        ("modelscope:a/b@x/c.pt", WeightsReference("modelscope", "a/b", "x", "c.pt")),
        ("HTTPS://e.org/a.pth", WeightsReference("https", path="https://e.org/a.pth")),
    ],
)
def test_forms(text: str, expected: WeightsReference) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a\nb", "control character"),
        ("$weight", "nobody expanded"),
        ("pyp:a==1/b.pth", "did you mean 'pypi'"),
        ("s3://bucket/a.pth", "'s3' is no scheme"),
        ("pypi:a/b.pth", "not the form of pypi"),
        ("pypi:a==1.*/b.pth", "not the form of pypi"),
        ("pypi:--index-url==1/b.pth", "not the form of pypi"),
        ("pypi:a==1/../b.pth", "no path inside"),
        ("hf:a/b", "not the form of hf"),
        ("hf:../b/c.pth", "not the form of hf"),
        ("hf:a/b/c//d.pth", "no path inside"),
        ("file:", "names no file"),
        ("https://e.org/", "names no file"),
        ("https://e.org/..%2f..", "names no file"),
        ("https:///a.pth", "no address"),
        ("https://[e/a.pth", "Invalid IPv6"),
        ("https://me:pw@e.org/a.pth", "would be published"),
    ],
)
def test_refusals(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert why in caught.value.what
    assert "pw" not in str(caught.value)


def test_only_versions_and_commits_are_pinned() -> None:
    assert parse("pypi:a==1/b").pinned
    assert parse(f"hf:a/b@{COMMIT}/c").pinned
    assert not any(parse(text).pinned for text in ("hf:a/b/c", "hf:a/b@main/c", "https://e.org/c", "random", "c"))


def test_the_published_form_of_an_address_has_no_query() -> None:
    assert parse("https://e.org/a.pth?X-Signature=secret").source == "https://e.org/a.pth"
    assert parse("what?.pth").source == "what?.pth"
