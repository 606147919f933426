"""SAM 3 (Segment Anything with Concepts): finds and outlines everything in a photo that a few words name.

The network is that of transformers, corrected where that differs from the authors'. Each word is
asked of the same image features: those of the spec (`words`, `--words`), or `WORDS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from npu_eval.errors import AdapterError
from npu_eval.models import DetectionProtocol, DetectionSet, library_state, mask_size, photo_batch, upright_size
from npu_eval.sam3 import corrections
from npu_eval.sam3.checkpoints import DETECTOR_MODEL, library_names
from npu_eval.sam3.direct import DirectDetector, chosen, scores_of
from npu_eval.sam3.image_network import OUTPUTS, correct, find, outlines, text_features
from npu_eval.sam3.tokens import padded

transformers.logging.set_verbosity_error()  # its tables of missing entries: loading here is strict and says so itself
transformers.logging.disable_progress_bar()

WORDS = ("person", "cat", "cup")
"""What is looked for where nobody says. Each costs a run of everything behind the image encoder."""

FILES = Path(__file__).resolve().parent / "model"
"""Where a deliverable keeps the configuration of weights that came in a folder."""


class Sam3:
    """SAM 3 with words: a class is a word."""

    task = "instance-segmentation"
    score_cutoff = 0.05
    max_detections = 100
    protocol = DetectionProtocol(name="drawn", score_floor=score_cutoff, per_class=None, per_image=max_detections)
    """Of what is drawn and compared; a data set is evaluated under one that has a name there."""
    corrections = corrections.IMAGE
    """What of the library is brought to what the authors' network does; see `npu_eval.sam3.corrections`."""

    def __init__(self, words: Sequence[str]) -> None:
        self.class_names = tuple(words)
        self._config = _configuration()
        side = self._config.vision_config.backbone_config.image_size
        self._processor = transformers.Sam3ImageProcessor(size={"height": side, "width": side})
        if any((FILES / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
            self._processor = transformers.AutoImageProcessor.from_pretrained(FILES, local_files_only=True)
        self._tokens, self._attention = _tokens(self.class_names)

    def default_weights(self) -> str:
        """The authors' own checkpoint, which the hub gives to people who have accepted its licence."""
        return "hf:facebook/sam3/model.safetensors"

    def build(self) -> nn.Module:
        """The image part of SAM 3 (detector and mask decoder, no tracker) with random weights, in float32."""
        network: nn.Module = transformers.Sam3Model._from_config(self._config, dtype=torch.float32)  # noqa: SLF001
        correct(network, self.corrections)
        return network.eval()

    def renamed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A checkpoint of either maker under the library's names; of the video model only the detector has a place.

        Raises:
            WeightsError: it is of SAM 3.1, or of no SAM 3 at all.
        """
        named = library_names(state)
        inside = {n.removeprefix(DETECTOR_MODEL): x for n, x in named.items() if n.startswith(DETECTOR_MODEL)}
        outside = {n: x for n, x in named.items() if not n.startswith(DETECTOR_MODEL)}
        return library_state(transformers.Sam3Model, self._config, inside) | outside

    def preprocess(self, photos: Sequence[Path]) -> Tensor:
        """Photos as (N, 3, 1008, 1008) float32, stretched to the square, values from -1 to 1."""
        return photo_batch(photos, lambda image: self._processor(images=image, return_tensors="pt")["pixel_values"][0])

    def forward(self, model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        """`OUTPUTS`, each (N, words, …): logits and boxes (0 to 1) of 200 queries, their masks on a 288 x 288 grid.

        The image is encoded once for all words.
        """
        network: Any = model
        ids, attention = self._tokens.to(batch.device), self._attention.to(batch.device)
        seen = network.get_vision_features(batch)
        return find(network, seen, text_features(network, ids, attention), attention, self.corrections)

    def detections(self, outputs: Mapping[str, Tensor], photos: Sequence[Path]) -> list[DetectionSet]:
        """The authors' rule: score = object x presence of the word; a mask is where its logit, brought to the photo's
        size, is above 0; the best of all words.

        No suppression of overlaps: a query is an object.
        """
        found = {name: outputs[name].detach().float().cpu() for name in OUTPUTS}
        return [self._of_photo({name: x[row] for name, x in found.items()}, photo) for row, photo in enumerate(photos)]

    def _of_photo(self, found: Mapping[str, Tensor], photo: Path) -> DetectionSet:
        height, width = upright_size(photo)
        scores = scores_of(found["pred_logits"], found["presence_logits"])
        places = chosen(scores, self.protocol)
        masks = outlines(found["pred_masks"].flatten(0, 1)[places], mask_size(height, width), self.corrections)
        boxes = found["pred_boxes"].flatten(0, 1)[places] * torch.tensor([width, height, width, height])
        return DetectionSet(boxes, scores.flatten()[places], places // scores.shape[1], masks)

    def detector(self, model: nn.Module, protocol: DetectionProtocol) -> DirectDetector:
        """The network with its words encoded, for photos one by one; its raw outputs are never whole in memory."""
        device = next(model.parameters()).device
        return DirectDetector(model, self._tokens.to(device), self._attention.to(device), protocol, self.corrections)


def _configuration() -> Any:
    """The published one is the default of its class; weights of another size bring their own."""
    if not (FILES / "config.json").is_file():
        return transformers.Sam3Config()
    config = transformers.AutoConfig.from_pretrained(FILES, local_files_only=True, trust_remote_code=False)
    config = getattr(config, "detector_config", None) or config  # the video model's holds the image model's
    if config.model_type != "sam3":
        raise AdapterError(f"config.json is of a {config.model_type}, not of SAM 3", where="model/config.json",
                           fix="name the folder of facebook/sam3, or of a model of its kind")  # fmt: skip
    return config


def _tokens(words: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(words, 32) token numbers and which of them count: by the tokenizer beside the weights, else by CLIP's own.

    Raises:
        AdapterError: a word is empty or too long.
    """
    if (FILES / "tokenizer.json").is_file() or (FILES / "vocab.json").is_file():
        tokenizer = transformers.AutoTokenizer.from_pretrained(FILES, local_files_only=True, trust_remote_code=False)
        return padded(words, lambda word: tokenizer(word)["input_ids"][1:-1])  # between the marks
    return padded(words)


def create_adapter(words: Sequence[str] = WORDS) -> Sam3:
    """The adapter for some words, each a class."""
    return Sam3(words)
