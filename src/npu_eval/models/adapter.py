"""The seam to a model: what an adapter must offer, what it may offer, and `resolve`, the one door to all of them.

A user's `adapter.py` defines ``create_adapter() -> Adapter``; generic references are ``timm:<name>`` and the like.
Every call into an adapter goes through :func:`calling`, so that a failure names the culprit.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from npu_eval.asked.spec import Classes
from npu_eval.errors import AdapterError, DeliverError, nearest
from npu_eval.models.autocasting import casting
from npu_eval.models.detections import DetectionSet
from npu_eval.models.prediction import Prediction
from npu_eval.models.protocols import DetectionProtocol
from npu_eval.models.shapes import ShapesImage

GENERIC = ("timm", "torchvision", "transformers", "npu_models")
"""Model libraries whose models need no adapter of their own: ``<library>:<model name>``."""

_WITH_FILES = ("transformers",)
"""Libraries whose models are described by files, which travel in the deliverable."""

_WITH_CLASSES = ("timm", "torchvision")
"""Libraries whose models are built with any number of classes."""


@runtime_checkable
class Adapter(Protocol):
    """What every model brings. Nothing here may touch a device: tensors are made on the CPU and moved by the caller."""

    task: str

    def build(self) -> nn.Module:
        """The network on the CPU in float32 and eval mode, with its own random initialisation."""
        ...

    def preprocess(self, photos: Sequence[Path]) -> torch.Tensor:
        """Photos as one batch, float32 (N, C, H, W); raises OSError for a file that is no readable image."""
        ...

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every declared output by name, each with the batch as its first dimension."""
        ...


@runtime_checkable
class SupportsClassification(Protocol):
    """The outputs are scores of known classes: top-1 and top-5 mean something."""

    @property
    def class_output(self) -> str:
        """The name of the output, of shape (N, classes), that ranks the classes."""
        ...

    @property
    def class_names(self) -> Sequence[str]:
        """The classes' names in the order of the output."""
        ...


@runtime_checkable
class SupportsPrediction(Protocol):
    """The outputs can be told to a person."""

    def predictions(self, outputs: dict[str, torch.Tensor], index: int) -> tuple[Prediction, ...]:
        """What the model says of the ``index``-th photo of the batch, best first."""
        ...


@runtime_checkable
class SupportsDetection(Protocol):
    """The outputs come to a list of objects: boxes with classes and scores, and perhaps masks."""

    @property
    def class_names(self) -> Sequence[str]:
        """The classes' names by their number."""
        ...

    @property
    def score_cutoff(self) -> float:
        """The score at which the list ends; 0 where there is no such threshold."""
        ...

    @property
    def max_detections(self) -> int:
        """The most detections of one photo."""
        ...

    def detections(self, outputs: Mapping[str, torch.Tensor], photos: Sequence[Path]) -> Sequence[DetectionSet]:
        """The outputs for a batch of these photos, on the CPU → what was found in each, in its own pixels."""
        ...


PhotoDetector = Callable[[torch.Tensor, tuple[int, int], int], Iterator[DetectionSet]]
"""``(batch, size, classes_at_once)`` → what is found in one photo, in parts that together are its detections.

``batch`` is the photo as `preprocess` makes it, on the network's device; ``size`` its (height, width) upright;
``classes_at_once`` how many classes go through the network together where each costs memory. A part's masks may lie on
the device, the rest of it on the CPU; each part is small enough to be held beside the network, and none is held twice.
"""


@runtime_checkable
class SupportsDirectDetection(SupportsDetection, Protocol):
    """The detections of a photo can be had without all raw outputs at once, which would not fit for many classes."""

    def detector(self, model: nn.Module, protocol: DetectionProtocol) -> PhotoDetector:
        """The network made ready for many photos; what is the same for all of them is computed here, once."""
        ...


@runtime_checkable
class SupportsTraining(Protocol):
    """The network can be trained: its losses are known."""

    def losses(self, model: nn.Module, images: Sequence[ShapesImage]) -> Mapping[str, torch.Tensor]:
        """Each loss by its name, a scalar with a gradient, on the model's device and in its dtype."""
        ...


@runtime_checkable
class SupportsRenaming(Protocol):
    """Published checkpoints of the model carry older names too."""

    def renamed(self, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """A checkpoint's entries under the names of the network; raises ValueError for what is no such checkpoint."""
        ...


@runtime_checkable
class SupportsDefaultWeights(Protocol):
    """The adapter's library publishes weights for the model."""

    def default_weights(self) -> str:
        """Their reference, e.g. ``hf:owner/repository/model.safetensors``."""
        ...


@runtime_checkable
class SupportsDrawing(Protocol):
    """The adapter draws its own pictures; without it the predictions are written onto the photo."""

    def draw(self, photo: Path, predictions: Sequence[Prediction]) -> Any:
        """A `PIL.Image.Image` that shows the predictions."""
        ...


def resolve(reference: str, root: Path, classes: Classes | None = None) -> Adapter:
    """The adapter behind a reference.

    Args:
        reference: ``timm:<model>`` or another generic reference, or the path of an `adapter.py` relative to ``root``.
        root: the deliverable's folder.
        classes: those of a model of a library that was trained on others than the library's; or the words that an
            adapter.py is asked for, whose `create_adapter` has a parameter ``words``.

    Raises:
        AdapterError: there is no such adapter, it does not load, or it lacks a part of the contract; or it brings its
            classes itself.
    """
    library, colon, name = reference.partition(":")
    if classes is not None and colon and library not in _WITH_CLASSES:
        raise AdapterError("has classes of its own", where=reference, fix="take num_classes and labels out")
    if colon and library in GENERIC:
        adapter = _generic(library, name, root, classes)
    elif colon:
        raise AdapterError(f"'{library}:' is no known model library", where=reference, fix=nearest(library, GENERIC))
    else:
        adapter = _from_file(root / reference, classes)
    return adapter


def _generic(library: str, name: str, root: Path, classes: Classes | None) -> Adapter:
    reference, module_name = f"{library}:{name}", f"npu_eval.models.adapters.{library}_models"
    try:
        with calling(reference):
            if importlib.util.find_spec(module_name) is None:  # only the one that the spec names travels
                raise AdapterError(
                    f"this deliverable holds no adapter for {library}",
                    where=reference,
                    fix="make it again with this adapter",
                )
            module = importlib.import_module(module_name)
    except AdapterError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            what = f"the Python package '{error.__cause__.name}' is not installed"
            raise AdapterError(what, where=reference, fix="pip install -r requirements.txt") from error
        raise
    with calling(reference):
        more = (root,) if library in _WITH_FILES else (classes,) if library in _WITH_CLASSES else ()
        adapter: Adapter = module.create_adapter(name, *more)
    return adapter


def _from_file(path: Path, classes: Classes | None) -> Adapter:
    if not path.is_file():
        raise AdapterError("the adapter file does not exist", where=str(path), fix="name a file or e.g. timm:resnet50")
    spec = importlib.util.spec_from_file_location("adapter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["adapter"] = module  # dataclasses and pickling look their module up by name
    with calling(path.name):
        spec.loader.exec_module(module)
    create = getattr(module, "create_adapter", None)
    if not callable(create):
        raise AdapterError("defines no function create_adapter()", where=path.name, fix="see docs/how-to/own-model.md")
    if classes is not None and "words" not in inspect.signature(create).parameters:
        raise AdapterError("its create_adapter() takes no words", where=path.name, fix="take words out (--words)")
    with calling(path.name):
        adapter = create() if classes is None else create(words=classes.names)
    missing = [part for part in ("task", "build", "preprocess", "forward") if not hasattr(adapter, part)]
    if missing:
        raise AdapterError(f"its adapter has no '{missing[0]}'", where=path.name, fix="see docs/how-to/own-model.md")
    result: Adapter = adapter
    return result


_NOT_INSTALLED = "name it under 'requirements' in the spec; of a model's own files the adapter alone travels"


@contextlib.contextmanager
def calling(culprit: str) -> Iterator[None]:
    """Run adapter code; whatever it raises becomes an AdapterError that names the adapter and the line.

    The line is the innermost one of the adapter's file or of `npu_models`, else wherever it was raised.
    """
    try:
        yield
    except DeliverError:
        raise
    except Exception as error:
        frames = [(Path(f.filename), f.lineno) for f in traceback.extract_tb(error.__traceback__)]
        own = [(p, line) for p, line in frames if p.name == Path(culprit).name or "npu_models" in p.parts]
        file, line = (own or frames)[-1]
        if isinstance(error, ModuleNotFoundError) and error.name:
            what = f"the Python package '{error.name.partition('.')[0]}' is not installed ({file.name}, line {line})"
            raise AdapterError(what, where=culprit, fix=_NOT_INSTALLED) from error
        place = "" if isinstance(error, SyntaxError) and not own else f" ({file.name}, line {line})"
        raise AdapterError(f"{type(error).__name__}: {error}{place}", where=culprit) from error


def checked_forward(adapter: Adapter, model: nn.Module, batch: torch.Tensor, culprit: str) -> dict[str, torch.Tensor]:
    """The adapter's outputs, after checking that they are named tensors with the batch first.

    Raises:
        AdapterError: the adapter raised, or returned something else.
    """
    with calling(culprit), torch.inference_mode(), casting(model):
        outputs = adapter.forward(model, batch)
    if not isinstance(outputs, dict) or not outputs:
        raise AdapterError("forward() must return a dict of named tensors", where=culprit)
    for name, tensor in outputs.items():
        if not isinstance(tensor, torch.Tensor) or tensor.dim() == 0 or tensor.shape[0] != batch.shape[0]:
            shape = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise AdapterError(f"output '{name}' must be a tensor with the batch first, found {shape}", where=culprit)
    return outputs


def checked_build(adapter: Adapter, culprit: str) -> nn.Module:
    """The adapter's network.

    Raises:
        AdapterError: the adapter raised, or returned something else.
    """
    with calling(culprit):
        network: object = adapter.build()
    if not isinstance(network, nn.Module):
        raise AdapterError(f"build() must return a torch module, found {type(network).__name__}", where=culprit)
    return network


def checked_preprocess(adapter: Adapter, photos: Sequence[Path], culprit: str) -> torch.Tensor:
    """The adapter's batch, after checking that it is one tensor with the photos first.

    Raises:
        AdapterError: the adapter raised, or returned something else.
    """
    with calling(culprit):
        batch: object = adapter.preprocess(photos)
    if not isinstance(batch, torch.Tensor) or batch.dim() == 0 or batch.shape[0] != len(photos):
        found = tuple(batch.shape) if isinstance(batch, torch.Tensor) else type(batch).__name__
        what = f"preprocess() must return a tensor with the {len(photos)} photos first, found {found}"
        raise AdapterError(what, where=culprit)
    return batch


def checked_predictions(
    adapter: SupportsPrediction, outputs: dict[str, torch.Tensor], index: int, culprit: str
) -> tuple[Prediction, ...]:
    """The adapter's predictions, after checking that a record can hold them and a picture show them.

    Raises:
        AdapterError: the adapter raised, or returned something else.
    """
    with calling(culprit):
        found: Any = tuple(adapter.predictions(outputs, index))
    for p in found:
        if not isinstance(p, Prediction):
            raise AdapterError(f"predictions() must return Predictions, found {type(p).__name__}", where=culprit)
        if not isinstance(p.label, str) or type(p.index) is not int:
            raise AdapterError(f"a prediction needs a label and a class number, found {p}", where=culprit)
        numbers = (p.score, *(p.box or (0.0, 0.0, 0.0, 0.0)))
        if len(numbers) != 5 or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in numbers):
            raise AdapterError(f"a prediction needs a finite score and no box or one of 4, found {p}", where=culprit)
    predictions: tuple[Prediction, ...] = found
    return predictions


def checked_detections(
    adapter: SupportsDetection, outputs: Mapping[str, torch.Tensor], photos: Sequence[Path], culprit: str
) -> Sequence[DetectionSet]:
    """The adapter's detections of a batch, after checking that they can be drawn, matched and recorded.

    Raises:
        AdapterError: the adapter raised, or returned something else.
    """
    with calling(culprit):
        found: Any = adapter.detections(outputs, photos)
    if not isinstance(found, (list, tuple)) or len(found) != len(photos):
        raise AdapterError(
            f"detections() must return a list with one set for each of {len(photos)} photos", where=culprit
        )
    for one in found:
        _check_set(one, adapter, culprit)
    sets: Sequence[DetectionSet] = found
    return sets


def checked_detector(
    adapter: SupportsDirectDetection, model: nn.Module, protocol: DetectionProtocol, culprit: str
) -> PhotoDetector:
    """The adapter's detector of photos, whose parts are checked as they come.

    Raises:
        AdapterError: the adapter raised, now or at a photo, or a part cannot be drawn, matched and recorded.
    """
    with calling(culprit), torch.inference_mode(), casting(model):
        detect = adapter.detector(model, protocol)

    def checked(batch: torch.Tensor, size: tuple[int, int], classes_at_once: int) -> Iterator[DetectionSet]:
        with calling(culprit):
            parts = iter(detect(batch, size, classes_at_once))
        while True:
            with calling(culprit), torch.inference_mode(), casting(model):  # not around what the caller does with it
                part = next(parts, None)
            if part is None:
                return
            _check_set(part, adapter, culprit)
            yield part

    return checked


def _check_set(one: object, adapter: SupportsDetection, culprit: str) -> None:
    if not isinstance(one, DetectionSet):
        raise AdapterError(f"found {type(one).__name__} where a DetectionSet belongs", where=culprit)
    shapes = tuple(one.boxes.shape), tuple(one.scores.shape), tuple(one.classes.shape)
    unmasked = one.masks is not None and len(one.masks) != len(one)
    if unmasked or shapes != ((len(one), 4), (len(one),), (len(one),)):
        raise AdapterError(f"boxes, scores, classes and masks do not go together: {shapes}", where=culprit)
    if not bool(torch.isfinite(one.boxes).all() and torch.isfinite(one.scores).all()):
        raise AdapterError("a detection has a box or a score that is not finite", where=culprit)
    if len(one) and not 0 <= int(one.classes.min()) <= int(one.classes.max()) < len(adapter.class_names):
        raise AdapterError(f"a detection has none of the {len(adapter.class_names)} classes", where=culprit)
