from __future__ import annotations

import torch
from torch import nn

from npu_eval.under_test.folding import fold


class Act(nn.BatchNorm2d):
    """A norm that carries an activation, as timm's do."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(super().forward(x))


class Net(nn.Module):
    """Plain pairs, one with an activation, one convolution that feeds two norms, and a norm of an input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.a, self.norm_a = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.b, self.norm_b = nn.Conv2d(4, 4, 3), Act(4)
        self.shared, self.left, self.right = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm_b(self.b(self.norm_a(self.a(self.first(x)))))
        y = self.shared(x)
        return self.left(y) + self.right(y)


def network() -> Net:
    torch.manual_seed(0)
    net = Net()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return net.eval()


def test_what_follows_a_convolution_is_folded_and_nothing_changes() -> None:
    net, x = network(), torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        before = net(x)
        assert fold(net, lambda: net(x)) == 2
        after = net(x)
    assert torch.allclose(before, after, rtol=1e-5, atol=1e-5)
    assert isinstance(net.norm_a, nn.Identity)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.norm_b.modules())
    assert all(isinstance(n, nn.BatchNorm2d) for n in (net.first, net.left, net.right))


def test_a_network_without_norms_stays_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).eval()
    with torch.inference_mode():
        assert fold(net, lambda: net(torch.rand(1, 3, 8, 8))) == 0
