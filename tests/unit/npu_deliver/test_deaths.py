"""A step that died without a word of its own: the reason in one line, from its exit code and what it printed."""

from __future__ import annotations

import pytest

from npu_deliver.deaths import death

TRACE = ["Traceback (most recent call last):", '  File "evaluation/eval_precision.py", line 13, in <module>',
         "    from npu_eval import precision, session"]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "console", "what", "fix"),
    [
        (1, [*TRACE, "ModuleNotFoundError: No module named 'timm'"], "'timm' is not installed", "requirements"),
        (1, [*TRACE, "ModuleNotFoundError: No module named 'cv2.gapi'"], "'cv2' is not installed", "requirements"),
        (1, [*TRACE, "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"],
         "the system's library libGL.so.1 is missing", "package that holds it"),
        (1, [*TRACE, "ImportError: cannot import name 'x' from 'timm' (/v/site-packages/timm/__init__.py)"],
         "an import failed: cannot import name 'x'", "do not fit together"),
        (1, [*TRACE, "ImportError: cannot import name 'nn' from 'torch' (/home/me/torch.py)"],
         "'import torch' finds /home/me/torch.py, which hides the library", "rename"),
        (1, [*TRACE, "MemoryError"], "its memory was full (MemoryError", "free memory"),
        (1, [*TRACE, "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB"], "memory was full", "free"),
        (1, [*TRACE, "RuntimeError: [enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate "
             "memory: you tried to allocate 9 bytes."], "its memory was full (RuntimeError", "free memory"),
        (1, [*TRACE, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"], "memory was full", "free"),
        (1, [*TRACE, "RuntimeError: NPU out of memory. Tried to allocate 2 GiB"], "its memory was full", "free memory"),
        (1, [*TRACE, "ValueError: odd", "  with more"], "ValueError: odd", ""),
        (-9, ["a line"], "was killed by signal 9, as the kernel does where memory is full", "free memory"),
        (-6, ["terminate called after throwing an instance of 'std::bad_alloc'", "  what():  std::bad_alloc"],
         "its memory was full, and it was ended by signal 6 (SIGABRT)", "free memory"),
    ],
)  # fmt: skip
def test_the_reason_is_told(code: int, console: list[str], what: str, fix: str) -> None:
    found = death(code, ["device: cpu", *console, ""])
    assert found is not None
    assert what in found.what
    assert fix in found.fix
    assert "\n" not in found.what + found.fix


@pytest.mark.parametrize(
    ("code", "console"),
    [
        (0, []),
        (1, ["overall    FAIL", "exit code  1"]),
        (1, [*TRACE, "ValueError: caught and told", *["then the work went on"] * 60, "exit code  1"]),
        (0, ["MemoryError is a word of the log"]),
        (-11, ["nothing of it"]),
        (70, ["last word"]),
    ],
)
def test_what_did_not_die_or_does_not_tell_gives_no_reason(code: int, console: list[str]) -> None:
    assert death(code, console) is None


def test_a_library_that_is_hidden_beside_the_script_is_found_by_looking(tmp_path) -> None:
    (tmp_path / "numpy.py").touch()
    console = [*TRACE, "AttributeError: module 'numpy' has no attribute 'ndarray'"]
    found = death(1, console, [tmp_path])
    assert found is not None
    assert str(tmp_path / "numpy.py") in found.what
    elsewhere = death(1, console)
    assert elsewhere is not None
    assert "AttributeError: module 'numpy' has no attribute 'ndarray'" in elsewhere.what
