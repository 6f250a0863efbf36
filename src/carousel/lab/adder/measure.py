"""Binary sums and parities, by MLPs and by a recurrent network that is trained on the cases of one column.

The cell of the recurrent network has two lines. Its carry is a hidden value that is never rounded between bits. If
all cases map an interval around each carry value into itself, the network is right for numbers of any length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import nn
from torch.nn import functional as F

from carousel.equations import Cell, affine, sigmoid
from carousel.lab.experiment import Budget
from carousel.lab.training import updates
from carousel.nn import Recurrent
from carousel.progress import Observer, Progress

LENGTHS = (1, 8, 64, 1_000, 10_000)
SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
HIDDEN = 8
MEMORISED = 1e-3  # nats a bit: below it more steps change nothing


class CarryCell(Cell):
    """The hidden layer reads the input and the carry; the next carry reads the hidden layer."""

    states = ("h", "carry")

    def step(self, x, h, carry):  # type: ignore[no-untyped-def]  # symbols of the language of cells
        h = sigmoid(affine("h", x, carry))
        carry = sigmoid(affine("carry", h))
        return h, carry


@dataclass(frozen=True)
class TruthTable:
    """One step of a sum or of a parity: every input with either carry, the output and the next carry.

    The row of a case is the number whose binary digits are the inputs, then the carry.
    """

    inputs: torch.Tensor  # (cases, bits a step)
    carry: torch.Tensor  # (cases,)
    output: torch.Tensor
    next_carry: torch.Tensor


def sum_table() -> TruthTable:
    """The 8 cases of one column of an addition."""
    a, b, carry = (torch.tensor([case >> k & 1 for case in range(8)]) for k in (2, 1, 0))
    total = a + b + carry
    return TruthTable(torch.stack([a, b], dim=1), carry, total % 2, total // 2)


def parity_table() -> TruthTable:
    """The 4 cases of one step of a running parity."""
    bit, carry = (torch.tensor([case >> k & 1 for case in range(4)]) for k in (1, 0))
    return TruthTable(bit[:, None], carry, bit ^ carry, bit ^ carry)


class CarryNetwork(nn.Module):
    """The cell, and a read-out of its hidden layer: one logit for the output bit."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.cell = Recurrent(CarryCell, inputs, HIDDEN)
        self.read = nn.Linear(HIDDEN, 1)

    def forward(self, bits: torch.Tensor, carry: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """bits (T, B, inputs), carry (B, HIDDEN) -> logits of the output (T, B), carry (B, HIDDEN)."""
        start = torch.zeros(1, bits.shape[1], HIDDEN)
        output, (_, last) = self.cell(bits, (start, carry[None]))
        return self.read(output)[..., 0], last[0]


@dataclass(frozen=True)
class Trained:
    """A network that was trained on a truth table, and what it makes of longer numbers."""

    table: TruthTable = field(repr=False)
    network: CarryNetwork = field(repr=False)
    carry_maps: list[tuple[int, torch.Tensor]] = field(repr=False)  # training steps, carry out by carry in
    steps: int
    box: float  # radius of the invariant box; 0 if none was found
    wrong: dict[int, int]  # wrong bits by length


@dataclass(frozen=True)
class Accuracy:
    """The share of rows on which every bit is right, of the rows that an MLP was trained on and of the others."""

    seen: float
    unseen: float


@dataclass(frozen=True)
class Measurements:
    """Both recurrent networks, and the accuracies of MLPs by number of bits, one for each of SHARES."""

    sums: Trained
    parities: Trained
    mlp_sums: dict[int, list[Accuracy]]
    mlp_parities: dict[int, list[Accuracy]]
    longer: Accuracy  # unseen: sums of one bit more
    shares: tuple[float, ...] = SHARES


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Train both kinds of network, test both beyond what they saw, and look for the proof of the recurrent one."""
    on_progress(Progress("the recurrent network for sums, from 8 cases", 0.0))
    sums = trained(sum_table())
    on_progress(Progress("the recurrent network for parity, from 4 cases", 0.2))
    parities = trained(parity_table())
    steps = budget.choose(600, 3_000)
    widths = {
        "sums": budget.choose((3, 4), (3, 4, 5, 6), (3, 4, 5, 6, 7)),
        "parities": budget.choose((4, 6), (6, 8, 10)),
    }
    found: dict[str, dict[int, list[Accuracy]]] = {what: {} for what in widths}
    for what, rows in (("sums", _pairs), ("parities", _patterns)):
        for width in widths[what]:
            on_progress(Progress(f"an MLP for {what} of {width} bits", 0.3 if what == "sums" else 0.8))
            found[what][width] = [mlp_accuracy(*rows(width), share, steps) for share in SHARES]
    on_progress(Progress("an MLP for sums of one bit more", 0.95))
    longer = mlp_longer(max(found["sums"]), steps)
    return Measurements(sums, parities, found["sums"], found["parities"], longer)


# ---- the recurrent net ----


def trained(table: TruthTable) -> Trained:
    """Train on the truth table of one step, then count wrong bits over every length."""
    network, carry_maps, steps = learn(table)
    wrong = {length: wrong_bits(network, table, length) for length in LENGTHS}
    return Trained(table, network, carry_maps, steps, invariant_box(network, table), wrong)


def learn(table: TruthTable, most: int = 5_000) -> tuple[CarryNetwork, list[tuple[int, torch.Tensor]], int]:
    """Train on the cases of one step alone: (network, its carry maps during training, steps taken).

    Training stops when every case is right, with room, on a whole interval around each carry value.
    """
    torch.manual_seed(3)
    network = CarryNetwork(table.inputs.shape[1])
    bits, carry = table.inputs[None].float(), table.carry[:, None].float().expand(-1, HIDDEN)
    target = table.next_carry[:, None].float().expand(-1, HIDDEN)

    def loss() -> torch.Tensor:
        logits, carried = network(bits, carry)
        of_output = F.binary_cross_entropy_with_logits(logits[0], table.output.float())
        return of_output + F.binary_cross_entropy(carried.clamp(1e-7, 1 - 1e-7), target)

    training = updates([network], loss, 0.02)
    maps = []
    for step in range(most + 1):
        if step % 50 == 0:
            maps.append((step, carry_map(network, table)))
            if invariant_box(network, table) >= 0.1:
                break
        next(training)
    return network, maps, step


def carry_map(network: CarryNetwork, table: TruthTable, points: int = 41) -> torch.Tensor:
    """The mean next carry (cases, points), by a carry from 0 to 1 that is the same in all units."""
    values = torch.linspace(0, 1, points)
    cases = len(table.inputs)
    bits = table.inputs.float().repeat_interleave(points, dim=0)[None]
    with torch.no_grad():
        _, carried = network(bits, values.repeat(cases)[:, None].expand(-1, HIDDEN))
    return carried.mean(dim=1).reshape(cases, points)


def invariant_box(network: CarryNetwork, table: TruthTable) -> float:
    """The largest tried radius r such that carries within r of 0 or 1 stay within r, and every bit is right.

    Interval arithmetic in float64 over all cases: centre plus or minus |W| times the radius bounds each product, and
    the sigmoid is monotone. The result is 0 if no radius will do. By induction over the bits, the network is then right
    for numbers of any length. The room between the image and the box covers the rounding of float arithmetic.
    """
    tried = (0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
    return next((radius for radius in tried if _is_invariant(network, table, radius)), 0.0)


def _is_invariant(network: CarryNetwork, table: TruthTable, radius: float) -> bool:
    """Is every possible next carry in the box of the right value, with room, and every bit right?"""
    low, high, margin = image_bounds(network, table, radius)
    room = 0.01 * radius  # far above float32 rounding, which is about 1e-7
    wanted = table.next_carry[:, None].double()
    kept = (low >= wanted - radius + room) & (high <= wanted + radius - room)
    return bool(kept.all()) and bool((margin > 0.01).all())


def image_bounds(
    network: CarryNetwork, table: TruthTable, radius: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The image of all carries within `radius` of 0 or 1, by case.

    Returns the lowest and the highest next carry, (cases, HIDDEN) each, and the least logit in favour of the right
    bit, (cases,).
    """
    weights = {name: value.detach().double() for name, value in network.cell.named_parameters()}
    centre = table.carry[:, None].double().expand(-1, HIDDEN)
    low, high = (centre - radius).clamp(0, 1), (centre + radius).clamp(0, 1)
    bias = weights["bias_hh_l0"].clone()  # the carry sees no input: it has no bias_ih
    bias[:HIDDEN] += weights["bias_ih_l0"]
    driven = table.inputs.double() @ weights["weight_ih_l0"].T + bias[:HIDDEN]
    z, spread = _product((low + high) / 2, (high - low) / 2, weights["weight_carryh_l0"])  # from the carry
    low, high = torch.sigmoid(driven + z - spread), torch.sigmoid(driven + z + spread)
    middle, half = (low + high) / 2, (high - low) / 2
    z, spread = _product(middle, half, weights["weight_hh_l0"])  # from the hidden layer
    z = z + bias[HIDDEN:]
    read, offset = network.read.weight.detach().double(), network.read.bias.detach().double()
    written, doubt = (each[:, 0] for each in _product(middle, half, read))
    signed = torch.where(table.output == 1, written + offset, -written - offset)
    return torch.sigmoid(z - spread), torch.sigmoid(z + spread), signed - doubt


def _product(
    middle: torch.Tensor, half: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre and radius of W v for all v within `half` of `middle`."""
    return middle @ weight.T, half @ weight.abs().T


def wrong_bits(network: CarryNetwork, table: TruthTable, length: int) -> int:
    """Output bits that are wrong for random inputs of so many steps: 100,000 in all, of at least 10 sequences.

    A step of zeros follows, which writes the last carry of a sum.
    """
    sequences, width = max(10, 100_000 // length), table.inputs.shape[1]
    bits = torch.randint(2, (length, sequences, width), generator=torch.Generator().manual_seed(length))
    bits = torch.cat([bits, torch.zeros(1, sequences, width, dtype=torch.long)])
    carry, wanted = torch.zeros(sequences, dtype=torch.long), []
    for case in (bits << torch.arange(width, 0, -1)).sum(dim=2):
        wanted.append(table.output[case + carry])
        carry = table.next_carry[case + carry]
    with torch.no_grad():
        written, _ = network(bits.float(), torch.zeros(sequences, HIDDEN))
    return int(((written > 0).long() != torch.stack(wanted)).sum())


# ---- the MLP ----


def _pairs(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs of `width`-bit numbers (4^width, 2 width) and their sums (4^width, width + 1), lowest bit first."""
    numbers = torch.arange(2**width)
    a, b = (each.flatten() for each in torch.meshgrid(numbers, numbers, indexing="ij"))
    return torch.cat([_bits(a, width), _bits(b, width)], dim=1), _bits(a + b, width + 1)


def _patterns(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All patterns of `width` bits (2^width, width) and their parity (2^width, 1)."""
    inputs = _bits(torch.arange(2**width), width)
    return inputs, inputs.sum(dim=1, keepdim=True) % 2


def _bits(values: torch.Tensor, width: int) -> torch.Tensor:
    return (values[:, None] >> torch.arange(width) & 1).float()


def _fit(inputs: torch.Tensor, targets: torch.Tensor, steps: int) -> nn.Module:
    """An MLP of two hidden layers, trained until it has memorised these rows, at most for so many steps."""
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Linear(inputs.shape[1], 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, targets.shape[1]),
    )

    def loss() -> torch.Tensor:
        chosen = torch.randint(len(inputs), (min(len(inputs), 256),))
        return F.binary_cross_entropy_with_logits(model(inputs[chosen]), targets[chosen])

    mean = 1.0  # of the loss over about 50 steps
    for value in islice(updates([model], loss, 3e-3), steps):
        mean += 0.02 * (value - mean)
        if mean < MEMORISED:
            break
    return model


def _right(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    """The share of rows of which every bit is right."""
    with torch.no_grad():
        return float(((model(inputs) > 0).float() == targets).all(dim=1).float().mean())


def mlp_accuracy(inputs: torch.Tensor, targets: torch.Tensor, share: float, steps: int) -> Accuracy:
    """Accuracy of an MLP that was trained on this share of all rows."""
    count = max(1, round(share * len(inputs)))
    splits = max(1, min(8, 100 // (len(inputs) - count)))  # several where few rows are left to test on
    found = []
    for split in range(splits):
        generator = torch.Generator().manual_seed(100 * inputs.shape[1] + split)
        seen, unseen = torch.randperm(len(inputs), generator=generator).tensor_split([count])
        found.append(_accuracy(inputs, targets, seen, unseen, steps))
    return Accuracy(min(each.seen for each in found), sum(each.unseen for each in found) / splits)


def mlp_longer(width: int, steps: int) -> Accuracy:
    """Accuracy on numbers of one bit more, of an MLP with inputs for them, trained on all pairs of `width` bits."""
    inputs, targets = _pairs(width + 1)
    small = (inputs[:, width] == 0) & (inputs[:, 2 * width + 1] == 0)
    return _accuracy(inputs, targets, small, ~small, steps)


def _accuracy(
    inputs: torch.Tensor, targets: torch.Tensor, seen: torch.Tensor, unseen: torch.Tensor, steps: int
) -> Accuracy:
    model = _fit(inputs[seen], targets[seen], steps)
    return Accuracy(*(_right(model, inputs[rows], targets[rows]) for rows in (seen, unseen)))
