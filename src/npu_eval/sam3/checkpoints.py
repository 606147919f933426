"""A checkpoint of SAM 3 under the names of transformers, told by what it holds, never by a file's name.

| layout | names | written by |
| --- | --- | --- |
| the library's video model | ``detector_model.…``, ``tracker_model.…``, ``tracker_neck.…`` | `Sam3VideoModel` |
| the library's image model | ``vision_encoder.…`` … | `Sam3Model` |
| the release (`sam3.pt`) | ``detector.…``, ``tracker.…`` | the authors |
| fine-tuned with the authors' package | those of the release without ``detector.`` | its training |

SAM 3.1 is another network, which the library has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from npu_eval.errors import WeightsError
from npu_eval.sam3.original_names import DETECTOR, TRACKER, library_name

DETECTOR_MODEL = "detector_model."
"""What stands before the image network's names in the library's video model."""

_MULTIPLEX = re.compile(r"(?:^|\.)(?:tracker\.model|propagation_convs|interactive_\w+)\.")
"""Names that only SAM 3.1 has, which tracks several objects at once."""

_TABLES = re.compile(r"\.freqs_cis$")
"""Tables of rotary frequencies, which both sides compute."""

_INTERACTIVE = "inst_interactive_predictor.model."
"""Where the authors' image model keeps the tracker."""

_JOINED = re.compile(r"(?P<before>.+\.)(?:qkv\.|in_proj_)(?P<kind>weight|bias)")
_POINTS = re.compile(r"(?P<before>tracker_model\.prompt_encoder\.point_embed)\.(?P<place>\d+)\.weight")
_SHARED = "tracker_model.prompt_encoder.shared_embedding.positional_embedding"


def library_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint under the names that the library's video model has; the image model's stand behind `DETECTOR_MODEL`.

    Raises:
        WeightsError: it is of SAM 3.1, or of none of the layouts.
    """
    if any(_MULTIPLEX.search(name) for name in state):
        raise WeightsError(
            "these are weights of SAM 3.1, and transformers has no network for it",
            fix="take those of SAM 3: sam3.pt or model.safetensors of facebook/sam3",
        )
    beginnings = {f"{name.partition('.')[0]}." for name in state}
    if DETECTOR_MODEL in beginnings or "tracker_model." in beginnings:
        return dict(state)
    if "vision_encoder." in beginnings:
        return {f"{DETECTOR_MODEL}{name}": value for name, value in state.items()}
    if any(name.startswith(f"{DETECTOR}backbone.") for name in state):
        return converted(state)
    if any(name.startswith("backbone.vision_backbone.") for name in state):
        return converted({_as_released(name): value for name, value in state.items()})
    fix = "give sam3.pt, the folder of facebook/sam3, or a checkpoint that was fine-tuned from them"
    raise WeightsError("these are no weights of SAM 3: no name in them is one of its detector's", fix=fix)


def _as_released(name: str) -> str:
    """An entry of the authors' image model, which holds the tracker where it also takes points and boxes."""
    if name.startswith(_INTERACTIVE):
        return f"{TRACKER}{name.removeprefix(_INTERACTIVE)}"
    return name if name.startswith(TRACKER) else f"{DETECTOR}{name}"


def converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The release's entries as the library's: renamed, joined projections taken apart, tables left out.

    What has no place keeps a name that shows where it comes from; the strict loading tells.
    """
    found: dict[str, Tensor] = {}
    points: dict[str, dict[int, Tensor]] = {}
    for name, value in state.items():
        if _TABLES.search(name):
            continue
        known = library_name(name)
        if (match := _POINTS.fullmatch(known)) is not None:
            points.setdefault(match["before"], {})[int(match["place"])] = value
        else:
            found.update(_taken_apart(known, value))
    for before, rows in points.items():
        found[f"{before}.weight"] = torch.cat([rows[place] for place in sorted(rows)])
    if _SHARED in found:  # the library keeps it twice
        found["tracker_model.shared_image_embedding.positional_embedding"] = found[_SHARED]
    return found


def _taken_apart(name: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    joined = _JOINED.fullmatch(name)
    if joined is not None and value.shape[0] % 3 == 0:
        for kind, part in zip("qkv", value.chunk(3), strict=True):
            yield f"{joined['before']}{kind}_proj.{joined['kind']}", part
    elif name.endswith("backbone.embeddings.position_embeddings"):
        yield name, value[:, 1:]  # the first is of a class token, which the network drops
    elif name.endswith("text_encoder.text_projection.weight"):
        yield name, value.T
    else:
        yield name, value
