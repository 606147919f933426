"""Only the command line sets up logging; messages go to standard error as plain lines."""

import logging
import re

import pytest

from npu_deliver import log


@pytest.fixture(autouse=True)
def restored():
    logger = log.get()
    saved = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = saved


@pytest.mark.parametrize(("verbose", "shown"), [(False, "told\n"), (True, "detail\ntold\n")])
def test_messages_go_to_standard_error(capsys, verbose, shown):
    log.set_up(verbose=verbose)
    log.get().debug("detail")
    log.get().info("told")
    out, err = capsys.readouterr()
    assert (out, err) == ("", shown)


def test_setting_up_twice_says_everything_once(capsys):
    log.set_up(verbose=False)
    log.set_up(verbose=False)
    log.get().info("told")
    assert capsys.readouterr().err == "told\n"


def test_other_peoples_loggers_are_left_alone():
    before = logging.getLogger().handlers[:]
    log.set_up(verbose=True)
    assert logging.getLogger().handlers == before
    assert log.get().name == "npu_deliver"


def test_a_terminal_gets_rich_lines(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    log.set_up(verbose=False)
    log.get().info("[1/3] inference")
    assert type(log.get().handlers[0]).__name__ == "RichHandler"
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[1/3\] inference *\n", shown)


def test_without_a_terminal_each_line_of_a_step_is_a_line(capsys):
    log.set_up(verbose=False)
    with log.working("[1/3] inference") as show:
        show("[photo] 1 of 5")
        show("anything")
    assert capsys.readouterr().err == "    [photo] 1 of 5\n    anything\n"


@pytest.mark.parametrize(("verbose", "shown"), [(False, False), (True, True)])
def test_on_a_terminal_the_lines_of_a_step_are_shown_only_on_demand(capsys, monkeypatch, verbose, shown):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    log.set_up(verbose=verbose)
    with log.working("[1/3] inference") as show:
        show("max|d|  [bold]3e-07[/bold]")
        show("[performance] batch [8")  # brackets are no markup
    assert ("3e-07" in capsys.readouterr().err) == shown
