"""Peak memory of the data set experiment at two sizes of the set, and what a kill in the middle costs.

    python benchmarks/dataset_memory.py [--images 100 2000]

Generated photos of 640x480 with coloured rectangles, a detector that finds them with their masks, run as users run it:
the deliverable's own script in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from npu_eval.notation.tables import table

SPEC = "name: rectangles\nadapter: adapter.py\ntask: instance-segmentation\nmodel: {title: Rectangles}\n"
ADAPTER = """
import numpy as np
import torch
from torch import nn

from npu_eval.models.detections import DetectionSet
from npu_eval.models.photos import open_upright


class Rectangles:
    task = "instance-segmentation"
    class_names = tuple(f"colour {n}" for n in range(8))
    score_cutoff = 0.0
    max_detections = 100

    def build(self):
        return nn.Conv2d(3, 1, 1).eval()

    def preprocess(self, photos):
        pixels = [torch.from_numpy(np.array(open_upright(photo))) for photo in photos]
        return torch.stack(pixels).permute(0, 3, 1, 2).float()

    def forward(self, model, batch):
        return {"pixels": batch + 0 * model(batch)}

    def detections(self, outputs, photos):
        return [self.one(pixels) for pixels in outputs["pixels"]]

    def one(self, pixels):
        level = (pixels[0] / 30).round().clamp(0, 8).long()
        masks = torch.stack([level == n + 1 for n in range(8)] * 5)
        boxes = torch.tensor([self.box(mask) for mask in masks])
        scores = torch.linspace(0.9, 0.1, len(masks))
        return DetectionSet(boxes, scores, torch.arange(8).repeat(5), masks)

    def box(self, mask):
        rows, columns = torch.nonzero(mask.any(1)).flatten(), torch.nonzero(mask.any(0)).flatten()
        if not len(rows):
            return [0.0, 0.0, 0.0, 0.0]
        return [float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1]


def create_adapter():
    return Rectangles()
"""


def write_set(folder: Path, count: int) -> Path:
    (folder / "val2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    images, annotations = [], []
    generator = np.random.default_rng(0)
    for number in range(1, count + 1):
        pixels = np.zeros((480, 640, 3), np.uint8)
        for colour in range(8):
            x, y = colour * 80 + int(generator.integers(0, 30)), int(generator.integers(0, 300))
            w, h = int(generator.integers(20, 50)), int(generator.integers(20, 180))
            pixels[y : y + h, x : x + w] = (colour + 1) * 30
            ring = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotations.append({"id": len(annotations), "image_id": number, "category_id": colour + 1, "area": w * h,
                                "bbox": [x, y, w, h], "iscrowd": 0, "segmentation": [ring]})  # fmt: skip
        Image.fromarray(pixels).save(folder / "val2017" / f"{number}.jpg", quality=95)
        images.append({"id": number, "file_name": f"{number}.jpg", "height": 480, "width": 640})
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": n + 1, "name": f"colour {n}"} for n in range(8)]}  # fmt: skip
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    return folder


def stage(root: Path) -> Path:
    """The deliverable's folder, with its scripts."""
    (root / "rectangles").mkdir()
    (root / "rectangles" / "spec.yaml").write_text(SPEC)
    (root / "rectangles" / "adapter.py").write_text(ADAPTER)
    program = "from npu_deliver.cli import main; main()"
    arguments = ["stage", "rectangles", "--root", str(root), "--device", "cpu", "--weights", "random", "--json"]
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(json.loads(done.stdout)["folder"])


def start(folder: Path, data: Path, save: Path) -> subprocess.Popen[bytes]:
    arguments = ["--data", str(data), "--save", str(save), "--device", "cpu", "--weights", "random"]
    command = [sys.executable, "evaluation/eval_dataset.py", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finished(process: subprocess.Popen[bytes]) -> float:
    """Peak resident memory in MiB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return usage.ru_maxrss / 1024


def result(save: Path) -> dict[str, object]:
    data: dict[str, object] = json.loads((save / "records" / "dataset.json").read_text())["data"]
    return data


def numbers(data: dict[str, object]) -> object:
    """Everything that was found, without the seconds of the evaluators and how much was taken over."""
    for scores in data["detection"]:  # type: ignore[attr-defined]
        for run in scores["runs"]:
            run.pop("seconds")
    return {key: value for key, value in data.items() if key != "resumed_images"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 2000])
    rows, peaks = [], []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / "models").mkdir()
        folder = stage(root / "models")
        for count in parser.parse_args().images:
            data = write_set(root / f"data{count}" / "coco2017", count)
            whole, cut = root / f"whole{count}", root / f"cut{count}"
            started = time.monotonic()
            peaks.append(finished(start(folder, data, whole)))
            seconds = time.monotonic() - started
            lines = cut / "results" / "dataset.jsonl"
            killed = start(folder, data, cut)
            while not lines.is_file() or lines.read_bytes().count(b"\n") < count // 2:
                time.sleep(0.02)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            finished(start(folder, data, cut))
            first, second = result(whole), result(cut)
            rows.append((str(count), f"{peaks[-1]:.0f} MiB", f"{seconds:.0f} s", str(second["resumed_images"]),
                         "yes" if numbers(first) == numbers(second) else "NO",
                         f"{lines.stat().st_size / 2**20:.1f} MiB"))  # fmt: skip
            print("\n".join(table(("images", "peak memory", "seconds", "taken over after the kill", "identical result",
                                   "results on disk"), rows)), flush=True)  # fmt: skip
    print(f"peak memory differs by {max(peaks) - min(peaks):.0f} MiB")


if __name__ == "__main__":
    main()
