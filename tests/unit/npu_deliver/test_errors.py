"""Each error of the tree has the exit code that the drawing in its docstring gives it."""

import re

import pytest

from npu_deliver import errors

DRAWN = re.findall(r"(\w+Error) +(\d+)  ", errors.__doc__)


def test_the_drawing_is_complete():
    classes = {name for name in errors.__all__ if name.endswith("Error")}
    assert {name for name, _ in DRAWN} == classes


@pytest.mark.parametrize(("name", "code"), DRAWN)
def test_each_has_its_drawn_exit_code(name, code):
    error = getattr(errors, name)("what went wrong", where="somewhere", fix="do that")
    assert error.exit_code == int(code)
    assert isinstance(error, errors.DeliverError)
    assert str(error) == "somewhere: what went wrong; do that"


def test_an_error_is_one_line():
    error = errors.SpecError("two\nlines", where="a\nb", fix="c\n\n d")
    assert str(error) == "a b: two lines; c d"


@pytest.mark.parametrize(
    ("code", "wanted"),
    [(2, errors.ConfigError), (4, errors.DeviceError), (5, errors.AdapterError), (9, errors.RecordError),
     (3, errors.StepError), (70, errors.StepError), (6, errors.StepError), (-9, errors.StepError),
     (137, errors.StepError)],
)  # fmt: skip
def test_the_error_of_a_script_is_that_of_its_exit_code(code, wanted):
    error = errors.from_exit_code(code, "what", where="precision")
    assert type(error) is wanted
    assert str(error) == "precision: what"
