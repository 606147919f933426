from __future__ import annotations

import os
import subprocess
import sys

from npu_eval.npu.fallback import operators, watching

CAUTION = (
    "[W1123 08:57:31.245123682 VariableFallbackKernel.cpp:230] Warning: CAUTION: The operator '{}' is not currently "
    "supported on the NPU backend and will fall back to run on the CPU. This may have performance implications. "
    "(function npu_cpu_fallback)\n"
)


def test_operators_are_named_once_in_order() -> None:
    text = CAUTION.format("torchvision::nms") + "other\n" + CAUTION.format("aten::isin.Tensor_Tensor") * 2
    assert operators(text) == ("torchvision::nms", "aten::isin.Tensor_Tensor")
    assert operators("the operator 'x' is fine") == ()


CODE = """
import os, sys
from npu_eval.npu.fallback import watching
with watching() as watch:
    sys.stderr.write("before\\n")
    os.write(2, {caution!r}.encode())
    {then}
print(watch.operators)
os.write(2, b"after\\n")
"""


def run(then: str = "pass") -> subprocess.CompletedProcess[str]:
    code = CODE.format(caution=CAUTION.format("torchvision::nms"), then=then)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ})


def test_what_cpp_writes_is_seen_and_passed_on() -> None:
    done = run()
    assert done.stdout == "('torchvision::nms',)\n"
    assert done.stderr.splitlines()[0] == "before"
    assert "will fall back" in done.stderr
    assert done.stderr.endswith("after\n"), "the stream is the process's own again"


def test_the_last_words_of_an_aborting_program_are_not_lost() -> None:
    done = run("os.write(2, b'terminate called\\n'); os.abort()")
    assert done.returncode == -6
    assert done.stderr.endswith("terminate called\n")


def test_an_error_inside_goes_on_and_the_stream_comes_back() -> None:
    done = run("raise ValueError('inside')")
    assert done.returncode == 1
    assert "ValueError: inside" in done.stderr


def test_nothing_said_is_no_fallback() -> None:
    with watching() as watch:
        pass
    assert watch.operators == ()
