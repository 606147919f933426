"""Evidence behind claims: logs, pictures, the files that a report names (check 24), and places nobody else has (25)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.pages.genre import Genre, genre
from npu_deliver.lint.reading.paths.named_files import NamedFile, Role, named_files, names_a_log, pictured_sections
from npu_deliver.lint.reading.paths.places import Kind, Place, private_places, secrets
from npu_deliver.lint.reading.speeds.protocol_words import timed

NO_LOG = rule("NPU024a")
PICTURE_ONLY = rule("NPU024b")
MISSING_FILE = rule("NPU024c")
PRIVATE_PATH = rule("NPU025c")
SECRET = rule("NPU025d")
RULES = (NO_LOG, PICTURE_ONLY, MISSING_FILE, PRIVATE_PATH, SECRET)

_NORMS = frozenset({"max_abs", "mean_abs", "cosine", "relative_l2", "rel_error"})
_OWN = ("shell", "python", "requirements")


def check(submission: Submission) -> Iterator[Finding]:
    """Logs, pictures, named files, private places and secrets of a submission."""
    for document in submission.reports:
        if genre(document) is Genre.REPORT:
            yield from _logs(submission, document)
        yield from _pictures(document)
        yield from _files(submission, document)
    main = submission.main
    handed_in = main is not None and genre(main) is Genre.REPORT
    for document in submission.documents:
        yield from _private(document, handed_in=handed_in)
        yield from _secrets(document)


def _logs(submission: Submission, document: Document) -> Iterator[Finding]:
    measured = timed(document) or next((q for q in document.quantities.all if q.kind in _NORMS), None)
    if measured is None or any(d.kind in ("log", "json") for d in submission.documents):
        return
    if names_a_log(document):
        yield from _sections_without_log(document)
        return
    yield found(
        NO_LOG,
        document.heading(measured.at.line),
        Text("报告的数值没有任何文字日志或 JSON", "no text log or JSON stands behind the numbers"),
        expected=due.LOG_OR_JSON,
        got=due.NONE,
        evidence=(measured.at,),
    )


def _sections_without_log(document: Document) -> Iterator[Finding]:
    """A section whose only evidence is a picture, in a report whose other sections have logs."""
    for section in pictured_sections(document):
        if section.measured and not section.log:
            yield found(
                NO_LOG,
                section.heading,
                Text(
                    f"“{section.title}”一节的数值只有图片，没有日志",
                    f"the numbers of '{section.title}' have a picture and no log",
                ),
                expected=due.LOG_OR_JSON,
                got=due.A_PICTURE,
            )


def _pictures(document: Document) -> Iterator[Finding]:
    for section in pictured_sections(document):
        if section.shown and section.results and not section.numbers:
            yield found(
                PICTURE_ONLY,
                section.at,
                Text(
                    f"“{section.title}”一节只有图片，没有文字数值",
                    f"the section '{section.title}' has a picture and no number",
                ),
                expected=due.NUMBERS_AS_TEXT,
                got=section.picture,
            )


def _files(submission: Submission, document: Document) -> Iterator[Finding]:
    if submission.names is None:
        return
    here = PurePosixPath(document.name).parent
    for named in named_files(document):
        if _is_promised(document, named) and not _is_there(submission.names, named.path, here):
            yield found(
                MISSING_FILE,
                named.at,
                Text(f"文件夹里没有 {named.path}", f"the folder has no {named.path}"),
                expected=due.in_folder(str(named.path)),
                got=due.ABSENT,
            )


def _is_promised(document: Document, named: NamedFile) -> bool:
    """A record and a tool are promised by any page; a report stands for whatever else it names."""
    return named.role in (Role.RECORD, Role.TOOL) or genre(document) is Genre.REPORT


def _is_there(names: frozenset[str], path: str, here: PurePosixPath) -> bool:
    return path in names or str(here / path) in names or any(name.endswith(f"/{path}") for name in names)


def _private(document: Document, *, handed_in: bool) -> Iterator[Finding]:
    """Somebody's home is private on any page; a disk or an inner address where a report or its scripts name it."""
    places = private_places(document) if document.kind == "report" or (handed_in and document.kind in _OWN) else []
    for place in [place for place in places if _matters(document, place)][:1]:
        yield found(
            PRIVATE_PATH,
            place.at,
            Text(f"“{place.path}”只存在于作者的机器上", f"'{place.path}' exists on the author's machine alone"),
            expected=due.PUBLIC_PATH,
            got=place.path,
        )


def _matters(document: Document, place: Place) -> bool:
    if document.kind != "report":
        return place.kind not in (Kind.MOUNT, Kind.FOLDER)
    if place.kind is Kind.FOLDER:
        return genre(document) in (Genre.REPORT, Genre.GUIDE) and not place.command
    return place.kind is Kind.HOME or (genre(document) is Genre.REPORT and not place.command)


def _secrets(document: Document) -> Iterator[Finding]:
    for secret in secrets(document)[:1]:
        yield found(
            SECRET,
            document.span(0),
            Text(f"第 {secret.line} 行有密钥", f"line {secret.line} holds a secret"),
            expected=due.NO_SECRET,
            got=due.on_line(f"{secret.head}…", secret.line),
        )
