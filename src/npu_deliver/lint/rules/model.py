"""Which model it is, and whether its weights are what they are said to be (checks 12 and 13)."""

from __future__ import annotations

from collections.abc import Iterator

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.model.architecture import classifier, stand_in
from npu_deliver.lint.reading.model.weights import Random, has_hash, loose_loading, random_weights, weights_line
from npu_deliver.lint.reading.pages.genre import Genre, answers_for_precision, genre, is_own_report

UNIDENTIFIED = rule("NPU012a")
NOT_STRICT = rule("NPU012b")
RANDOM_HEAD = rule("NPU012c")
DRY_RUN = rule("NPU012d")
NO_CLASSES = rule("NPU013a")
CLASSES_DIFFER = rule("NPU013b")
STAND_IN = rule("NPU013c")
RULES = (UNIDENTIFIED, NOT_STRICT, RANDOM_HEAD, DRY_RUN, NO_CLASSES, CLASSES_DIFFER, STAND_IN)


def check(submission: Submission) -> Iterator[Finding]:
    """The model and its weights, as the reports tell them."""
    main = submission.main
    if main is None:
        return
    yield from _unidentified(submission, main)
    for document in submission.reports:
        yield from _loading(submission, document)
        yield from _classes(document)
        simple = stand_in(document)
        if simple and genre(document) is not Genre.INFERENCE:
            said = Text(
                "适配的是简化的替身，而不是上游模型", "a simplified stand-in was ported, not the upstream model"
            )
            yield found(STAND_IN, simple.at, said, expected=due.UPSTREAM, got=simple.words)


def _loading(submission: Submission, document: Document) -> Iterator[Finding]:
    """Weights that were not loaded strictly, and random ones: a defect where a line lets them out, a dry run where a
    banner says so before anything else."""
    loose = loose_loading(document)
    if loose:
        said = Text("权重没有严格加载", "the weights were not loaded strictly")
        yield found(NOT_STRICT, loose.at, said, expected=due.STRICT, got=loose.words)
    random = random_weights(document)
    if random and random.banner:
        said = Text("报告开头写明使用随机权重", "the report says at its beginning that its weights are random")
        yield found(DRY_RUN, random.at, said, expected=due.TRAINED_WEIGHTS, got=random.words)
    elif random and (genre(document) is not Genre.GUIDE or is_own_report(submission, document)):
        yield _random(document, random)


def _random(document: Document, random: Random) -> Finding:
    """A report answers for trained weights; a page that times a network and says that they are random is open."""
    if random.chosen and genre(document) is not Genre.REPORT:
        said = Text("页面写明使用随机权重", "the page says that its weights are random")
        return found(DRY_RUN, random.at, said, expected=due.TRAINED_WEIGHTS, got=random.words)
    said = Text("有参数是随机初始化的", "some parameters are randomly initialised")
    return found(RANDOM_HEAD, random.at, said, expected=due.EVERY_PARAMETER, got=random.words)


def _unidentified(submission: Submission, main: Document) -> Iterator[Finding]:
    hashed = any(has_hash(d) for d in submission.documents if d.kind in ("report", "log", "json"))
    if not answers_for_precision(main) or hashed:
        return
    line = weights_line(main)
    yield found(
        UNIDENTIFIED,
        main.heading(line),
        Text("没有权重的 sha256 或版本", "the weights have no sha256 and no revision"),
        expected=due.WEIGHTS_ORIGIN,
        got=due.NONE,
        evidence=(main.span(line),),
    )


def _classes(document: Document) -> Iterator[Finding]:
    task = classifier(document)
    if task is None:
        return
    if task.headless:
        at, words = task.headless
        said = Text(
            "声明为图像分类，模型却没有分类头", "declared as image classification, but the model has no classifier"
        )
        yield found(NO_CLASSES, at, said, expected="num_classes > 0", got=words, evidence=(task.at,))
        return
    if len(task.counts) != 1:
        return
    ((count, stated),) = task.counts
    for dims, at in task.outputs:
        if len(dims) == 2 and dims[-1] != count:
            said = Text(
                f"声明 {count} 类，输出最后一维是 {dims[-1]}",
                f"{count} classes are declared, the output's last axis is {dims[-1]}",
            )
            yield found(CLASSES_DIFFER, at, said, expected=str(count), got=str(dims[-1]), evidence=(stated,))
            return
