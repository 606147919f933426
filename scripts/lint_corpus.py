"""Lint a collection of other people's reports and show a sample of what was found, for a person to judge.

    python scripts/lint_corpus.py FOLDER... --sample 40 --seed 1
    python scripts/lint_corpus.py FOLDER... --rule NPU004 --level warning --lang en

Prints the findings by severity and rule, how many READMEs were read, the time, each crash with its submission, and a
random sample of the findings with the lines they stand on. How many of a sample are true is the reader's to say: the
linter is worth what it gets right there.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from npu_deliver.errors import ConfigError
from npu_deliver.lint import Finding, Severity, lint_submission
from npu_deliver.lint.reading.folder.files import shown_text
from npu_deliver.lint.reading.folder.submission import planned

PROGRESS_EVERY_S = 5.0


@dataclass
class Tally:
    """What a run saw."""

    submissions: int = 0
    files: int = 0
    readmes: int = 0
    found: list[Finding] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)


def main() -> int:
    asked = _arguments()
    started = time.monotonic()
    try:
        tally = count(asked.folders)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{tally.submissions} submissions, {tally.readmes} READMEs, {tally.files} files, "
          f"{time.monotonic() - started:.1f} s, {len(tally.crashes)} crashes")  # fmt: skip
    for line in [*table(tally), *tally.crashes, *sample(tally.found, asked)]:
        print(line)
    return 1 if tally.crashes else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--sample", type=int, default=40, help="how many findings to show (default 40)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--rule", default="", help="show only rules that begin so: NPU004, NPU004b")
    parser.add_argument("--level", choices=[*Severity, "any"], default=Severity.ERROR, help="show only this severity")
    parser.add_argument("--lang", choices=("zh", "en"), default="en")
    return parser.parse_args()


def count(folders: list[Path]) -> Tally:
    """Lint everything; a submission on which the linter fails is named, and the run goes on."""
    tally, told = Tally(), time.monotonic()
    for submission in (work.read() for work in planned(folders)):
        tally.submissions += 1
        tally.files += len(submission.documents)
        tally.readmes += sum(Path(document.name).name.lower().startswith("readme") for document in submission.reports)
        try:
            tally.found += lint_submission(submission).findings
        except Exception:  # noqa: BLE001 - a crash is what this is looking for
            tally.crashes.append(f"CRASH {submission.root}\n{traceback.format_exc(limit=-3)}")
        if time.monotonic() - told > PROGRESS_EVERY_S:
            told = time.monotonic()
            print(f"… {tally.submissions} submissions, {len(tally.found)} findings", file=sys.stderr, flush=True)
    return tally


def table(tally: Tally) -> Iterator[str]:
    """Findings by severity and rule, with how many a hundred READMEs have."""
    rules = Counter((finding.severity, finding.rule) for finding in tally.found)
    for severity in Severity:
        total = sum(number for (level, _), number in rules.items() if level is severity)
        share = 100 * total / tally.readmes if tally.readmes else 0.0
        yield f"{severity.value}: {total} ({share:.2f} for each hundred READMEs)"
        yield from (f"  {rule:9} {n:6}" for (level, rule), n in sorted(rules.items()) if level is severity)


def sample(found: list[Finding], asked: argparse.Namespace) -> Iterator[str]:
    """Some findings by chance, each with its message and the lines behind it."""
    fit = [f for f in found if f.rule.startswith(asked.rule) and asked.level in ("any", f.severity)]
    chosen = random.Random(asked.seed).sample(fit, min(asked.sample, len(fit)))  # noqa: S311 - a sample, no secret
    yield f"\n{len(chosen)} of {len(fit)}, seed {asked.seed}:"
    for number, finding in enumerate(chosen, 1):
        yield f"\n{number:3} {finding.rule} {finding.severity} {shown_text(finding.file, 400)}:{finding.line}"
        yield f"    {shown_text(finding.message.said(asked.lang), 400)}"
        for span in finding.evidence[:4]:
            where = "" if span.file == finding.file else f"{shown_text(span.file, 200)}:"
            yield f"    {where}{span.line:>5} | {shown_text(span.text, 300)}"


if __name__ == "__main__":
    sys.exit(main())
