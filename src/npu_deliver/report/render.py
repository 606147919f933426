"""Templates → text, in a way that cannot print what was not measured. The only importer of jinja2.

An undefined name, None or a bare float ends the rendering: a number passes through a unit filter or not at all.
"""

from __future__ import annotations

import json
import math
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import jinja2

from npu_deliver import words
from npu_deliver.errors import RenderError
from npu_deliver.experiments.registry import SECTIONS, halves
from npu_deliver.report.traced import Marked, Marks, Shown, trace
from npu_deliver.spec.profiles import templates, templates_folders
from npu_deliver.summary import Summary
from npu_deliver.words import COMPONENTS, ended
from npu_eval.agreement.detections import MATCH_IOU, SCORE_MARGIN
from npu_eval.agreement.levels import FP32_EQUAL
from npu_eval.asked.criteria import CONTEST_ERROR, Criterion, origin
from npu_eval.asked.metrics import METRICS
from npu_eval.experiments.dataset.data import COCO_STATS
from npu_eval.notation import units
from npu_eval.notation.phrases import AS_WRITTEN
from npu_eval.notation.sources import SAID_BY, SWITCHES, cited
from npu_eval.process.visible import visible
from npu_eval.records.stamps import UNTIMED, Stamp, named, stamp_words, stamped_name, told

_DATA = "shown data"
"""Key of an environment's globals: the texts of the user that it showed and that look like placeholders."""
PLACEHOLDER = re.compile(
    r"\$\{?[A-Za-z_]\w*\}?|\{\{|\}\}|\{%|%\}|<TODO>|\bTODO\b|\bNone\b|\bnan\b|\binf\b|\bundefined\b"
)
"""What an unexpanded or empty value looks like in a finished page."""


def render(summary: Summary, *, lang: str) -> dict[str, str]:
    """The pages of a deliverable, by their path in it.

    A template ``page.<lang>.md.j2`` gives ``page.md`` in that language.

    Raises:
        RenderError: a template names what does not exist, prints None or a bare number, or leaves a placeholder.
    """
    return _render(_environment(summary, lang), summary, lang)


def render_traced(summary: Summary, *, lang: str) -> dict[str, tuple[str, list[Shown]]]:
    """The same pages, each with every value on it and where that stands in summary.json.

    Raises:
        RenderError: as `render` does.
    """
    marks = Marks()
    environment = _environment(summary, lang)
    environment.filters = {name: _marking(marks, name, each) for name, each in environment.filters.items()}
    plain = environment.finalize or _finalize

    def bare(value: Any) -> Any:  # what a filter gave is checked already, and holds marks
        given = isinstance(value, str) and not hasattr(value, "pointer")
        return marks.mark(value, value if given else plain(value), "text")

    environment.finalize = bare
    pages = _render(environment, trace(summary), lang)
    return {name: marks.read(text) for name, text in pages.items()}


def _marking(marks: Marks, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that marks what it makes of a traced value."""
    value_at = 1 if hasattr(plain, "jinja_pass_arg") else 0

    def apply(*arguments: Any, **options: Any) -> Any:
        text = plain(*arguments, **options)
        return marks.mark(arguments[value_at], text, name) if isinstance(text, str) else text

    if value_at:
        apply.jinja_pass_arg = plain.jinja_pass_arg  # type: ignore[attr-defined]  # how jinja2 knows such a filter
    return apply


def _render(environment: jinja2.Environment, summary: Summary, lang: str) -> dict[str, str]:
    pages, folders = {}, templates_folders(summary.layout)
    data = cast("set[str]", environment.globals[_DATA])
    for place, template in templates(summary.layout).items():
        if not re.search(rf"\.{lang}\.\w+\.j2$", place):
            continue
        name = next(template.relative_to(f).as_posix() for f in folders if template.is_relative_to(f))
        try:
            text = environment.get_template(name).render(s=summary)
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise RenderError(str(error), where=_place(error, name), fix="mend the template") from error
        page = place.removesuffix(".j2").replace(f".{lang}.", ".")
        pages[stamped_name(page, simulated=Stamp.SIMULATED in summary.stamps)] = _checked(text, name, data)
    if not pages:
        raise RenderError(f"profile '{summary.profile}' has no pages in '{lang}'", where="templates")
    return pages


def _place(error: Exception, name: str) -> str:
    """The template and its line; jinja shows the lines of a template as frames of the traceback."""
    line = getattr(error, "lineno", None)
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.endswith(name):
            line = number
    return f"{name}, line {line}" if line else name


def _environment(summary: Summary, lang: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader((*templates_folders(summary.layout), SECTIONS)),
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        autoescape=False,  # noqa: S701  Markdown, not HTML; `cell` escapes what breaks a table
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    data: set[str] = set()
    environment.globals[_DATA] = data
    environment.filters.pop("default")
    environment.filters.pop("d")
    environment.filters |= {
        name: _refusing(getattr(units, name))
        for name in (
            "ms",
            "seconds",
            "rate",
            "ratio",
            "iou",
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
        "npu_memory": _refusing(units.mib),
        "n": _refusing(units.count),
        "cell": _remembering(_cell, data),
        "code": _remembering(_code, data),
        "src": _remembering(_src, data),
        "yaml": _remembering(_yaml, data),
        "settings": lambda values: " ".join(_code(f"{name}={value}") for name, value in values.items()),
        "stamp": lambda stamp: stamp_words(Stamp(stamp), lang),
        "stamp_name": lambda stamp: named(Stamp(stamp), lang),
        "bound": units.bound,
        "yes": lambda value: ("是" if value else "否") if lang == "zh" else ("yes" if value else "no"),
        "flag": lambda value: "true" if value else "false",
        "said": lambda phrase: words.phrase_words(phrase, lang, _part),
        "why": lambda criterion: _origin(criterion, lang),
        "ended": lambda text: ended(text, lang),
        "component": lambda name: COMPONENTS.get(name, name),
        "status": str,
        "names": lambda values: ", ".join(values),
        "shown": _shown,
        "at": _at,
        "commit": _commit,
        "line": _remembering(lambda text: " ".join(_given(text).split()).replace("`", "'"), data),
        "threshold": lambda value: f"{value:g}",
        "value": _metric_value,
    }
    for half in halves("words").values():
        environment.filters |= {name: _in_language(said, lang) for name, said in half.FILTERS.items()}
    if Stamp.SIMULATED in summary.stamps:
        environment.filters |= _simulated(dict(environment.filters))
    environment.tests["pinned"] = lambda address: bool(_commit(address))
    environment.tests["stamped"] = lambda s, stamp: Stamp(stamp) in s.stamps
    environment.globals["percentiles"] = _percentiles(summary)
    environment.globals["coco_stats"] = COCO_STATS
    environment.globals |= {"contest_error": CONTEST_ERROR, "score_margin": SCORE_MARGIN, "match_iou": MATCH_IOU}
    environment.globals |= {"fp32_equal": FP32_EQUAL, "switch_sources": cited(SWITCHES, lang)}
    return environment


def _in_language(said: Callable[[str, str], str], lang: str) -> Callable[[Any], str]:
    """A word of an experiment as a filter."""
    return lambda word: said(str(word), lang)


@jinja2.pass_context  # a filter of the context is not folded into the compiled template, so that may be kept
def _shown(context: jinja2.runtime.Context, path: str) -> str:
    """The path of a log or a picture as it is in this deliverable."""
    return stamped_name(context["s"].layout.at(path), simulated=Stamp.SIMULATED in context["s"].stamps)


@jinja2.pass_context  # as above
def _at(context: jinja2.runtime.Context, path: str, width: int = 0) -> str:
    """The path of any other file as it is in this deliverable, in a column of some width."""
    found: str = context["s"].layout.at(path)
    return found.ljust(width)


def _commit(address: str) -> str:
    """The commit that an address of a repository names; nothing where it names none."""
    found = re.search(r"/(?:tree|blob|commit|raw)/([0-9a-f]{7,40})(?![\w-])", _given(address))
    return found[1] if found else ""


def _simulated(filters: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The filters of a simulated device's pages: no time, and no verdict that could be taken for an NPU's."""

    def untimed(name: str) -> Callable[..., str]:
        def apply(value: Any) -> str:
            filters[name](value)  # refuses what is no number
            return UNTIMED

        return apply

    def value(found: float, metric: str) -> str:
        return UNTIMED if METRICS[metric].timed else _metric_value(found, metric)

    return {
        "ms": untimed("ms"),
        "rate": untimed("rate"),
        "npu_memory": untimed("npu_memory"),
        "value": value,
        "status": lambda s: told(s, simulated=True),
    }


def _percentiles(summary: Summary) -> list[str]:
    """The percentiles that at least one batch size supports, smallest first."""
    runs = summary.performance.runs if summary.performance else ()
    return sorted({name for run in runs for name in run.percentiles_s}, key=lambda name: float(name[1:]))


def _metric_value(value: float, metric: str) -> str:
    """A criterion's value in the unit of its metric."""
    return units.written(value, METRICS[metric].unit)


def _refusing(function: Any) -> Any:
    """A unit filter that names the mistake when it is given nothing."""

    def apply(value: Any) -> str:
        wanted = str if function is units.short_hash else (int, float)
        wrong = isinstance(value, (bool, jinja2.Undefined)) or not isinstance(value, wanted)
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            found = "an undefined name" if isinstance(value, jinja2.Undefined) else repr(value)
            raise jinja2.TemplateRuntimeError(f"the filter '{function.__name__}' was given {found}")
        return str(function(value))

    return apply


def _finalize(value: Any) -> Any:
    """Refuse what may not stand bare on a page."""
    if value is None or isinstance(value, (bool, float)):
        raise jinja2.TemplateRuntimeError(f"{value!r} stands bare in the template; use a unit filter")
    if isinstance(value, (dict, list, tuple, set)):
        raise jinja2.TemplateRuntimeError("a whole collection stands in the template; name its parts")
    return visible(value) if isinstance(value, str) else value


def _cell(text: Any) -> str:
    """Text as Markdown shows it literally, in a table too: a pipe or a newline would break the row."""
    one_line = " ".join(_given(text).split())
    escaped = re.sub(r"([\\|`])", r"\\\1", one_line.replace("&", "&amp;"))
    return escaped.replace("<", "&lt;")


def _code(text: Any) -> str:
    """Text as a code span, fenced by more backticks than it holds in a row (CommonMark 0.31, 6.1)."""
    one_line = " ".join(_given(text).split()).replace("|", "\\|")  # a table splits its row even inside a code span
    fence = "`" * (1 + max(map(len, re.findall("`+", one_line)), default=0))
    pad = " " if one_line.startswith("`") or one_line.endswith("`") else ""
    return f"{fence}{pad}{one_line}{pad}{fence}"


def _part(text: str, code: bool) -> str:
    """A part of a sentence: a name or somebody else's words as code, anything else as it is."""
    return _code(text) if code else _cell(text)


def _origin(criterion: Criterion, lang: str) -> str:
    """Where a threshold comes from, with its source; what a user wrote is the user's prose, and no code."""
    found = origin(criterion)
    if found.code == AS_WRITTEN:
        return _cell(criterion.why)
    told, source = words.phrase_words(found, lang, _part), SAID_BY.get(found.code)
    if source is None:
        return told
    return f"{told}；出处：{source.cited(lang)}" if lang == "zh" else f"{told}; source: {source.cited(lang)}"


def _src(path: Any) -> str:
    """A path as the address of a picture, in an HTML attribute inside a table: what means something in an address, an
    attribute or a row is spelled out, letters of every script stay as they are.
    """
    return re.sub(r"[\x00-\x20\x7f-\xa0\u2028\u2029#%?|`\"'<>&\\\[\]()]", lambda c: quote(c[0], safe=""), _given(path))


def _yaml(text: Any) -> str:
    """Text as a YAML scalar: plain where that is safe, else quoted, with escapes for what is hidden (YAML 1.2, 5.7)."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9.+-]*", _given(text))
    return str(text) if plain else visible(json.dumps(str(text), ensure_ascii=False))


def _given(text: Any) -> str:
    if text is None or isinstance(text, (bool, float, jinja2.Undefined)):
        found = "an undefined name" if isinstance(text, jinja2.Undefined) else repr(text)
        raise jinja2.TemplateRuntimeError(f"{found} stands where text belongs")
    return text.visible() if isinstance(text, Marked) else visible(str(text))


def _remembering(show: Callable[[Any], str], data: set[str]) -> Callable[[Any], str]:
    """A filter that keeps what it showed of somebody's text where that looks like a placeholder of ours."""

    def apply(text: Any) -> str:
        shown = show(text)
        if PLACEHOLDER.search(shown):
            data.add(shown)
        return shown

    return apply


def _checked(text: str, name: str, data: Iterable[str] = ()) -> str:
    """The page, when no placeholder of the template was left; ``data`` are texts of the user that look like some."""
    without = text
    for shown in sorted(data, key=len, reverse=True):
        without = without.replace(shown, " " * len(shown))
    lines: Sequence[str] = without.splitlines()
    for number, line in enumerate(lines, start=1):
        found = PLACEHOLDER.search(line)
        if found:
            raise RenderError(
                f"'{found[0]}' was left in line {number} of the page", where=name, fix="mend the template"
            )
    return text if text.endswith("\n") else text + "\n"
