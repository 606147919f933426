"""YOLOv3-tiny (Redmon and Farhadi 2018) in plain PyTorch: an example of a detector that a user brings.

The layers stand in the order of the darknet file, from which convert.py makes a checkpoint for them.
"""

import itertools

import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional
from torchvision.transforms.functional import pil_to_tensor

from npu_eval.models import DetectionSet, Prediction, photo_batch, upright_size

SIDE = 416
ANCHORS = ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319))  # width, height in pixels of the input
HEADS = (("coarse", (3, 4, 5), 32), ("fine", (1, 2, 3), 16))  # output, its anchors, its stride in pixels
# The weights were trained with anchors 1 to 3 in the fine head, whatever the published configuration says.

COCO = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign parking_meter "
    "bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee "
    "skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle wine_glass "
    "cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch "
    "potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink "
    "refrigerator book clock vase scissors teddy_bear hair_drier toothbrush"
)


def block(inputs, outputs, size=3):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)
    )


class TinyYolo(nn.Module):
    def __init__(self):
        super().__init__()
        widths = (3, 16, 32, 64, 128, 256, 512)
        self.down = nn.ModuleList(block(a, b) for a, b in itertools.pairwise(widths))
        self.wide = block(512, 1024)
        self.neck = block(1024, 256, 1)
        self.coarse = nn.Sequential(block(256, 512), nn.Conv2d(512, 255, 1))
        self.side = block(256, 128, 1)
        self.fine = nn.Sequential(block(384, 256), nn.Conv2d(256, 255, 1))

    def forward(self, x):
        for i, layer in enumerate(self.down):
            x = layer(x)
            if i == 4:
                branch = x  # 26 × 26, joined by the fine head
            if i < 5:
                x = functional.max_pool2d(x, 2)
        x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, stride=1)
        x = self.neck(self.wide(x))
        up = functional.interpolate(self.side(x), scale_factor=2)
        return {"coarse": self.coarse(x), "fine": self.fine(torch.cat([up, branch], dim=1))}


class YoloAdapter:
    task = "detection"
    class_names = tuple(name.replace("_", " ") for name in COCO.split())
    score_cutoff = 0.01
    max_detections = 100
    overlap = 0.45  # boxes of one class that overlap more are one object

    def build(self):
        return TinyYolo().eval()

    def preprocess(self, photos):
        """The photo in the middle of a grey square, 0 to 1."""
        return photo_batch(photos, letterbox)

    def forward(self, model, batch):
        """Both heads as they are: (N, 255, 13, 13) and (N, 255, 26, 26)."""
        return model(batch)

    def detections(self, outputs, photos):
        boxes, scores = decode(outputs)
        return [self.one(b, s, *upright_size(photo)) for b, s, photo in zip(boxes, scores, photos, strict=True)]

    def one(self, boxes, scores, height, width):
        """(cells, 4) boxes on the input and (cells, 80) scores → the best detections in pixels of the photo."""
        best, best_classes = scores.max(dim=1)
        cells = best >= self.score_cutoff
        found, sure, classes = boxes[cells], best[cells], best_classes[cells]
        kept = torchvision.ops.batched_nms(found, sure, classes, self.overlap)[: self.max_detections]
        scale, left, top, _, _ = placing(width, height)
        found = (found[kept] - torch.tensor([left, top, left, top])) / scale
        limits = torch.tensor([width, height, width, height], dtype=found.dtype)
        return DetectionSet(torch.minimum(found.clamp(min=0), limits), sure[kept], classes[kept])

    def predictions(self, outputs, index):
        """What is told to a person has no photo to go by: the surest boxes on the square input."""
        boxes, scores = decode(outputs)
        found = self.one(boxes[index], scores[index], SIDE, SIDE)
        return tuple(
            Prediction(label=self.class_names[int(c)], index=int(c), score=float(s))
            for s, c in zip(found.scores, found.classes, strict=True)
            if s > 0.25
        )


def placing(width, height):
    """Scale, left and top edge, width and height of a photo in the middle of the square."""
    scale = SIDE / max(width, height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    return scale, (SIDE - wide) // 2, (SIDE - high) // 2, wide, high


def letterbox(image):
    _, left, top, wide, high = placing(*image.size)
    square = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    square.paste(image.resize((wide, high), Image.Resampling.BICUBIC), (left, top))
    return pil_to_tensor(square).float() / 255


def decode(outputs):
    """Both heads → boxes (N, cells, 4) as corners on the input, and scores (N, cells, 80)."""
    boxes, scores = [], []
    for name, numbers, stride in HEADS:
        raw = outputs[name].float()
        n, _, rows, columns = raw.shape
        raw = raw.view(n, 3, 85, rows, columns).permute(0, 3, 4, 1, 2)  # (N, rows, columns, anchor, numbers)
        down, right = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        cell = torch.stack([right, down], dim=-1)[:, :, None]
        centre = (raw[..., 0:2].sigmoid() + cell) * stride
        half = raw[..., 2:4].exp() * torch.tensor([ANCHORS[i] for i in numbers]) / 2
        boxes.append(torch.cat([centre - half, centre + half], dim=-1).reshape(n, -1, 4))
        scores.append((raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()).reshape(n, -1, 80))
    return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)


def create_adapter():
    return YoloAdapter()
