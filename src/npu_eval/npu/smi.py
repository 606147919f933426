"""What `npu-smi info` says of the cards: their names, health and memory, and the version of the driver's tool.

Its table differs between generations in widths and in columns; what is stable is that each chip has two rows of cells
between bars, the first with the card's number and name, the second with the chip's number and its PCI address. Read so,
nothing depends on a column's width, and garbage gives no card. The only place where it is run and read. Standard
library only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_LIMIT_S = 30.0
"""npu-smi answers within a second or two; it hangs where the driver does."""

_USUAL = ("/usr/local/bin/npu-smi", "/usr/local/sbin/npu-smi")
"""Where the driver's packages put it, which on some machines PATH does not name."""

_BUS = re.compile(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]")
_PAIR = re.compile(r"(\d+)\s*/\s*(\d+)")


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One chip of a card. ``name`` is npu-smi's, which for some generations is not the SoC's; memory is HBM in MB."""

    card: int
    chip: int
    name: str
    health: str
    bus_id: str
    used_mb: int | None
    total_mb: int | None


@dataclass(frozen=True, kw_only=True)
class NpuSmi:
    """What npu-smi said. ``version`` is that of the driver's tool, never CANN's; ``problem`` says why it is silent."""

    version: str | None
    chips: tuple[Chip, ...]
    problem: str = ""


def find() -> str | None:
    """The path of npu-smi; None where it is not installed."""
    return shutil.which("npu-smi") or next((path for path in _USUAL if Path(path).is_file()), None)


def talk(tool: str) -> tuple[str, int]:
    """What ``npu-smi info`` prints, its standard output first, and its exit code.

    Raises:
        OSError: it cannot be run.
        subprocess.TimeoutExpired: it does not answer.
    """
    done = subprocess.run([tool, "info"], capture_output=True, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    return (done.stdout + done.stderr).decode("utf-8", "replace"), done.returncode


def ask(command: str | None = None) -> NpuSmi:
    """Run ``npu-smi info``; a tool that is missing, hangs, fails or prints garbage is a problem, never an error."""
    tool = command or find()
    try:
        if tool is None:
            raise FileNotFoundError
        text, code = talk(tool)
    except FileNotFoundError:
        return NpuSmi(version=None, chips=(), problem="npu-smi is not installed here")
    except subprocess.TimeoutExpired:
        return NpuSmi(version=None, chips=(), problem=f"npu-smi does not answer within {_LIMIT_S:.0f} s")
    except OSError as error:
        return NpuSmi(version=None, chips=(), problem=f"npu-smi does not run ({error.strerror or error})")
    found = parse(text)
    if found.chips or code == 0:
        return found
    first = next((line.strip() for line in text.split("\n") if line.strip()), "it said nothing")
    return NpuSmi(version=found.version, chips=(), problem=f"npu-smi failed: {first[:200]}")


def parse(text: str) -> NpuSmi:
    """The chips in the text of ``npu-smi info``, of any generation; none where the text is something else."""
    version = re.search(r"npu-smi\s+(\S+)\s+Version:\s*(\S+)", text)
    chips: list[Chip] = []
    head: tuple[int, str, str] | None = None
    for line in text.splitlines():
        cells = _cells(line)
        if len(cells) < 3:
            head = None
            continue
        if head is not None and _BUS.fullmatch(cells[1]):
            chips.append(_chip(head, cells))
            head = None
        else:
            head = _head(cells)
    problem = "" if chips else "npu-smi lists no chip"
    return NpuSmi(version=version[2] if version else None, chips=tuple(chips), problem=problem)


def names(text: str) -> tuple[str, ...]:
    """The names of the chips in the text of ``npu-smi info``, each once."""
    return tuple(sorted({chip.name for chip in parse(text).chips}))


def holders(text: str) -> tuple[str, ...]:
    """The processes that hold a card, by the second table of ``npu-smi info``, as ``python (pid 1234, 1024 MB)``."""
    rows = (_cells(line) for line in text.splitlines())
    return tuple(
        f"{row[2]} (pid {row[1]}, {row[3]} MB)"
        for row in rows
        if len(row) == 4 and re.fullmatch(r"\d+\s+\d+", row[0]) and row[1].isdigit() and row[2] and row[3].isdigit()
    )


def _cells(line: str) -> list[str]:
    """The cells of a row of a table; none of another line."""
    line = line.strip()
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def _head(cells: list[str]) -> tuple[int, str, str] | None:
    """(card, name, health) of a chip's first row."""
    found = re.fullmatch(r"(\d+)\s+(\S+)", cells[0])
    return (int(found[1]), found[2], cells[1]) if found and cells[1] else None


def _chip(head: tuple[int, str, str], cells: list[str]) -> Chip:
    numbers = [int(word) for word in re.findall(r"\d+", cells[0])]
    pairs = _PAIR.findall(cells[2])  # memory and HBM; a generation without HBM has the first alone
    used, total = next(((int(a), int(b)) for a, b in reversed(pairs) if int(b) > 0), (None, None))
    return Chip(
        card=head[0],
        chip=numbers[0] if numbers else 0,
        name=head[1],
        health=head[2],
        bus_id=cells[1],
        used_mb=used,
        total_mb=total,
    )
