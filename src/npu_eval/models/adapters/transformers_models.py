"""``transformers:<name>``: any vision model of the transformers library, as its configuration describes it.

The configuration travels in the deliverable (`model/config.json`, `model/preprocessor_config.json`), so nothing is
fetched here. A repository's own code is never run: a model that needs it is refused.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

from npu_eval.asked.architectures import CONFIG, MODEL_FOLDER, task_of
from npu_eval.errors import AdapterError, nearest
from npu_eval.models.adapters import best_classes, library_state
from npu_eval.models.detections import DetectionSet
from npu_eval.models.photos import open_upright, upright_size
from npu_eval.models.prediction import Prediction

transformers.logging.set_verbosity_error()  # its tables of missing entries: loading here is strict and says so itself
transformers.logging.disable_progress_bar()

MAX_DETECTIONS = 100
"""As many detections of a photo as COCO counts."""

SCORE_CUTOFF = 0.05
"""Where the list of a detector ends. Every query of a DETR is a detection with some class; below this score the class
is chance, and rounding turns it into another one."""

_OPTIONS = {"local_files_only": True, "trust_remote_code": False}


class TransformersModel:
    """A network of transformers whose outputs are compared by name; what they mean is not known here.

    Args:
        reference: how messages name it.
        network: the class of the network.
        config: its configuration.
        files: the folder of the configuration's files, or None for the defaults of the class.
        published: the hub's name, or "".
    """

    task = "features"

    def __init__(self, reference: str, network: Any, config: Any, files: Path | None, published: str) -> None:
        self.reference, self.config = reference, config
        self._class, self._files, self._published = network, files, published
        self._takes_mask = "pixel_mask" in inspect.signature(network.forward).parameters

    def default_weights(self) -> str:
        """The safetensors file beside the configuration on the hub.

        Raises:
            AdapterError: the model was named by an architecture or a folder, which publishes no weights.
        """
        if not self._published:
            raise AdapterError(
                "an architecture alone has no weights",
                where=self.reference,
                fix="name weights with --weights, or use WEIGHTS=random",
            )
        return f"hf:{self._published}/model.safetensors"

    def build(self) -> nn.Module:
        """The network with the library's random initialisation, in float32 whatever its weights are stored in."""
        network: nn.Module = self._class._from_config(self.config, dtype=torch.float32)  # noqa: SLF001  has no other name
        return network.eval()

    def renamed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A checkpoint's entries under the names that this version of the library gives them."""
        return library_state(self._class, self.config, state)

    def preprocess(self, photos: Sequence[Path]) -> Tensor:
        """Photos as (N, 3, H, W) float32 by the model's own image processor.

        Where photos of different sizes are padded and the network wants to know where, a fourth channel says it: 1
        inside the photo, 0 outside.
        """
        encoded = self._processor(images=[open_upright(photo) for photo in photos], return_tensors="pt")
        pixels: Tensor = encoded["pixel_values"].float()
        inside = encoded.get("pixel_mask") if self._takes_mask else None
        return pixels if inside is None or inside.all() else torch.cat([pixels, inside[:, None].to(pixels)], dim=1)

    def forward(self, model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        """Every tensor of floating point that the network gives, under the library's name for it.

        Of a tuple of tensors each is named by its place: ``feature_maps_0``.
        """
        inputs = {"pixel_values": batch}
        if self._takes_mask and batch.shape[1] == self._channels + 1:
            inputs = {"pixel_values": batch[:, :-1], "pixel_mask": (batch[:, -1] > 0.5).long()}
        found = model(**inputs, return_dict=True)
        named: dict[str, Any] = {}
        for name, value in found.items():
            parts = value if isinstance(value, (tuple, list)) else (value,)
            many = isinstance(value, (tuple, list))
            named |= {f"{name}_{i}" if many else name: part for i, part in enumerate(parts)}
        rows = len(batch)
        return {n: x for n, x in named.items() if isinstance(x, Tensor) and x.is_floating_point() and _rows(x) == rows}

    @property
    def class_names(self) -> Sequence[str]:
        """The names in the order of the classes, as the configuration has them."""
        labels = self.config.id2label
        return tuple(str(labels.get(i, f"class {i}")) for i in range(max(labels, default=-1) + 1))

    @property
    def _channels(self) -> int:
        return int(getattr(self.config, "num_channels", 3) or 3)

    @functools.cached_property
    def _processor(self) -> Any:
        """The published image processor; without one, that of the kind of model, at the network's own size.

        Raises:
            AdapterError: there is none for such a model.
        """
        if self._files is not None and (self._files / "preprocessor_config.json").is_file():
            return transformers.AutoImageProcessor.from_pretrained(self._files, **_OPTIONS)
        model = str(self.config.model_type).removesuffix("_vision_model")  # the vision part of a larger one has its own
        known = IMAGE_PROCESSOR_MAPPING_NAMES.get(model, {})
        names = [name for name in (known.get("torchvision"), known.get("pil")) if name is not None]
        kinds = [getattr(transformers, name) for name in names]
        if not kinds:
            raise AdapterError(
                f"the library has no image processor for {type(self.config).__name__}",
                where=self.reference,
                fix="put its preprocessor_config.json beside config.json",
            )
        return kinds[0](**_sizes(kinds[0](), self.config))


class TransformersClassifier(TransformersModel):
    """An image classifier."""

    task = "classification"
    class_output = "logits"

    def predictions(self, outputs: dict[str, Tensor], index: int) -> tuple[Prediction, ...]:
        """The five most probable classes with their softmax probabilities."""
        return best_classes(outputs["logits"][index], self.class_names)


class TransformersSegmenter(TransformersModel):
    """A network that gives each pixel a class: ``logits`` (N, classes, h, w), coarser than the photo."""

    task = "semantic-segmentation"

    def predictions(self, outputs: dict[str, Tensor], index: int) -> tuple[Prediction, ...]:
        """The classes that cover the most of the photo, each with the share that it covers as its score."""
        logits = outputs["logits"][index]
        counts = torch.bincount(logits.argmax(dim=0).flatten(), minlength=len(logits))
        shares, classes = (counts.double() / counts.sum()).topk(min(5, len(logits)))
        names = self.class_names
        return tuple(
            Prediction(label=names[c] if c < len(names) else f"class {c}", index=c, score=share)
            for share, c in zip(shares.tolist(), classes.tolist(), strict=True)
            if share > 0
        )


class TransformersDetector(TransformersModel):
    """A detector that gives ``logits`` and ``pred_boxes`` for each of its queries."""

    task = "detection"
    score_cutoff = SCORE_CUTOFF
    max_detections = MAX_DETECTIONS

    def detections(self, outputs: Mapping[str, Tensor], photos: Sequence[Path]) -> list[DetectionSet]:
        """The library's own post-processing for this model, in float32 on the CPU; the best of a photo, best first."""
        found = types.SimpleNamespace(**{name: x.detach().float().cpu() for name, x in outputs.items()})
        sizes = [upright_size(photo) for photo in photos]
        sets = []
        for one in self._processor.post_process_object_detection(
            found, threshold=self.score_cutoff, target_sizes=torch.tensor(sizes)
        ):
            order = one["scores"].argsort(descending=True, stable=True)[: self.max_detections]
            sets.append(DetectionSet(one["boxes"][order], one["scores"][order], one["labels"][order].long()))
        return sets


_KINDS = {
    "classification": TransformersClassifier,
    "semantic-segmentation": TransformersSegmenter,
    "detection": TransformersDetector,
    "features": TransformersModel,
}


def create_adapter(name: str, root: Path) -> TransformersModel:
    """The adapter for a model of transformers.

    Args:
        name: ``owner/name`` of the hub, a folder's name, or an architecture with its default configuration. For the
            first two the deliverable holds the configuration; a folder inside ``root`` may be named too.
        root: the deliverable's folder.

    Raises:
        AdapterError: there is no such configuration or architecture, or the model needs code of its repository.
    """
    reference = f"transformers:{name}"
    files = _folder(name, root)
    if files is None:
        network = _architecture(name, reference)
        config, published = network.config_class(), ""
    else:
        config = _read(files, reference)
        network = _network_of(config, reference)
        published = name if "/" in name and not name.startswith(".") else ""
    if not network.main_input_name.startswith("pixel_values"):
        raise AdapterError(
            f"{network.__name__} takes {network.main_input_name}, not photos alone",
            where=reference,
            fix="name the architecture of its vision part, e.g. CLIPVisionModel, or write an adapter.py",
        )
    return _KINDS[task_of(network.__name__)](reference, network, config, files, published)


def _folder(name: str, root: Path) -> Path | None:
    """Where the configuration is: what was staged, else a folder of that name inside the deliverable."""
    if (root / MODEL_FOLDER / CONFIG).is_file():
        return root / MODEL_FOLDER
    named = (root / name).resolve()
    inside = named.is_relative_to(root.resolve())  # a stranger's deliverable reads nothing of this machine
    return named if inside and (named / CONFIG).is_file() else None


def _read(files: Path, reference: str) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(files, **_OPTIONS)
    except (ValueError, KeyError, OSError) as error:
        raise AdapterError(
            f"transformers {transformers.__version__} has no such model ({_first_line(error)})",
            where=reference,
            fix="code of a repository is never run: write an adapter.py for it",
        ) from error


def _network_of(config: Any, reference: str) -> Any:
    """The class that the configuration names; the bare network of its kind where it names none."""
    for name in config.architectures or ():
        return _architecture(name, reference)
    try:
        return transformers.models.auto.modeling_auto.MODEL_MAPPING[type(config)]
    except KeyError as error:
        raise AdapterError(
            f"config.json names no architecture, and {type(config).__name__} has no usual one",
            where=reference,
            fix='add "architectures" to config.json',
        ) from error


def _architecture(name: str, reference: str) -> Any:
    found: Any = getattr(transformers, name, None) if name.isidentifier() else None
    if _is_network(found):
        return found
    known = [n for n in dir(transformers) if n.endswith("Model") or "For" in n]
    raise AdapterError(
        f"transformers {transformers.__version__} has no architecture '{name}'",
        where=reference,
        fix=nearest(name, known),
    )


def _is_network(found: Any) -> bool:
    known = inspect.isclass(found) and issubclass(found, transformers.PreTrainedModel)
    return known and getattr(found, "config_class", None) is not None


def _sizes(processor: Any, config: Any) -> dict[str, Any]:
    """The sizes of a processor's defaults, with the network's own side where the configuration fixes one."""
    side = getattr(config, "image_size", None)
    if isinstance(side, (list, tuple)) and len(set(side)) == 1:
        side = side[0]
    if not isinstance(side, int):
        return {}
    changed = {}
    for key in ("size", "crop_size"):
        size = dict(getattr(processor, key, None) or {})
        if set(size) in ({"height", "width"}, {"shortest_edge"}):
            changed[key] = dict.fromkeys(size, side)
    return changed


def _rows(tensor: Tensor) -> int:
    return len(tensor) if tensor.dim() else 0


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:120]
