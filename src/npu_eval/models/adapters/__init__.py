"""Adapters for the model libraries that are addressed by name: ``timm:<name>``, ``torchvision:<name>``,
``transformers:<name>``, ``npu_models:<family>/<configuration>``.

Here is what several of them need; an `adapter.py` of a user may use it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from npu_eval.asked.spec import Classes
from npu_eval.models.photos import open_upright
from npu_eval.models.prediction import Prediction


def photo_batch(photos: Sequence[Path], transform: Callable[[Image.Image], torch.Tensor]) -> torch.Tensor:
    """Photos, upright, as one (N, C, H, W) batch; ``transform`` turns an RGB image into a (C, H, W) float32 tensor.

    Raises:
        OSError: a file is no readable image.
    """
    return torch.stack([transform(open_upright(photo)) for photo in photos])


def best_classes(logits: torch.Tensor, names: Sequence[str], count: int = 5) -> tuple[Prediction, ...]:
    """The ``count`` most probable classes of one row of logits (classes,), with their softmax probabilities.

    None where the logits have no softmax, because one of them is NaN or positive infinity.
    """
    probabilities = logits.double().softmax(0)
    if probabilities.isnan().any():
        return ()
    scores, classes = probabilities.topk(min(count, logits.numel()))
    return tuple(
        Prediction(label=names[c], index=c, score=s) for s, c in zip(scores.tolist(), classes.tolist(), strict=True)
    )


def names_of(classes: Classes, own: Sequence[str]) -> Sequence[str]:
    """The names that somebody gave, else a library's own where there are as many classes, else ``class 17``."""
    if classes.names or len(own) == classes.count:
        return classes.names or own
    return tuple(f"class {index}" for index in range(classes.count))


def library_state(network: Any, config: Any, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A checkpoint's entries under the names that the installed version of transformers gives them, in float32.

    The library itself does it: it knows the names of older versions, and tied weights, which a file holds once. What it
    would leave at random is left out, and what it would drop is kept, so that the strict loading after it tells.

    Args:
        network: a class of transformers' networks.
        config: the configuration of the one to load.
    """
    loaded, report = network.from_pretrained(
        None,
        config=config,
        state_dict=dict(state),
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        dtype=torch.float32,
    )
    misfits = [entry[0] for entry in report["mismatched_keys"]]
    own = {n: value for n, value in loaded.state_dict().items() if n not in {*report["missing_keys"], *misfits}}
    return own | {name: state[name] for name in (*report["unexpected_keys"], *misfits) if name in state}
