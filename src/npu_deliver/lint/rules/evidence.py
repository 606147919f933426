"""Evidence and form: logs behind claims, the files they name, the form the platform expects (checks 24 and 25)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.submission import Document, Submission
from npu_deliver.profiles import PLATFORM_SUPPLIES
from npu_eval.layout import LAYOUTS

NO_LOG = rule("NPU024a")
PICTURE_ONLY = rule("NPU024b")
MISSING_FILE = rule("NPU024c")
HARDWARE = rule("NPU025a")
SCORING = rule("NPU025b")
PRIVATE_PATH = rule("NPU025c")
SECRET = rule("NPU025d")
REQUIREMENTS = rule("NPU025e")
DEPLOY = rule("NPU025f")
SYMBOL = rule("NPU025g")
COPIED = rule("NPU025h")
FORM = rule("NPU025i")
RULES = (
    NO_LOG,
    PICTURE_ONLY,
    MISSING_FILE,
    HARDWARE,
    SCORING,
    PRIVATE_PATH,
    SECRET,
    REQUIREMENTS,
    DEPLOY,
    SYMBOL,
    COPIED,
    FORM,
)
NEED_FOLDER = frozenset({MISSING_FILE.id, REQUIREMENTS.id, DEPLOY.id, SYMBOL.id, COPIED.id, FORM.id})
"""Rules whose examples need files beside the report; their tests make folders."""

_LOG_NAME = re.compile(r"[\w./-]+\.(?:log|json|txt|csv)\b|```|日志", re.IGNORECASE)
_MEASURED = {"latency", "throughput", "max_abs", "mean_abs", "cosine", "relative_l2", "rel_error"}
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]+)[^)]*\)|<img[^>]+src=[\"'](?P<src>[^\"']+)")
_RESULT_WORDS = re.compile(
    r"性能|精度|延迟|报告|结果|performance|precision|accuracy|latency|report|benchmark|dual|batch|双卡|对比",
    re.IGNORECASE,
)


def check(submission: Submission) -> Iterator[Finding]:
    """Logs, files, metadata and paths of a submission."""
    for document in submission.reports:
        yield from _logs(submission, document)
        yield from _pictures(document)
        yield from _files(submission, document)
        yield from _metadata(submission, document)
        yield from _scoring(document)
        yield from _symbols(submission, document)
    yield from _form(submission)
    for document in submission.documents:
        yield from _paths(document)
        yield from _requirements(document)
        yield from _deploy(document)


def _logs(submission: Submission, document: Document) -> Iterator[Finding]:
    timed = [q for q in document.quantities.all if q.kind in _MEASURED]
    if not timed or any(d.kind in ("log", "json") for d in submission.documents):
        return
    if document.says(_LOG_NAME):
        yield from _sections_without_log(document)
        return
    yield found(
        NO_LOG,
        document.heading(timed[0].at.line),
        Text("报告的数值没有任何文字日志或 JSON", "no text log or JSON stands behind the numbers"),
        expected="a .log or .json file",
        got="none",
        evidence=(timed[0].at,),
    )


def _sections_without_log(document: Document) -> Iterator[Finding]:
    """A section whose only evidence is a picture, in a report whose other sections have logs."""
    for index, section in enumerate(document.structure.sections):
        lines = [line for line in document.lines if line.section == index]
        pictured = any(_PICTURE.search(line.text) or re.search(r"[\w/]+\.png\b", line.plain) for line in lines)
        measured = any(q.section == index and q.kind in ("latency", "throughput") for q in document.quantities.all)
        if pictured and measured and not any(_LOG_NAME.search(line.plain) or line.zone == "log" for line in lines):
            yield found(
                NO_LOG,
                document.span(section.line),
                Text(
                    f"“{section.title}”一节的数值只有图片，没有日志",
                    f"the numbers of '{section.title}' have a picture and no log",
                ),
                expected="a .log or .json file",
                got="a picture",
            )


def _pictures(document: Document) -> Iterator[Finding]:
    for index, section in enumerate(document.structure.sections):
        lines = [line for line in document.lines if line.section == index and line.zone != "blank"]
        pictures = [(line, m) for line in lines if (m := _PICTURE.search(line.text))]
        if not pictures or not _RESULT_WORDS.search(section.title + pictures[0][0].text):
            continue
        words = [_PICTURE.sub("", line.text) for line in lines if line.number != section.line]
        children = [
            s for s in document.structure.sections[index + 1 :] if s.titles[: len(section.titles)] == section.titles
        ]
        if not children and not any(re.search(r"\d", text) for text in words) and section.level > 1:
            yield found(
                PICTURE_ONLY,
                document.span(pictures[0][0].number),
                Text(
                    f"“{section.title}”一节只有图片，没有文字数值",
                    f"the section '{section.title}' has a picture and no number",
                ),
                expected="the numbers as text",
                got=(pictures[0][1]["path"] or pictures[0][1]["src"] or "")[:80],
            )


_NAMED = re.compile(r"(?<![\w./@-])(?P<path>(?:\./)?(?:[\w.-]+/)+[\w.-]+\.(?:log|json|py|png|jpg|md|txt|sh))(?![\w/*])")


def _files(submission: Submission, document: Document) -> Iterator[Finding]:
    if submission.names is None:
        return
    names, told = submission.names, set()
    here = PurePosixPath(document.name).parent
    for line in document.lines:
        if line.zone not in ("text", "table") or re.search(r"https?://", line.plain):
            continue
        for match in _NAMED.finditer(line.plain):
            path = PurePosixPath(match["path"].removeprefix("./"))
            known = any(str(option) in names for option in (path, here / path)) or any(
                name.endswith(f"/{path}") for name in names
            )
            if (
                not known
                and str(path) not in told
                and "*" not in str(path)
                and re.match(
                    r"(?:logs?|results?|evaluation|eval|scripts?|screenshots?|npu_deliverables|assets)/", str(path)
                )
            ):
                told.add(str(path))
                yield found(
                    MISSING_FILE,
                    document.span(line.number),
                    Text(f"文件夹里没有 {path}", f"the folder has no {path}"),
                    expected=f"{path} in the folder",
                    got="absent",
                )


def _metadata(submission: Submission, document: Document) -> Iterator[Finding]:
    if document is not submission.main or not document.structure.front:
        return
    front = document.structure.front
    hardware = (front.get("hardware") or [""])[0]
    tags = {tag.lower() for tag in front.get("tags", [])}
    about_npu = document.says(re.compile(r"(?<![a-z])npu(?![a-z])|昇腾|ascend", re.IGNORECASE))
    honest_other = document.says(re.compile(r"NO NPU|未使用 NPU|SIMULATED|模拟 NPU|REPLAYED|回放", re.IGNORECASE))
    if about_npu and not honest_other and hardware != "NPU":
        yield found(
            HARDWARE,
            document.span(document.structure.front_lines.get("hardware", 1)),
            Text("元数据中没有 hardware: NPU", "the metadata lack hardware: NPU"),
            expected="hardware: NPU",
            got=hardware or "none",
        )
    missing = {"npu", "ascend", "ascend-npu"} - tags
    if about_npu and not honest_other and missing and hardware == "NPU":
        yield found(
            HARDWARE,
            document.span(document.structure.front_lines.get("tags", 1)),
            Text(f"标签缺少 {', '.join(sorted(missing))}", f"the tags lack {', '.join(sorted(missing))}"),
            expected="NPU, Ascend, ascend-npu",
            got=", ".join(sorted(tags)) or "none",
        )


_SCORING_KEYS = ("max_abs_diff", "mean_abs_diff", "cosine_similarity", "match_within_1_percent", "latency_ms")


def _scoring(document: Document) -> Iterator[Finding]:
    for index, section in enumerate(document.structure.sections):
        if not re.search(r"评分字段|scoring fields", section.title):
            continue
        text = "\n".join(line.plain for line in document.lines if line.section == index)
        missing = [key for key in _SCORING_KEYS if key not in text]
        if "|" in text and 0 < len(missing) < len(_SCORING_KEYS):
            yield found(
                SCORING,
                document.span(section.line),
                Text(f"评分字段缺少 {', '.join(missing)}", f"the scoring fields lack {', '.join(missing)}"),
                expected=", ".join(_SCORING_KEYS),
                got=f"without {', '.join(missing)}",
            )


_PRIVATE = re.compile(
    r"(?<![\w./-])(?P<path>/(?:home|root|opt/atomgit|data\d*|mnt|workspace|Users|media|disk\d*|nfs|share|models?|"
    r"weights?)/[\w./+-]+|[A-Z]:\\[\w\\.-]+)"
)
_INTRANET = re.compile(r"(?<![\d.])(?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3}(?![\d.])")
_SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{20,}|ghp_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9]{32,}|"
    r"glpat-[\w-]{20,}|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY)"
    r"|(?:password|passwd|密码|secret_key|access_key)\s*[=:]\s*['\"]?(?![\s<$*x'\"])[A-Za-z0-9!@#%^&]{8,}"
)


def _paths(document: Document) -> Iterator[Finding]:
    private = secret = False
    for line in document.lines:
        if document.kind in ("report", "shell", "python", "requirements") and not private:
            match = _PRIVATE.search(line.plain) or _INTRANET.search(line.plain)
            if (
                match
                and not re.search(r"https?://\S*" + re.escape(match[0]), line.plain)
                and not re.search(r"example|示例|例如|path/to|your", line.plain, re.IGNORECASE)
            ):
                private = True
                yield found(
                    PRIVATE_PATH,
                    document.span(line.number),
                    Text(
                        f"“{match[0][:80]}”只存在于作者的机器上",
                        f"'{match[0][:80]}' exists on the author's machine alone",
                    ),
                    expected="a relative path or a public address",
                    got=match[0][:80],
                )
        if not secret and (match := _SECRET.search(line.plain)):
            secret = True
            yield found(
                SECRET,
                document.span(0),
                Text(f"第 {line.number} 行有密钥", f"line {line.number} holds a secret"),
                expected="no secret",
                got=f"{match[0][:6]}… in line {line.number}",
            )


def _requirements(document: Document) -> Iterator[Finding]:
    if document.kind != "requirements":
        return
    for line in document.lines:
        name = re.split(r"[=<>!~;\[@ ]", line.plain.strip(), maxsplit=1)[0]
        if re.sub(r"[-_.]+", "_", name.lower()) in PLATFORM_SUPPLIES:
            yield found(
                REQUIREMENTS,
                document.span(line.number),
                Text(f"{name} 由平台提供", f"the platform brings {name}"),
                expected="no such line",
                got=line.plain.strip()[:80],
            )


def _deploy(document: Document) -> Iterator[Finding]:
    if document.name != "deploy.sh":
        return
    text = "\n".join(line.plain for line in document.lines)
    missing = [
        what
        for what, pattern in (("8000", r"\b8000\b"), ("$MODEL_PATH", r"\$\{?MODEL_PATH"))
        if not re.search(pattern, text)
    ]
    if missing:
        yield found(
            DEPLOY,
            document.span(1),
            Text(f"deploy.sh 没有 {', '.join(missing)}", f"deploy.sh lacks {', '.join(missing)}"),
            expected="port 8000 and $MODEL_PATH",
            got=f"without {', '.join(missing)}",
        )


_SCRIPTS = ("inference.py", "evaluation/eval_precision.py", "evaluation/eval_performance.py")
_LOG = "evaluation/logs/precision_eval.log"
_FORMS = (
    ("evaluation/eval_precision.py", "npu_deliverables",
     (*_SCRIPTS, "OPTIMIZATION_RECORD.md", _LOG, "evaluation/logs/performance_eval.log")),
    ("eval/eval_accuracy.py", "eval_results", (*_SCRIPTS, _LOG, "evaluation/records/precision.json")),
    ("logs/accuracy_compare.log", "flat", ("inference.py", "requirements.txt", _LOG, "summary.json")),
)  # fmt: skip
"""(the file by which a layout is known, the layout, the canonical paths of what a submission in it has to hold)."""


def _form(submission: Submission) -> Iterator[Finding]:
    names = {name.replace(".simulated.", "."): name for name in submission.names or ()}
    for mark, layout, asked in _FORMS:
        roots = (name.removesuffix(mark) for name in names if f"/{name}".endswith(f"/{mark}"))
        for root in sorted(roots, key=len)[:1]:  # the submission's own, not one of a copy inside it
            missing = [path for path in map(LAYOUTS[layout].at, asked) if root + path not in names]
            if not any(re.fullmatch(r"readme[\w.-]*\.md", name.removeprefix(root).lower()) for name in names):
                missing.append("README.md")
            if missing and submission.main is not None:
                yield found(
                    FORM,
                    submission.main.span(1),
                    Text(f"{layout} 布局缺少 {', '.join(missing)}", f"the layout {layout} lacks {', '.join(missing)}"),
                    expected=", ".join(missing),
                    got="absent",
                )


_IMPORT = re.compile(r"^\s*from\s+(?P<module>[\w.]+)\s+import\s+(?P<names>[\w, ]+)$")


def _symbols(submission: Submission, document: Document) -> Iterator[Finding]:
    code = {d.name: d for d in submission.documents if d.kind == "python"}
    for line in document.lines:
        match = _IMPORT.match(line.plain) if line.zone == "code" else None
        if not match:
            continue
        module = code.get(match["module"].replace(".", "/") + ".py")
        text = "\n".join(other.plain for other in module.lines) if module else ""
        for name in (part.strip().split(" as ")[0] for part in match["names"].split(",")):
            if (
                module
                and name
                and not re.search(
                    rf"^\s*(?:def|class|async def)\s+{re.escape(name)}\b|^{re.escape(name)}\s*[:=]|"
                    rf"import .*\b{re.escape(name)}\b",
                    text,
                    re.MULTILINE,
                )
            ):
                yield found(
                    SYMBOL,
                    document.span(line.number),
                    Text(f"{match['module']}.py 没有定义 {name}", f"{match['module']}.py does not define {name}"),
                    expected=f"{name} in {module.name}",
                    got="absent",
                )


class Copies:
    """Reports that are line for line those of an earlier submission of the same run."""

    def __init__(self) -> None:
        self._seen: dict[str, Span] = {}

    def check(self, submission: Submission) -> Iterator[Finding]:
        """Whether a submission's report was seen before."""
        main = submission.main
        if main is None:
            return
        body = sorted({line.plain.strip() for line in main.lines if len(line.plain.strip()) > 20})
        if len(body) < 8:
            return
        key = hashlib.sha256("\n".join(body).encode("utf-8", "surrogatepass")).hexdigest()
        twin = self._seen.setdefault(key, main.span(1))
        if twin.file != main.file:
            yield found(
                COPIED,
                main.span(1),
                Text(f"与 {twin.file} 逐行相同", f"line for line the text of {twin.file}"),
                expected="a report of its own",
                got=twin.file,
                evidence=(twin,),
            )
