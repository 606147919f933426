"""SAM 3 (Segment Anything with Concepts): finds and outlines everything in a photo that a few words name.

The network is that of transformers, corrected where that differs from the authors'. The words are `PROMPTS`; each is
asked of the same image features. Whoever wants other words writes them there and, where one is not in `TOKENS`, gives
the weights in a folder with the tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from npu_eval.adapters import library_state, photo_batch
from npu_eval.detections import DetectionSet, mask_size
from npu_eval.errors import AdapterError
from npu_eval.photos import upright_size
from npu_eval.sam3 import corrections
from npu_eval.sam3.checkpoints import DETECTOR_MODEL, library_names
from npu_eval.sam3.image_network import OUTPUTS, correct, find, outline, text_features

transformers.logging.set_verbosity_error()  # its tables of missing entries: loading here is strict and says so itself
transformers.logging.disable_progress_bar()

PROMPTS = ("person", "cat", "cup")
"""What is looked for. Each costs a run of everything behind the image encoder."""

FILES = Path(__file__).resolve().parent / "model"
"""Where a deliverable keeps the configuration of weights that came in a folder."""

START, END, LENGTH = 49406, 49407, 32
"""CLIP's marks around a text, and the tokens of a text with its padding."""

TOKENS: Mapping[str, tuple[int, ...]] = {
    "person": (2533,), "bicycle": (11652,), "car": (1615,), "motorcycle": (10297,), "airplane": (16451,),
    "bus": (2840,), "train": (3231,), "truck": (4629,), "boat": (4440,), "traffic light": (3399, 1395),
    "fire hydrant": (1769, 8031, 773), "stop sign": (1691, 2292), "parking meter": (5984, 10104), "bench": (8771,),
    "bird": (3329,), "cat": (2368,), "dog": (1929,), "horse": (4558,), "sheep": (9629,), "cow": (9706,),
    "elephant": (10299,), "bear": (4298,), "zebra": (22548,), "giraffe": (22826,), "backpack": (14894,),
    "umbrella": (17143,), "handbag": (22654,), "tie": (3422,), "suitcase": (27792,), "frisbee": (45768,),
    "skis": (32843,), "snowboard": (33403,), "sports ball": (2054, 1069), "kite": (19867,),
    "baseball bat": (3470, 6575), "baseball glove": (3470, 16078), "skateboard": (31777,), "surfboard": (10176, 1972),
    "tennis racket": (5298, 37691), "bottle": (5392,), "wine glass": (2604, 3313), "cup": (1937,), "fork": (13700,),
    "knife": (8960,), "spoon": (14024,), "bowl": (3814,), "banana": (8922,), "apple": (3055,), "sandwich": (8687,),
    "orange": (4287,), "broccoli": (19094,), "carrot": (15435,), "hot dog": (2069, 1929), "pizza": (4474,),
    "donut": (18471,), "cake": (2972,), "chair": (4269,), "couch": (12724,), "potted plant": (48581, 3912),
    "bed": (2722,), "dining table": (8658, 2175), "toilet": (11071,), "tv": (1583,), "laptop": (10464,),
    "mouse": (9301,), "remote": (9687,), "keyboard": (13017,), "cell phone": (5533, 1951), "microwave": (24240,),
    "oven": (12579,), "toaster": (39061,), "sink": (14551,), "refrigerator": (36662,), "book": (1116,),
    "clock": (6716,), "vase": (20431,), "scissors": (30867,), "teddy bear": (11798, 4298),
    "hair drier": (2225, 39877), "toothbrush": (36841,),
}  # fmt: skip
"""COCO's names in CLIP's vocabulary (bpe_simple_vocab_16e6 of OpenAI's CLIP, MIT), so that no tokenizer is needed."""


class Sam3:
    """SAM 3 with text prompts: a class is a prompt."""

    task = "instance-segmentation"
    class_names = PROMPTS
    score_cutoff = 0.05
    max_detections = 100
    corrections = corrections.IMAGE
    """What of the library is brought to what the authors' network does; see `npu_eval.sam3.corrections`."""

    def __init__(self) -> None:
        self._config = _configuration()
        side = self._config.vision_config.backbone_config.image_size
        self._processor = transformers.Sam3ImageProcessor(size={"height": side, "width": side})
        if any((FILES / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
            self._processor = transformers.AutoImageProcessor.from_pretrained(FILES, local_files_only=True)
        self._tokens, self._attention = _tokens(PROMPTS)

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
        """`OUTPUTS`, each (N, prompts, …): logits and boxes (0 to 1) of 200 queries, their masks on a 288 x 288 grid.

        The image is encoded once for all prompts.
        """
        network: Any = model
        ids, attention = self._tokens.to(batch.device), self._attention.to(batch.device)
        seen = network.get_vision_features(batch)
        return find(network, seen, text_features(network, ids, attention), attention, self.corrections)

    def detections(self, outputs: Mapping[str, Tensor], photos: Sequence[Path]) -> list[DetectionSet]:
        """The authors' rule: score = object x presence of the prompt; a mask is where its logit, brought to the photo's
        size, is above 0; the best of all prompts.

        No suppression of overlaps: a query is an object.
        """
        found = {name: outputs[name].detach().float().cpu() for name in OUTPUTS}
        return [self._of_photo({name: x[row] for name, x in found.items()}, photo) for row, photo in enumerate(photos)]

    def _of_photo(self, found: Mapping[str, Tensor], photo: Path) -> DetectionSet:
        height, width = upright_size(photo)
        scores = found["pred_logits"].sigmoid() * found["presence_logits"].sigmoid()  # (prompts, queries)
        best, places = scores.flatten().sort(descending=True, stable=True)
        places = places[best > self.score_cutoff][: self.max_detections]
        masks = found["pred_masks"].flatten(0, 1)
        grid = mask_size(height, width)
        outlines = torch.zeros((len(places), *grid), dtype=torch.bool)
        for i, place in enumerate(places.tolist()):  # one by one: at the size of the photo a hundred would be gigabytes
            outlines[i] = outline(masks[place], grid, self.corrections)
        boxes = found["pred_boxes"].flatten(0, 1)[places] * torch.tensor([width, height, width, height])
        return DetectionSet(boxes, best[: len(places)], places // scores.shape[1], outlines)


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


def _tokens(prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(prompts, 32) token numbers and which of them count: by the tokenizer beside the weights, else by the table.

    Raises:
        AdapterError: a prompt is in neither.
    """
    if (FILES / "tokenizer.json").is_file() or (FILES / "vocab.json").is_file():
        tokenizer = transformers.AutoTokenizer.from_pretrained(FILES, local_files_only=True, trust_remote_code=False)
        encoded = tokenizer(
            list(prompts), padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        return encoded["input_ids"], encoded["attention_mask"]
    if unknown := [prompt for prompt in prompts if prompt not in TOKENS]:
        fix = "use one of COCO's names, or give the weights in a folder with tokenizer.json"
        raise AdapterError(f"'{unknown[0]}' is in no table of tokens", where="PROMPTS", fix=fix)
    rows = [(START, *TOKENS[prompt], END) for prompt in prompts]
    ids = torch.tensor([(*row, *[END] * (LENGTH - len(row))) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (LENGTH - len(row)) for row in rows])


def create_adapter() -> Sam3:
    """The adapter."""
    return Sam3()
