"""What stands around a line says under which settings it was measured: headings, the command and the line above.

``batch8 的性能：`` holds for the lines below it until another line leads on; the last command block of a section holds
for what is printed after it.
"""

from __future__ import annotations

import re

from npu_deliver.lint.reading.markdown import Line, Structure
from npu_deliver.lint.reading.settings import Settings, merged, settings
from npu_deliver.lint.reading.subject import about

_LEADS = re.compile(
    r"[:：]\s*\**\s*$|^\s*(?:[-*+>]\s+)?\*\*[^*]+\*\*\s*$|^\s*\**(?:表|图|table|figure)\s*\d", re.IGNORECASE
)
_LEAD_LIMIT = 120
"""A longer line is a sentence of its own, not the lead of the next."""
_COMMAND_LIMIT = 2000
_BY_COMMAND = frozenset({"batch", "cards", "dtype", "resolution", "sequence", "beam"})


def title_path(structure: Structure, section: int) -> tuple[str, ...]:
    """The headings above a section's lines, without the title of the page where there is just one."""
    titles = structure.sections[section].titles if section < len(structure.sections) else ()
    first = structure.sections[1].level if len(structure.sections) > 1 else 1
    alone = sum(s.level == first for s in structure.sections) == 1 and len(structure.sections) > 2
    return titles[1:] if alone and titles and titles[0] == structure.sections[1].title else titles


def surroundings(structure: Structure) -> list[Settings]:
    """For every line, by index, the settings of its headings, of the command before it and of the line above."""
    out: list[Settings] = []
    headings: dict[int, list[Settings]] = {}
    section, lead, command, block = -1, "", "", ""
    joined: dict[tuple[int, str, str], Settings] = {}
    for line in structure.lines:
        if line.section != section:
            section, lead, command, block = line.section, "", "", ""
        if line.zone == "code":
            block = f"{block} {line.plain}"[:_COMMAND_LIMIT]
        elif line.zone != "blank" and block:
            command, block = block, ""
        if _is_lead(line):
            lead = line.plain
        key = (section, command, lead)
        if key not in joined:
            if section not in headings:
                headings[section] = [settings(title) for title in title_path(structure, section)]
            by_command = frozenset(pair for pair in settings(command) if pair[0] in _BY_COMMAND)
            joined[key] = merged([*headings[section], by_command, settings(lead), about(lead)])
        out.append(joined[key])
    return out


def _is_lead(line: Line) -> bool:
    return line.zone == "text" and len(line.plain) <= _LEAD_LIMIT and bool(_LEADS.search(line.plain))
