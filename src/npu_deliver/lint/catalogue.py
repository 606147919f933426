"""Every rule, in the order of the checks, and the functions that apply them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from npu_deliver.errors import ConfigError, nearest
from npu_deliver.lint.finding import Finding, Rule
from npu_deliver.lint.reading.folder.submission import Submission
from npu_deliver.lint.rules import (
    arithmetic,
    environment,
    evidence,
    form,
    gains,
    metrics,
    model,
    placeholders,
    protocol,
    ratios,
    scaling,
    sweeps,
    two_values,
    unread,
    verdicts,
    versions,
)

_MODULES = (
    unread,
    placeholders,
    two_values,
    versions,
    arithmetic,
    gains,
    metrics,
    verdicts,
    model,
    environment,
    protocol,
    ratios,
    scaling,
    sweeps,
    evidence,
    form,
)

RULES: tuple[Rule, ...] = tuple(
    sorted((each for module in _MODULES for each in module.RULES), key=lambda each: each.id)
)
CHECKS: tuple[Callable[[Submission], Iterator[Finding]], ...] = tuple(module.check for module in _MODULES)


def rule(name: str) -> Rule:
    """A rule by its id, in any case.

    Raises:
        ConfigError: there is none of that name.
    """
    by_id = {each.id.lower(): each for each in RULES}
    if (found := by_id.get(name.lower())) is None:
        near = nearest(name, [each.id for each in RULES])
        raise ConfigError(f"there is no rule '{name}'", fix=f"{near} (`npu-deliver lint --list` shows all)")
    return found
