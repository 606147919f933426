"""The command that checks other people's reports. Loads nothing but the linter."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from npu_deliver.commands.saying import say_all, say_document, say_painted
from npu_deliver.errors import ConfigError, VerifyError


class Level(StrEnum):
    """From which severity on the command fails."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Language(StrEnum):
    """Language of the findings."""

    ZH = "zh"
    EN = "en"


def lint(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Reports, or folders of one or many")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0 for code-scanning viewers")] = False,
    lang: Annotated[
        Language, typer.Option("--lang", envvar="REPORT_LANG", help="Language of the findings")
    ] = Language.ZH,
    fail_on: Annotated[Level, typer.Option("--fail-on", help="From which severity on to leave with 8")] = Level.ERROR,
    explain: Annotated[str | None, typer.Option("--explain", metavar="RULE", help="Explain one rule")] = None,
    list_rules: Annotated[bool, typer.Option("--list", help="List every rule")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Plant defects in clean reports (PATHs: clean deliverables) and count")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the self-test")] = 0,
    mutations: Annotated[
        int, typer.Option("--mutations", min=1, help="How many defects the self-test plants at least")
    ] = 1000,
) -> None:
    """Check anybody's report: numbers against each other, claims against evidence.

    Reads Markdown, logs and JSON, Chinese and English; never runs, imports or downloads anything. Leaves with 0 when
    clean and with 8 when there are errors.

    Example: [bold]npu-deliver lint their-submission/ --lang en[/bold]
    """
    from npu_deliver import lint as linter
    from npu_deliver.lint import catalogue, output

    if list_rules or explain is not None:
        told = output.listing(lang) if explain is None else [output.explanation(catalogue.rule(explain), lang)]
        say_all(line for text in told for line in text.splitlines())
        return
    if self_test:
        _self_test(seed, paths or [], lang, mutations)
        return
    if not paths:
        raise ConfigError("no report was named", fix="npu-deliver lint PATH...")
    for path in paths:
        if path.is_symlink() and not path.exists():
            raise ConfigError("there is no such file: a link leads nowhere", where=str(path), fix="name a report")
    result = linter.lint(paths)
    if not result.files and not result.findings:
        raise ConfigError(
            "there is no report in it: no Markdown, log, JSON or script",
            where=str(paths[0]),
            fix="name a report, or the folder of a submission",
        )
    if sarif or as_json:
        say_document(output.as_sarif(result, lang) if sarif else output.as_json(result, lang))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        say_painted(output.text(result, lang, colour=colour))
    levels = list(linter.Severity)
    if any(levels.index(finding.severity) <= levels.index(linter.Severity(fail_on)) for finding in result.findings):
        raise typer.Exit(VerifyError.exit_code)


def _self_test(seed: int, folders: list[Path], lang: str, least: int) -> None:
    """Print the detection matrix; leave with 8 when a defect was missed or a clean report flagged."""
    from npu_deliver.lint.selftest.run import selftest, told

    result = selftest(seed, folders, least)
    say_all(told(result, lang))
    if result.missed or result.alarms:
        raise typer.Exit(VerifyError.exit_code)
