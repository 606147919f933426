"""A group of options is declared once and spread over every command that takes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from npu_deliver.commands.options import grouped


@dataclass(frozen=True, kw_only=True)
class Group:
    name: Annotated[str, typer.Argument()]
    folder: Annotated[Path, typer.Option("--folder")] = Path("here")


@dataclass(frozen=True, kw_only=True)
class Wider(Group):
    count: Annotated[int | None, typer.Option("--count")] = None


@grouped
def command(group: Wider, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
    """Say what it was given."""
    typer.echo(f"{group} {loud}")


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(command)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_fields_become_options_and_the_command_gets_one_value(run):
    said = run("x", "--count", "3", "--folder", "/there", "--loud").output
    assert said == f"{Wider(name='x', folder=Path('/there'), count=3)} True\n"


def test_defaults_are_those_of_the_fields(run):
    assert run("x").output == f"{Wider(name='x')} False\n"


def test_a_field_without_a_default_is_required(run):
    assert run().exit_code == 2


def test_the_help_and_the_name_are_the_command_s_own(run):
    assert command.__name__ == "command"
    assert "Say what it was given." in run("--help").output
