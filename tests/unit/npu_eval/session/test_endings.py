"""How a script ends: one marked line that says why, and the documented code."""

from __future__ import annotations

import pytest
import torch

from npu_eval.errors import AdapterError, ConfigError, DeviceError, error_line
from npu_eval.session import endings


def ended(capsys: pytest.CaptureFixture[str], error: BaseException) -> tuple[int, str]:
    def script() -> int:
        raise error

    code = endings.guarded(script)
    told = [said for line in capsys.readouterr().err.splitlines() if (said := error_line(line)) is not None]
    assert len(told) == 1
    return code, told[0]


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


ALLOCATOR = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "1099511627776 bytes. Error code 12 (Cannot allocate memory)\nframe #0: …"
)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 4, "the memory is full (MemoryError); free memory, or use smaller batch sizes"),
        (ALLOCATOR, 4, "the memory is full (RuntimeError: [enforce fail at alloc_cpu.cpp:118]"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), 4, "the memory is full (OutOfMemory"),
        (
            caused(AdapterError("RuntimeError: it", where="adapter.py"), ALLOCATOR),
            4,
            "the memory is full (AdapterError",
        ),
        (DeviceError("the model does not fit into its memory", where="npu:0"), 4, "npu:0: the model does not fit"),
        (caused(DeviceError("does not fit", where="npu:0"), MemoryError()), 4, "npu:0: does not fit"),
        (AdapterError("has no 'build'", where="adapter.py"), 5, "adapter.py: has no 'build'"),
        (ConfigError("absent"), 2, "absent"),
        (OSError(28, "No space left on device", "/x/y"), 2, "/x/y: No space left on device; free space"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("odd"), 70, "this is a bug in npu-deliver, please report it: ValueError: odd"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_becomes_a_line_and_a_code(capsys, error, code: int, words: str) -> None:
    found, line = ended(capsys, error)
    assert found == code
    assert line.startswith(words)


def test_a_real_allocation_that_is_too_large_is_told_as_full_memory(capsys) -> None:
    assert endings.guarded(lambda: len(torch.empty(1 << 45, dtype=torch.float64))) == 4
    assert "the memory is full" in capsys.readouterr().err


def test_no_secret_is_in_the_line_or_in_the_traceback(capsys, monkeypatch) -> None:
    monkeypatch.setenv("OBS_SECRET_ACCESS_KEY", "9f8e7d6c5b4a")
    code = endings.guarded(lambda: int("https://me:hush@host/?Signature=abc 9f8e7d6c5b4a"))
    said = capsys.readouterr().err
    assert code == 70
    assert "Traceback" in said
    assert not any(secret in said.replace('endings.guarded(lambda: int("', "").split("Error: ")[-1]
                   for secret in ("hush", "Signature=abc", "9f8e7d6c5b4a"))  # fmt: skip
