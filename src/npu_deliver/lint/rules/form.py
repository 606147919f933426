"""The form that the platform and the layouts expect, in submissions that were made for it (check 25)."""

from __future__ import annotations

from collections.abc import Iterator

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.forms.card import (
    SCORING_KEYS,
    card,
    fingerprint,
    imports,
    missing_of_deploy,
    requirements,
    scorings,
    words_of,
)
from npu_deliver.lint.reading.pages.genre import Genre, genre
from npu_deliver.lint.reading.precision.agreement import about_npu
from npu_deliver.spec.profiles import PLATFORM_SUPPLIES
from npu_eval.asked.layout import LAYOUTS

HARDWARE = rule("NPU025a")
SCORING = rule("NPU025b")
REQUIREMENTS = rule("NPU025e")
DEPLOY = rule("NPU025f")
SYMBOL = rule("NPU025g")
COPIED = rule("NPU025h")
FORM = rule("NPU025i")
RULES = (HARDWARE, SCORING, REQUIREMENTS, DEPLOY, SYMBOL, COPIED, FORM)

_TAGS = frozenset({"npu", "ascend", "ascend-npu"})
_NO_PACKAGE = "python"
"""pip installs no interpreter: whoever names it in a requirements file, on whatever platform, cannot install."""


def check(submission: Submission) -> Iterator[Finding]:
    """Metadata, scoring fields, requirements, start script, imports and files of a submission."""
    main = submission.main
    handed_in = main is None or genre(main) not in (Genre.TRAINING, Genre.INFERENCE)
    if main is not None and genre(main) is Genre.REPORT:
        yield from _metadata(main)
    for document in submission.reports:
        yield from _scoring(document)
        yield from _symbols(submission, document)
    yield from _form(submission)
    for document in submission.documents:
        yield from _requirements(document, handed_in=handed_in)
        yield from _deploy(document) if handed_in else ()


def _metadata(document: Document) -> Iterator[Finding]:
    """A card that names an NPU as its hardware or in its tags is one of the platform's; any other is left alone."""
    front = card(document)
    if front is None or front.of_another_device or not about_npu(document):
        return
    if front.hardware != "NPU" and (front.hardware is not None or front.tags & _TAGS):
        yield found(
            HARDWARE,
            front.hardware_at,
            Text("元数据中没有 hardware: NPU", "the metadata lack hardware: NPU"),
            expected="hardware: NPU",
            got=front.hardware or due.NONE,
        )
    missing = ", ".join(sorted(_TAGS - front.tags))
    if missing and front.hardware == "NPU":
        yield found(
            HARDWARE,
            front.tags_at,
            Text(f"标签缺少 {missing}", f"the tags lack {missing}"),
            expected="NPU, Ascend, ascend-npu",
            got=", ".join(sorted(front.tags)) or due.NONE,
        )


def _scoring(document: Document) -> Iterator[Finding]:
    for section in scorings(document):
        if section.filled and section.missing:
            missing = ", ".join(section.missing)
            yield found(
                SCORING,
                section.at,
                Text(f"评分字段缺少 {missing}", f"the scoring fields lack {missing}"),
                expected=", ".join(SCORING_KEYS),
                got=due.without(missing),
            )


def _requirements(document: Document, *, handed_in: bool) -> Iterator[Finding]:
    if document.kind != "requirements":
        return
    for line in requirements(document):
        name = line.name.lower().replace("-", "_").replace(".", "_")
        if line.for_pip and (name == _NO_PACKAGE or (handed_in and name in PLATFORM_SUPPLIES)):
            yield found(
                REQUIREMENTS,
                line.at,
                Text(f"{line.name} 由平台提供，pip 装不了", f"the platform brings {line.name}; pip cannot"),
                expected=due.NO_SUCH_LINE,
                got=line.line,
            )


def _deploy(document: Document) -> Iterator[Finding]:
    missing = ", ".join(missing_of_deploy(document)) if document.name == "deploy.sh" else ""
    if missing:
        yield found(
            DEPLOY,
            document.span(1),
            Text(f"deploy.sh 没有 {missing}", f"deploy.sh lacks {missing}"),
            expected=due.SERVED,
            got=due.without(missing),
        )


def _symbols(submission: Submission, document: Document) -> Iterator[Finding]:
    asked = imports(document)
    code = {d.name: d for d in submission.documents if d.kind == "python"} if asked else {}
    for imported in asked:
        module = code.get(imported.module.replace(".", "/") + ".py")
        words = words_of(module) if module else None
        if module and words is not None and imported.name not in words:
            yield found(
                SYMBOL,
                imported.at,
                Text(
                    f"{imported.module}.py 没有定义 {imported.name}",
                    f"{imported.module}.py does not define {imported.name}",
                ),
                expected=due.defined(imported.name, module.name),
                got=due.ABSENT,
            )


_SCRIPTS = ("inference.py", "evaluation/eval_precision.py", "evaluation/eval_performance.py")
_LOG = "evaluation/logs/precision_eval.log"
_FORMS = (
    (
        "evaluation/eval_precision.py",
        "npu_deliverables",
        (*_SCRIPTS, "OPTIMIZATION_RECORD.md", _LOG, "evaluation/logs/performance_eval.log"),
    ),
    ("eval/eval_accuracy.py", "eval_results", (*_SCRIPTS, _LOG, "evaluation/records/precision.json")),
    ("logs/accuracy_compare.log", "flat", ("inference.py", "requirements.txt", _LOG, "summary.json")),
)
"""(the file by which a layout is known, the layout, the canonical paths of what a submission in it has to hold)."""


def _form(submission: Submission) -> Iterator[Finding]:
    names = {name.replace(".simulated.", "."): name for name in submission.names or ()}
    for mark, layout, asked in _FORMS:
        roots = (name.removesuffix(mark) for name in names if f"/{name}".endswith(f"/{mark}"))
        for root in sorted(roots, key=len)[:1]:  # the submission's own, not one of a copy inside it
            missing = [path for path in map(LAYOUTS[layout].at, asked) if root + path not in names]
            if not any(_is_a_readme(name.removeprefix(root)) for name in names):
                missing.append("README.md")
            if missing and submission.main is not None:
                yield found(
                    FORM,
                    submission.main.span(1),
                    Text(f"{layout} 布局缺少 {', '.join(missing)}", f"the layout {layout} lacks {', '.join(missing)}"),
                    expected=", ".join(missing),
                    got=due.ABSENT,
                )


def _is_a_readme(name: str) -> bool:
    return "/" not in name and name.lower().startswith("readme") and name.lower().endswith(".md")


class Copies:
    """Reports that are line for line those of an earlier submission of the same run."""

    def __init__(self) -> None:
        self._seen: dict[str, Span] = {}

    def check(self, printed: tuple[str, Span] | None) -> Iterator[Finding]:
        """Whether a report was seen before, by what `print_of` says of it."""
        if printed is None:
            return
        key, here = printed
        twin = self._seen.setdefault(key, here)
        if twin.file != here.file:
            yield found(
                COPIED,
                here,
                Text(f"与 {twin.file} 逐行相同", f"line for line the text of {twin.file}"),
                expected=due.OWN_REPORT,
                got=twin.file,
                evidence=(twin,),
            )


def print_of(submission: Submission) -> tuple[str, Span] | None:
    """What a submission's report is known by, and its first line; None for one that is too short to tell."""
    main = submission.main
    key = fingerprint(main) if main is not None else None
    return None if main is None or key is None else (key, main.span(1))
