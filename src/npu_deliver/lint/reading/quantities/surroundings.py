"""What stands around a line says under which settings it was measured: headings, the command and the line above.

``batch8 的性能：`` holds for the lines below it until another line leads on; the last command block of a section holds
for what is printed after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.reading.markup.markdown import Line, Structure
from npu_deliver.lint.reading.words.number import MEASURES
from npu_deliver.lint.reading.words.settings import Settings, merged, settings
from npu_deliver.lint.reading.words.subject import about

_LEADS = re.compile(
    r"[:：]\s*\**\s*$|^\s*(?:[-*+>]\s+)?\*\*[^*]+\*\*\s*$|^\s*\**(?:表|图|table|figure)\s*\d", re.IGNORECASE
)
_NAMES_ONE = re.compile(r"batch|(?<![a-z])bs|批|卡|芯|[fb][pf]16|int8|\d\s?[x×*]\s?\d|\dp(?![a-z])", re.IGNORECASE)
"""A line that names a setting and no result leads those below it too, whether or not it ends in a colon."""
_LEAD_LIMIT = 120
"""A longer line is a sentence of its own, not the lead of the next."""
_COMMAND_LIMIT = 2000
_BY_COMMAND = frozenset({"batch", "cards", "dtype", "resolution", "sequence", "beam"})


def title_path(structure: Structure, section: int) -> tuple[str, ...]:
    """The headings above a section's lines, without the title of the page where there is just one."""
    titles = structure.sections[section].titles if section < len(structure.sections) else ()
    return titles[1:] if structure.titled and titles and titles[0] == structure.sections[1].title else titles


class Surroundings:
    """For every line, what stands around it; the settings are read only where somebody asks."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._places: list[tuple[int, str, str]] = list(_places(structure))
        self._headings: dict[int, Settings] = {}
        self._known: dict[tuple[int, str, str], Settings] = {}

    def of(self, line: int) -> Settings:
        """The settings of a line's headings, of the command before it and of the line that leads it."""
        place = self._places[line - 1]
        if place not in self._known:
            section, command, lead = place
            by_command = frozenset(pair for pair in settings(command) if pair[0] in _BY_COMMAND)
            self._known[place] = merged([self._heading(section), by_command, settings(lead), about(lead)])
        return self._known[place]

    def _heading(self, section: int) -> Settings:
        if section not in self._headings:
            self._headings[section] = merged(map(settings, title_path(self._structure, section)))
        return self._headings[section]


def _places(structure: Structure) -> Iterator[tuple[int, str, str]]:
    """(section, command before, line above) of every line."""
    section, lead, command, block = -1, "", "", ""
    for line in structure.lines:
        if line.section != section:
            section, lead, command, block = line.section, "", "", ""
        if line.zone == "code":
            block = f"{block} {line.plain}" if len(block) < _COMMAND_LIMIT else block
        elif line.zone != "blank" and block:
            command, block = block[:_COMMAND_LIMIT], ""
        if _is_lead(line):
            lead = line.plain
        yield section, command, lead


def _is_lead(line: Line) -> bool:
    if line.zone != "text" or len(line.plain) > _LEAD_LIMIT:
        return False
    return bool(_LEADS.search(line.plain)) or (
        bool(_NAMES_ONE.search(line.plain)) and not MEASURES.search(line.plain) and bool(settings(line.plain))
    )
