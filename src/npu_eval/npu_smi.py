"""What `npu-smi info` says of the cards: their names, health and memory, and the version of the driver's tool.

Its table differs between generations in widths and in columns; what is stable is that each chip has two rows of cells
between bars, the first with the card's number and name, the second with the chip's number and its PCI address. Read so,
nothing depends on a column's width, and garbage gives no card. Standard library only.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

_LIMIT_S = 20.0
"""npu-smi answers within a second; it hangs where the driver does."""

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


def ask(command: str = "npu-smi") -> NpuSmi:
    """Run ``npu-smi info``; a tool that is missing, hangs, fails or prints garbage is a problem, never an error."""
    try:
        done = subprocess.run([command, "info"], capture_output=True, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return NpuSmi(version=None, chips=(), problem="npu-smi is not installed here")
    except subprocess.TimeoutExpired:
        return NpuSmi(version=None, chips=(), problem=f"npu-smi does not answer within {_LIMIT_S:.0f} s")
    except OSError as error:
        return NpuSmi(version=None, chips=(), problem=f"npu-smi does not run ({error.strerror or error})")
    text = done.stdout.decode("utf-8", "replace")
    found = parse(text)
    if found.chips or done.returncode == 0:
        return found
    said = (text + done.stderr.decode("utf-8", "replace")).split("\n")
    last = next((line.strip() for line in said if line.strip()), "it said nothing")
    return NpuSmi(version=found.version, chips=(), problem=f"npu-smi failed: {last[:200]}")


def parse(text: str) -> NpuSmi:
    """The chips in the text of ``npu-smi info``, of any generation; none where the text is something else."""
    version = re.search(r"npu-smi\s+(\S+)\s+Version:\s*(\S+)", text)
    chips: list[Chip] = []
    head: tuple[int, str, str] | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.strip().startswith("|") or len(cells) < 3:
            head = None
            continue
        if head is not None and _BUS.fullmatch(cells[1]):
            chips.append(_chip(head, cells))
            head = None
        else:
            head = _head(cells)
    problem = "" if chips else "npu-smi lists no chip"
    return NpuSmi(version=version[2] if version else None, chips=tuple(chips), problem=problem)


def _head(cells: list[str]) -> tuple[int, str, str] | None:
    """(card, name, health) of a chip's first row."""
    found = re.fullmatch(r"(\d+)\s+(\S+)", cells[0])
    return (int(found[1]), found[2], cells[1]) if found and cells[1] else None


def _chip(head: tuple[int, str, str], cells: list[str]) -> Chip:
    numbers = [int(word) for word in re.findall(r"\d+", cells[0])]
    pairs = _PAIR.findall(cells[2])  # memory and HBM; a generation without HBM has the first alone
    used, total = next(((int(a), int(b)) for a, b in reversed(pairs) if int(b) > 0), (None, None))
    return Chip(card=head[0], chip=numbers[0] if numbers else 0, name=head[1], health=head[2], bus_id=cells[1],
                used_mb=used, total_mb=total)  # fmt: skip
