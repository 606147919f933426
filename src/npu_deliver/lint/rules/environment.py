"""The machine and its software, and whether the work was done on it (checks 15, 17, 18, 19 and 20)."""

from __future__ import annotations

from collections.abc import Iterator

from npu_deliver.environment.compatibility import Answer, State, compatibility
from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.environment.chips import unclear_chip, wrong_tag
from npu_deliver.lint.reading.environment.fallback import fallback, mocked_extension, silent_choice
from npu_deliver.lint.reading.environment.loose_versions import drivers_as_cann, vague_versions
from npu_deliver.lint.reading.environment.platform import (
    card_counts,
    explains_formats,
    formats_of_sides,
    names_distribution,
    records_modes,
    was_elsewhere,
)
from npu_deliver.lint.reading.environment.versions import Version, environments, versions
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.pages.genre import Genre, answers_for_precision, genre
from npu_deliver.lint.reading.precision.agreement import about_npu, compares

MODES = rule("NPU015a")
MIXED = rule("NPU015b")
CONTRADICTED = rule("NPU017")
VAGUE = rule("NPU018a")
DRIVER = rule("NPU018b")
NO_VERSIONS = rule("NPU018c")
SOC = rule("NPU019a")
IMAGE = rule("NPU019b")
CARDS = rule("NPU019c")
FALLBACK = rule("NPU020a")
SILENT = rule("NPU020b")
MOCKED = rule("NPU020c")
RULES = (MODES, MIXED, CONTRADICTED, VAGUE, DRIVER, NO_VERSIONS, SOC, IMAGE, CARDS, FALLBACK, SILENT, MOCKED)

_OF_TWO_RUNS = ("max_abs", "mean_abs", "cosine", "rel_error", "relative_l2")
_ZOO_PAGES = (Genre.TRAINING, Genre.INFERENCE)


def check(submission: Submission) -> Iterator[Finding]:
    """Software, chip and device of a submission."""
    for document in submission.documents:
        yield from _fallback(document)
    for document in submission.reports:
        yield from _mixed(document)
        yield from _stack(document)
        yield from _loose(document)
        yield from _chip(document)
        yield from _cards(document)
    main, texts = submission.main, submission.texts
    if main is not None and any(map(about_npu, texts)) and not any(map(was_elsewhere, texts)):
        yield from _absent(submission, main)


def _absent(submission: Submission, main: Document) -> Iterator[Finding]:
    first = next((q for q in main.quantities.all if q.kind in _OF_TWO_RUNS), None)
    if first is not None and answers_for_precision(main) and not any(map(records_modes, submission.texts)):
        yield found(
            MODES,
            main.heading(first.at.line),
            Text("没有记录 HF32 等数值模式", "HF32 and the other numeric modes are not recorded"),
            expected=due.MODES,
            got=due.NONE,
        )
    timed = next((q for q in main.quantities.all if q.kind in ("latency", "throughput")), None)
    timed = timed or (first if genre(main) is Genre.REPORT else None)
    named = {version.component for document in submission.texts for version in versions(document)}
    vague = any(vague_versions(document) or names_distribution(document) for document in submission.texts)
    owed = genre(main) in (Genre.REPORT, Genre.INFERENCE)
    if timed is not None and owed and not named & {"cann", "torch_npu", "plugin"} and not vague:
        yield found(
            NO_VERSIONS,
            main.heading(timed.at.line),
            Text("没有给出 CANN 与 torch_npu 的版本", "no version of CANN or torch_npu is given"),
            expected=due.VERSIONS,
            got=due.NONE,
        )


def _mixed(document: Document) -> Iterator[Finding]:
    sides = formats_of_sides(document)
    if sides is None or not compares(document) or genre(document) in _ZOO_PAGES:
        return
    reference, candidate = sides
    if reference.name not in (candidate.name, "fp64") and not explains_formats(document):
        said = Text(
            f"参考端是 {reference.name}，适配端是 {candidate.name}",
            f"the reference is {reference.name}, the candidate {candidate.name}",
        )
        yield found(MIXED, candidate.at, said, expected=reference.name, got=candidate.name, evidence=(reference.at,))


def _stack(document: Document) -> Iterator[Finding]:
    """Sets of versions that every published source is against, each of one environment."""
    for environment in environments(document):
        stack = {version.component: version for version in environment}
        plugin = stack.get("torch_npu") or stack.get("plugin")
        answer = _answer(stack) if plugin else _of_any_plugin(document, stack)
        if answer is not None and answer.state is State.CONTRADICTED:
            yield _contradicted(stack, plugin, answer)
            return


def _of_any_plugin(document: Document, stack: dict[str, Version]) -> Answer | None:
    """The answer for a report on an NPU that names no torch_npu: contradicted only where none for its torch fits."""
    torch, cann = stack.get("torch"), stack.get("cann")
    if torch is None or cann is None or genre(document) is not Genre.REPORT:
        return None
    family = ".".join(torch.parts[:2])
    return compatibility(None, family, cann.text)


def _answer(stack: dict[str, Version]) -> Answer:
    text = {name: version.text for name, version in stack.items()}
    return compatibility(
        text.get("torch"), text.get("torch_npu"), text.get("cann"), text.get("python"), plugin=text.get("plugin")
    )


def _contradicted(stack: dict[str, Version], plugin: Version | None, answer: Answer) -> Finding:
    others = [stack[name] for name in ("torch", "cann", "python") if name in stack]
    torch = stack.get("torch")
    alone = torch and plugin and compatibility(torch.text, plugin.text, None).state is State.CONTRADICTED
    against = torch if torch and alone else stack.get("cann", others[0])
    names = {"torch_npu": "torch_npu", "plugin": "TorchNPU", "torch": "torch", "cann": "CANN", "python": "Python"}
    with_whom = plugin or stack["torch"]
    one, other = (f"{names[version.component]} {version.text}" for version in (against, with_whom))
    said = Text(f"{one} 与 {other} 不配套", f"{one} does not go with {other}")
    if plugin is None:
        said = Text(
            f"{one} 与 {other} 的任何 torch_npu 都不配套", f"{one} goes with no torch_npu that is made for {other}"
        )
    return found(
        CONTRADICTED,
        against.at,
        said,
        expected=Text("；".join(answer.said("zh"))[:400], "; ".join(answer.said("en"))[:400]),
        got=f"{one}, {other}",
        evidence=(with_whom.at, *(version.at for version in others)),
    )


def _loose(document: Document) -> Iterator[Finding]:
    for driver in drivers_as_cann(document):
        said = Text(
            f"{driver.word} 是驱动（npu-smi）的版本，不是 CANN 的",
            f"{driver.word} is the driver's version (npu-smi), not CANN's",
        )
        yield found(DRIVER, driver.at, said, expected=due.DRIVERS, got=driver.word)
    requires = genre(document) in _ZOO_PAGES
    vague = next((each for each in vague_versions(document) if not (each.bound and requires)), None)
    if vague:
        said = Text(f"{vague.name} 的版本是“{vague.word}”", f"the version of {vague.name} is '{vague.word}'")
        yield found(VAGUE, vague.at, said, expected=due.EXACT_VERSION, got=vague.word)


def _chip(document: Document) -> Iterator[Finding]:
    unclear = unclear_chip(document)
    if unclear and genre(document) not in _ZOO_PAGES:
        said = Text(f"“{unclear.name}”不能确定芯片", f"'{unclear.name}' does not tell the chip")
        yield found(SOC, unclear.at, said, expected=due.SOC, got=unclear.name)
    tag = wrong_tag(document)
    if tag:
        said = Text(
            f"镜像标签 -{tag.chip}- 不是 {'、'.join(tag.named)} 的",
            f"the tag -{tag.chip}- is not for {', '.join(tag.named)}",
        )
        yield found(IMAGE, tag.at, said, expected=f"-{tag.named[0]}-", got=f"-{tag.chip}-")


def _cards(document: Document) -> Iterator[Finding]:
    counts = card_counts(document)
    for count in counts:
        first = next(other for other in counts if other.setting == count.setting)
        if count.count != first.count:
            said = Text(
                f"NPU 数量在此为 {count.count}，在第 {first.at.line} 行为 {first.count}",
                f"the number of NPUs is {count.count} here and {first.count} in line {first.at.line}",
            )
            yield found(CARDS, count.at, said, expected=str(first.count), got=str(count.count), evidence=(first.at,))
            return


def _fallback(document: Document) -> Iterator[Finding]:
    if fell := fallback(document):
        said = Text("有算子回退到 CPU 执行", "an operator ran on the CPU")
        yield found(FALLBACK, fell.at, said, expected=due.NO_FALLBACK, got=fell.words)
    if chosen := silent_choice(document):
        said = Text("没有 NPU 时会静默使用 CPU", "without an NPU this silently takes the CPU")
        yield found(SILENT, chosen.at, said, expected=due.AN_ERROR, got=chosen.words)
    if mocked := mocked_extension(document):
        said = Text("扩展模块被假模块代替", "an extension module was replaced by a mock")
        yield found(MOCKED, mocked.at, said, expected=due.REAL_EXTENSION, got=mocked.words)
