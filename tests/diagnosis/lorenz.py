"""How the GRU of `lorenz_gru.npz` was trained: it reads a point of the Lorenz system and gives the next, 0.05 later.

    python tests/diagnosis/lorenz.py

Half of the points lie on the attractor, half near it: off it the data show how fast it draws back. Each begins from a
hidden state at random, so that the network learns not to need one; it then reads its own output once. About 20 s.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

TIME, HIDDEN = 0.05, 32
FILE = Path(__file__).with_name("lorenz_gru.npz")
MEAN, SCALE = torch.tensor([0.0, 0.0, 25.0]).double(), torch.tensor([8.0, 9.0, 9.0]).double()


def flow(s: Tensor) -> Tensor:
    x, y, z = s.unbind(-1)
    return torch.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], -1)


def advance(s: Tensor, steps: int = 5) -> Tensor:
    """By TIME, in small steps of Runge and Kutta."""
    dt = TIME / steps
    for _ in range(steps):
        a = flow(s)
        b = flow(s + dt / 2 * a)
        c = flow(s + dt / 2 * b)
        s = s + dt / 6 * (a + 2 * b + 2 * c + flow(s + dt * c))
    return s


def points() -> list[Tensor]:
    """Starts and the two points after each, (2000, 3), of mean 0 and deviation about 1."""
    s = torch.randn(2000, 3).double() * 5 + MEAN
    for _ in range(120):
        s = advance(s)
    s[1000:] += torch.randn(1000, 3).double()
    found = [s, advance(s), advance(advance(s))]
    return [(each - MEAN) / SCALE for each in found]


def train() -> None:
    torch.manual_seed(0)
    gru, out = nn.GRU(3, HIDDEN).double(), nn.Linear(HIDDEN, 3).double()
    first, *following = points()
    hidden = torch.tanh(torch.randn(1, len(first), HIDDEN).double())
    parameters = [*gru.parameters(), *out.parameters()]
    optimizer = torch.optim.LBFGS(parameters, max_iter=800, history_size=30, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-12, tolerance_change=1e-14)  # fmt: skip

    def closure() -> Tensor:
        loss, y, h = torch.zeros(()), first, hidden
        for target in following:
            o, h = gru(y[None], h)
            y = out(o[0])
            loss = loss + (y - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        return loss

    optimizer.step(closure)
    print(f"root mean square error {float((closure() / 2) ** 0.5):.4f}")
    weights = {name: value.float().numpy() for name, value in gru.state_dict().items()}
    np.savez_compressed(FILE, **weights, weight=out.weight.detach().float(), bias=out.bias.detach().float())


if __name__ == "__main__":
    train()
