"""Clean pages in the manners of strangers, each with other numbers: what the linter must leave alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from npu_deliver.lint.selftest.numbers import Files, Numbers
from npu_deliver.lint.selftest.pages import driving_zh, hub_card_en, inference_zh, training_zoo_zh
from npu_deliver.lint.selftest.reports import bullets_zh, log_en, speedups_zh, tables_en, zoo_zh

STYLES: tuple[Callable[[Numbers, random.Random], Files], ...] = (
    bullets_zh,
    tables_en,
    speedups_zh,
    log_en,
    zoo_zh,
    training_zoo_zh,
    driving_zh,
    inference_zh,
    hub_card_en,
)
