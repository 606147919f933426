"""Templates → text, in a way that cannot print what was not measured. The only importer of jinja2.

An undefined name, None or a bare float ends the rendering: a number passes through a unit filter or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from npu_deliver.errors import RenderError
from npu_deliver.profiles import templates_folder
from npu_deliver.summary import Summary
from npu_deliver.words import STAMPS, reason
from npu_eval import units
from npu_eval.config import METRICS
from npu_eval.stamps import Stamp

PLACEHOLDER = re.compile(r"\$\{?[A-Za-z_]\w*\}?|\{\{|\}\}|\{%|%\}|<TODO>|\bTODO\b|\bNone\b|\bnan\b|\bundefined\b")
"""What an unexpanded or empty value looks like in a finished page."""


def render(summary: Summary, *, lang: str) -> dict[str, str]:
    """The pages of a deliverable, by their path in it.

    A template ``page.<lang>.md.j2`` gives ``page.md`` in that language.

    Raises:
        RenderError: a template names what does not exist, prints None or a bare number, or leaves a placeholder.
    """
    templates = templates_folder(summary.profile)
    environment = _environment(templates, summary, lang)
    pages = {}
    for template in sorted(templates.rglob(f"*.{lang}.*.j2")):
        name = template.relative_to(templates).as_posix()
        try:
            text = environment.get_template(name).render(s=summary)
        except jinja2.TemplateError as error:
            line = getattr(error, "lineno", None)
            place = f"{name}, line {line}" if line else name
            raise RenderError(error.message or str(error), where=place, fix="mend the template") from error
        pages[name.removesuffix(".j2").replace(f".{lang}.", ".")] = _checked(text, name)
    if not pages:
        raise RenderError(f"profile '{summary.profile}' has no pages in '{lang}'", where=str(templates))
    return pages


def _environment(templates: Path, summary: Summary, lang: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        autoescape=False,  # noqa: S701  Markdown, not HTML; `cell` escapes what breaks a table
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.pop("default")
    environment.filters.pop("d")
    environment.filters |= {
        name: _refusing(getattr(units, name))
        for name in (
            "ms",
            "seconds",
            "rate",
            "ratio",
            "cosine",
            "sci",
            "percent",
            "mib",
            "gib",
            "millions",
            "short_hash",
        )
    }
    environment.filters |= {
        "db": units.db,
        "n": _refusing(units.count),
        "cell": _cell,
        "stamp": lambda stamp: STAMPS[lang][stamp],
        "yes": lambda value: ("是" if value else "否") if lang == "zh" else ("yes" if value else "no"),
        "flag": lambda value: "true" if value else "false",
        "why": lambda text: reason(text, lang),
        "names": lambda values: ", ".join(values),
        "threshold": lambda value: f"{value:g}",
        "value": _metric_value,
    }
    environment.tests["stamped"] = lambda s, stamp: Stamp(stamp) in s.stamps
    environment.globals["metrics"] = METRICS
    environment.globals["percentiles"] = _percentiles(summary)
    return environment


def _percentiles(summary: Summary) -> list[str]:
    """The percentiles that at least one batch size supports, smallest first."""
    runs = summary.performance.runs if summary.performance else ()
    return sorted({name for run in runs for name in run.percentiles_s}, key=lambda name: float(name[1:]))


def _metric_value(value: float, metric: str) -> str:
    """A criterion's value in the unit of its metric."""
    if metric.endswith("_s"):
        return units.ms(value) if metric.startswith("latency") else units.rate(value)
    if metric in ("sample_count", "nonfinite_mismatch"):
        return units.count(round(value))
    if metric.endswith("agreement") or metric.startswith("share"):
        return units.ratio(value)  # the threshold beside it is a ratio too
    return units.cosine(value) if metric.startswith("cosine") else units.sci(value)


def _refusing(function: Any) -> Any:
    """A unit filter that names the mistake when it is given nothing."""

    def apply(value: Any) -> str:
        if value is None or isinstance(value, (bool, jinja2.Undefined)):
            raise jinja2.TemplateRuntimeError(f"the filter '{function.__name__}' was given {value!r}, not a number")
        return str(function(value))

    return apply


def _finalize(value: Any) -> Any:
    """Refuse what may not stand bare on a page."""
    if value is None or isinstance(value, (bool, float)):
        raise jinja2.TemplateRuntimeError(f"{value!r} stands bare in the template; use a unit filter")
    if isinstance(value, (dict, list, tuple, set)):
        raise jinja2.TemplateRuntimeError("a whole collection stands in the template; name its parts")
    return value


def _cell(text: Any) -> str:
    """Text inside a Markdown table: a pipe or a newline would break the row."""
    if text is None:
        raise jinja2.TemplateRuntimeError("None stands in a table cell")
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _checked(text: str, name: str) -> str:
    lines: Sequence[str] = text.splitlines()
    for number, line in enumerate(lines, start=1):
        found = PLACEHOLDER.search(line)
        if found:
            raise RenderError(
                f"'{found[0]}' was left in line {number} of the page", where=name, fix="mend the template"
            )
    return text if text.endswith("\n") else text + "\n"
