"""What records and verdicts have to say in words, apart from any language: a code and what it is about.

A record stores the code; logs and pages make the sentence from it, each in its own language, so that no sentence is
ever translated from another. `ENGLISH` lists every code with its English; the host's `chinese` has the same codes.
Standard library only.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from npu_eval.errors import RecordError
from npu_eval.jsonio import ABSENT_BY_DEFAULT, Textual

AS_WRITTEN = "as-written"
"""The code of what somebody else wrote: an adapter of the user's, a library, a record of before there were codes."""

ENGLISH: dict[str, str] = {
    AS_WRITTEN: "{text:code}",
    # where a value was seen
    "all-inputs": "all inputs",
    "all-images": "all images",
    "all-operators": "all operators",
    "output": "{input}, {output}",
    "batch": "batch {size}",
    "step": "step {step}, {name}",
    "against": "{metric} against {other:code}",
    "operators": "{names:code}",
    # where the threshold of a criterion comes from; the English is hashed with it, so it never changes
    "why-contest-output": "contest rule: error below {bound}, read as relative L2 error of every declared output",
    "why-contest-score": "contest rule: error below {bound}, read as the largest difference of a score",
    "why-contest-loss": "contest rule: error below {bound}, read as relative error of every loss of every step",
    "why-contest-gradient": (
        "contest rule: error below {bound}, read as relative L2 error of the gradients of every part"
    ),
    "why-finite": "a NaN or infinity on one side only is a defect whatever the other elements do",
    "why-repeatable": ("a tenth of the allowed error, so that the verdict does not depend on which run is looked at"),
    "why-mlperf-result": "MLPerf Inference: task result at least {share} of the reference's",
    "why-mlperf": "MLPerf Inference: task metric on the data set at least {share} of the reference's",
    "why-coco-strictest": (
        "COCO's strictest threshold: above it, both sides found the same object at each threshold of AP"
    ),
    "why-enough-calls": "fewest timed calls that support a p90 at 99 % confidence (MLPerf LoadGen early stopping)",
    "why-no-fallback": "an operator that torch_npu hands to the CPU has not run on the NPU",
    "why-msprobe-dual": (
        "msprobe API pre-check, dual benchmark, level {level}: error of the candidate over float32's own"
    ),
    "why-msprobe-compare": "msprobe compare, tensor mode: what it calls acceptable",
    "why-cann": "CANN operator precision standard for {dtype}, single benchmark: T = 2^-{exponent}",
    "why-polygraphy": "Polygraphy CompareFunc.simple: defaults atol = rtol = 1e-5, check_error_stat elemwise",
    "why-polygraphy-finite": (
        "Polygraphy CompareFunc.simple: a NaN is a mismatch, and equal infinities are by default too"
    ),
    # why a criterion has no value
    "no-record": "there is no {experiment} record",
    "no-output": "the record holds no output '{output}'",
    "no-metric": "the record holds no {metric}",
    "not-finite": "not finite",
    "hollow": "no element is finite on both sides",
    "not-stored": "the record was made before this was stored",
    "no-floor": "the record holds no error of float32 itself",
    "no-detection": "no detection on either side",
    "no-partner": "no detection with a partner",
    "other-lacks-metric": "the other run has no {metric}",
    "no-reference-run": "no run of the reference was compared with",
    "calls-protocol": "{calls} calls, protocol",
    "calls-limit": "{calls} calls, limit",
    "calls-call-limit": "{calls} calls, call limit",
    "calls-out-of-memory": "{calls} calls, out of memory",
    "windows-protocol": "{windows} windows, protocol",
    "windows-limit": "{windows} windows, limit",
    "windows-call-limit": "{windows} windows, call limit",
    "windows-out-of-memory": "{windows} windows, out of memory",
    # why the model was not run under other numeric modes
    "no-mode": "no format is switched on a {kind}",
    "not-float32": "the candidate runs in {dtype}, and formats of float32 alone are switched",
    "mode-stays": "{mode} stays {value}",
    "mode-unknown": "{mode} stays unknown",
    # why a switch was not tried, or no further
    "not-on": "not on {kind}",
    "no-library": "lib{name} is not installed",
    "no-norm": "the network has no batch norm",
    "no-optimise": "the network has no optimise() of its own",
    "no-convolution": "the network has no convolution",
    "no-huge-pages": "the kernel grants no huge pages",
    "no-memory-usage": "the C library does not tell what it keeps",
    "one-thread": "there is one thread",
    "no-compiler": "no C++ compiler",
    "no-backend": "{versions} registered no backend '{backend}' for torch.compile",
    "no-generator": "{versions} has no code generator '{generator}' for inductor",
    "no-torchair": "{versions} was built without TorchAir, so its backend 'npu' would run eagerly",
    "backend-fails": "torch.compile with the backend '{backend}' fails on a small product: {error:code}",
    "backend-wrong": "torch.compile with the backend '{backend}' computes a wrong small product",
    "runs-in": "the model already runs in {dtype}",
    "already-reads": "it already reads '{reading}' without us",
    "not-taken": "{switch} did not take: it reads '{reading}'",
    "slower": "clearly slower: dropped",
    "quicker": "clearly quicker: measured anew in the combination",
    "no-gain-left": "no gain left in its interval: dropped",
    # how a process ended
    "without-switches": "the model without any switch could not be run",
    "no-answer": "did not answer within {seconds} s",
    "killed": "the process was killed by signal {signal}",
    "killed-saying": "the process was killed by signal {signal}: {said:code}",
    "exited": "the process ended with exit code {exit_code}",
    "exited-saying": "the process ended with exit code {exit_code}: {said:code}",
    "raised": "{error:code}",
    # how training steps were taken
    "sgd": "SGD, momentum {momentum}, gradients clipped to norm {norm}",
    # what was seen of an operator
    "same-bits": "bit for bit the reference's",
    "same-values": "values agree; indices differ",
    "same-choice": "the same choice",
    "same-random": "the same random numbers",
    "random": "draws random numbers; the reference's were used",
    "random-too": "random numbers are drawn there",
    "times-float32": "{times} times the float32 error",
    "left-operands": "operands in {format} leave {left} unexplained",
    "left-operands-and-result": "operands and result in {format} leave {left} unexplained",
    "left-every-tensor": "every tensor in {format} leaves {left} unexplained",
    "left-every-tensor-and-result": "every tensor and the result in {format} leave {left} unexplained",
    "left-result": "the result alone in {format} leaves {left} unexplained",
    "left-towards-zero": "operands in {format}, rounded towards zero, leave {left} unexplained",
    "left-half-operands": "half-precision operands leave {left} unexplained",
    "left-half-operands-and-result": "half-precision operands and result leave {left} unexplained",
    "computes-in": "the candidate computes in {format}: {share} of its band",
    "of-the-band": "{share} of the {format} band, and of its kind",
    "scaled": "the output is {times} times the reference",
    "one-index": "nearly all of it at index {index} of axis {axis} ({length} long)",
    "few-places": "only {wrong} of {length} places of axis {axis} differ",
    "one-sided": "{count} NaN or infinite on one side only",
    "no-result": "gives no result",
    "other-shape": "shape {ours} instead of {theirs}",
    "whole-numbers": "whole numbers or truth values differ",
    "not-plain": "the result is no plain array of real numbers",
    "chooses": "chooses {ours} instead of {theirs}",
    "indices-differ": "{wrong} of {length} indices differ",
    "places-differ": "{wrong} of {length} places differ",
    "chosen-by-one": "{reference} chosen by the reference only and {candidate} by the candidate only",
    "argument": "argument {ours:code} instead of {theirs:code}",
    "other-arguments": "other arguments",
    "weight-differs": "'{name}' differs from the reference's",
    "unstable-reference": "the reference's own result changes from run to run",
    "two-runs-differ": "two runs on the same inputs differ by {change}",
    "fails-again": "fails when run again ({error:code})",
    "ran-on-cpu": "the backend ran it on the CPU",
    "also-calls": "the candidate's code also calls {names:code}",
    "tensor-inputs": "{ours} tensor inputs instead of {theirs}",
    "input-altered": "its input of shape {shape} was altered by the candidate's code",
    "done-by-others": "done by other operators, with the same result",
    "altered-after-by-operators": "altered after the operator by {names:code}",
    "altered-after-by-code": "altered after the operator by the module's code",
    "replaced-by-operators": "replaced by {names:code}",
    "replaced-by-code": "replaced by the module's code",
    "prepared-by-operators": "its input was altered by {names:code}",
    "prepared-by-code": "its input was altered by the module's code",
    "does-not-run": "does not run: {error:code}",
    "module-raises": "the module's code raises {error:code}",
    "module-returns": "the module returns {ours} values instead of {theirs}",
    "updates": "updates '{name}', which differed before",
    "not-run": "the candidate does not run it",
    "runs-instead": "the candidate does not run it; it runs {names:code}",
    # which weights of a file were loaded
    "weights-shards": "files that {index:code} names: {count}; the sha256 is of the list of all their sha256",
    "weights-averaged": (
        "averaged weights (EMA) from {taken:code}, with which {framework} evaluates ({source:code}); those "
        "before averaging, in {other:code}, were not used"
    ),
    "weights-averaged-usual": (
        "averaged weights (EMA) from {taken:code}, as neither the spec nor a framework that is known says otherwise; "
        "those before averaging, in {other:code}, were not used"
    ),
    "weights-averaged-exchanged": (
        "averaged weights (EMA) from {taken:code}, where {framework} puts them when it saves "
        "({source:code}); those before averaging, in {other:code}, were not used"
    ),
    "weights-averaged-asked": (
        "averaged weights (EMA) from {taken:code}, as asked; those before averaging, in {other:code}, were not used"
    ),
    "weights-averaged-alone": "averaged weights (EMA, SWA) from {taken:code}; the file holds no others that fit",
    "weights-plain": (
        "weights before averaging from {taken:code}, with which {framework} evaluates ({source:code}); the "
        "averaged ones (EMA), in {other:code}, were not used"
    ),
    "weights-plain-asked": (
        "weights before averaging from {taken:code}, as asked; the averaged ones (EMA), in {other:code}, were not used"
    ),
    "weights-prefix": "the prefix {prefix:code} was taken off every name",
    "left-averaging": "counters of the averaging, left out: {count} ({names:code})",
    "left-profiler": "counters of a profiler, left out: {count} ({names:code})",
    "left-steps": "step counters of BatchNorm, which inference does not use, left out: {count} ({names:code})",
    "left-loss": "entries of a loss function, left out: {count} ({names:code})",
    "left-metric": "entries of metrics, left out: {count} ({names:code})",
    "left-queue": "entries of the queue of a contrastive training, left out: {count} ({names:code})",
    "left-projector": "entries of the head of a self-supervised training, left out: {count} ({names:code})",
    "left-frequencies": (
        "tables of rotary frequencies, which the network computes itself, left out: {count} ({names:code})"
    ),
    "left-tracker": "entries of a video tracker, which an image does not use, left out: {count} ({names:code})",
    "left-points": "entries for point prompts, which this network does not take, left out: {count} ({names:code})",
    "left-other-set": "tensors of something else under {key:code}, not used: {count}",
    "left-no-tensor": "entries that are no tensors, left out: {count} ({names:code})",
    "left-unbuilt": "classes of objects beside the weights, none of which was built: {count} ({names:code})",
}
"""Code → English. A part marked ``:code`` is somebody else's words or names, which a page sets apart as code."""


class _Plain(string.Formatter):
    """Puts a sentence together; ``written`` writes each part, told whether it is code."""

    def __init__(self, written: Callable[[str, bool], str]) -> None:
        self._written = written

    def format_field(self, value: Any, format_spec: str) -> str:
        return self._written(str(value), format_spec == "code")


def placeholders(text: str) -> set[str]:
    """The names of a form's parts."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@dataclass(frozen=True, kw_only=True)
class Phrase(Textual):
    """Something to be said: a code of `ENGLISH`, what it is about, and what is said after it. Empty: nothing.

    ``str()`` of it is the English sentence, as logs hold it.
    """

    code: str = ""
    args: dict[str, str] = field(default_factory=dict, metadata=ABSENT_BY_DEFAULT)
    more: tuple[Phrase, ...] = field(default=(), metadata=ABSENT_BY_DEFAULT)

    def __post_init__(self) -> None:
        if not self.code and (self.args or self.more):
            raise RecordError("key 'code' is missing")
        if self.code and self.code not in ENGLISH:
            raise RecordError(f"'{self.code}' is no code of anything that can be said")
        if set(self.args) != (wanted := placeholders(ENGLISH.get(self.code, ""))):
            raise RecordError(f"args of '{self.code}' are {sorted(self.args)}, not {sorted(wanted)}")

    def __bool__(self) -> bool:
        return bool(self.code)

    def __str__(self) -> str:
        return self.said(ENGLISH, "; ")

    def __hash__(self) -> int:
        return hash((self.code, tuple(sorted(self.args.items())), self.more))

    def said(
        self, forms: Mapping[str, str], between: str, written: Callable[[str, bool], str] = lambda text, code: text
    ) -> str:
        """The sentence in a language.

        Args:
            forms: code → its form in that language.
            between: what stands between one sentence and the next.
            written: how a part is written, told whether it is code.
        """
        if not self.code:
            return ""
        own = _Plain(written).vformat(forms[self.code], (), self.args)
        return between.join([own, *(phrase.said(forms, between, written) for phrase in self.more)])

    def then(self, *others: Phrase) -> Phrase:
        """This, and after it what else there is to say."""
        every = [phrase for phrase in (self, *others) if phrase]
        return replace(every[0], more=(*every[0].more, *every[1:])) if every else NOTHING

    def as_text(self) -> str | None:
        """What somebody else wrote is stored as it stands, and nothing as nothing."""
        if self.more:
            return None
        return self.args["text"] if self.code == AS_WRITTEN else None if self.code else ""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `as_text`."""
        return cls(code=AS_WRITTEN, args={"text": text}) if text else cls()


NOTHING = Phrase()


def said(code: str, **about: object) -> Phrase:
    """Something to be said, each part on one line; numbers are written by the caller."""
    return Phrase(code=code, args={name: " ".join(str(value).split()) for name, value in about.items()})


def as_written(words: str | Phrase) -> Phrase:
    """What somebody else says in words of their own."""
    return words if isinstance(words, Phrase) else Phrase.from_text(" ".join(words.split()))


def altogether(*phrases: Phrase) -> Phrase:
    """All of them, one after the other."""
    return NOTHING.then(*phrases)
