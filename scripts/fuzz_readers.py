"""Fuzz the readers of strangers' files: Markdown, JSON, front matter, logs, and records. Stops at the first crash.

    python scripts/fuzz_readers.py --minutes 10             # hypothesis: grammar-like texts
    python scripts/fuzz_readers.py --minutes 10 --atheris   # coverage-guided bytes; needs the package atheris

What it finds belongs into the regression tests of the reader concerned.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npu_deliver.lint import lint_submission
from npu_deliver.lint.output import as_json, as_sarif, text
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import Submission, document
from npu_eval.errors import RecordError
from npu_eval.records.record import Record

NAMES = ("README.md", "run.log", "summary.json", "notes.txt", "inference.py", "requirements.txt", "deploy.sh")
SLOW_S = 20.0
"""A single small input that takes longer is a run-away; the machine may be busy."""


def one(name: str, data: bytes) -> None:
    """Read one file as the linter does, apply every rule, and show the result in every form."""
    started = time.monotonic()
    raw, _ = decode(data, name)
    documents = [document(raw, name)] if raw else []
    result = lint_submission(Submission(root=name, documents=documents, names=frozenset({name})))
    shown = "\n".join(text(result, "zh", colour=False)) + as_json(result, "en") + as_sarif(result, "zh")
    assert "\x1b" not in shown
    assert time.monotonic() - started < SLOW_S, f"{name}: {time.monotonic() - started:.1f} s"


def record(data: bytes) -> None:
    """A record is read or refused; nothing else may happen."""
    from npu_eval.jsonio import from_json, loads

    try:
        from_json(Record, loads(data.decode("utf-8", errors="replace"), where="fuzz"), where="fuzz")
    except RecordError:
        return


PIECES = st.sampled_from(
    ["| ", "|---|---|\n", "- ", "# ", "## 汇总\n", "\n", "```\n", "`", "平均延迟", "latency", "FPS", " ms", "帧率", "×", "%", "batch=", "21.65", "46.20",
     "CPU", "NPU", "：", ":", "=", "/", "cosine", "0.99999", "<1%", "top1_match", "$weight", "{{", "---\n", "hardware: NPU\n", "p50", "mean/max", "1e-3",
     "-", "+5.8%", "加速比", "提升", "[1, 320]", "strict=False", "CANN 8.5.1", "torch 2.9.0", "\t", "<!--", "-->", "npu-lint: ignore NPU001", "双卡", "合计",
     "508713/2560000 (19.87%)", "{", "}", "[", "]", "\"a\":", "1,", "null", "\\u0000", "\x1b[2J", "\u202e", "\ufeff", "é", "\U0001f600", "9" * 30]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8) | st.floats().map(str) | st.integers().map(str), max_size=60).map("".join)
JSONS = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6),
                     lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["latency_ms", "fps", "cosine", "kind", "data"])
                                                                                | st.text(max_size=5), inner, max_size=4))  # fmt: skip


def with_hypothesis(seconds: float) -> int:
    """Draw until the time is up; the number of inputs."""
    counted = 0
    ends = time.monotonic() + seconds
    quiet = settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @quiet
    @given(
        name=st.sampled_from(NAMES),
        body=TEXTS | st.binary(max_size=300).map(lambda b: b.decode("latin-1")),
        raw=st.binary(max_size=200),
    )
    def lint_text(name: str, body: str, raw: bytes) -> None:
        nonlocal counted
        counted += 2
        one(name, body.encode("utf-8", errors="surrogatepass"))
        one(name, raw)

    @quiet
    @given(value=JSONS)
    def lint_json(value: object) -> None:
        nonlocal counted
        counted += 2
        data = json.dumps(value).encode("utf-8")
        one("summary.json", data)
        record(data)

    while time.monotonic() < ends:
        lint_text()
        lint_json()
    return counted


def with_atheris(seconds: float) -> None:
    """Coverage-guided: libFuzzer drives, the first byte chooses the reader."""
    import atheris

    def target(data: bytes) -> None:
        which = data[:1]
        if which < b"\x20":
            record(data[1:])
        else:
            one(NAMES[which[0] % len(NAMES)], data[1:])

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={int(seconds)}", "-max_len=2000", "-timeout=30"], target)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--atheris", action="store_true")
    arguments = parser.parse_args()
    run: Callable[[float], int | None] = with_atheris if arguments.atheris else with_hypothesis
    counted = run(60 * arguments.minutes)
    print(f"no crash in {arguments.minutes:g} minutes" + (f", {counted} inputs" if counted else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
