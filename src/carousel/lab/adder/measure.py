"""Adding two binary numbers: an MLP for N bits against a recurrent cell that learns the 8 one-bit cases.

The recurrent net is a cell of two lines. Its carry is its own hidden value, never rounded between bits; an interval
around each carry value that all 8 cases map into itself is the proof that it adds numbers of any length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from carousel.emit import formula
from carousel.equations import Cell, affine, sigmoid, trace
from carousel.lab.experiment import Budget, Progress
from carousel.nn import Recurrent
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import count, number, percent, power

LENGTHS = (1, 8, 64, 1_000, 10_000)
SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
HIDDEN = 8
LARGE = 0.2  # of all pairs is a large share
BY_HEART = 1e-3  # nats a bit: what was seen is known, and more steps change nothing


class Carry(Cell):
    """A hidden layer sees the input and the carry; the next carry sees the hidden layer."""

    states = ("h", "carry")

    def step(self, x, h, carry):  # type: ignore[no-untyped-def]  # symbols of the language of cells
        h = sigmoid(affine("h", x, carry))
        carry = sigmoid(affine("carry", h))
        return h, carry


@dataclass(frozen=True)
class Task:
    """One step of a sum or of a parity: all inputs with both carries, and what must come out."""

    inputs: torch.Tensor  # (cases, bits a step)
    carry: torch.Tensor  # (cases,)
    output: torch.Tensor
    next_carry: torch.Tensor


def adding() -> Task:
    """The 8 cases of one column of an addition."""
    a, b, carry = (torch.tensor([case >> k & 1 for case in range(8)]) for k in (2, 1, 0))
    total = a + b + carry
    return Task(torch.stack([a, b], dim=1), carry, total % 2, total // 2)


def parity() -> Task:
    """The 4 cases of one step of a running parity."""
    bit, carry = (torch.tensor([case >> k & 1 for case in range(4)]) for k in (1, 0))
    return Task(bit[:, None], carry, bit ^ carry, bit ^ carry)


class Machine(nn.Module):
    """The cell, and a read-out of its hidden layer: one logit for the bit that is written."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.cell = Recurrent(Carry, inputs, HIDDEN)
        self.read = nn.Linear(HIDDEN, 1)

    def forward(self, bits: torch.Tensor, carry: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """bits (T, B, inputs), carry (B, HIDDEN) -> logits of the output (T, B), carry (B, HIDDEN)."""
        start = torch.zeros(1, bits.shape[1], HIDDEN)
        output, (_, last) = self.cell(bits, (start, carry[None]))
        return self.read(output)[..., 0], last[0]


def run(budget: Budget, progress: Progress) -> Findings:
    """Train both, test both beyond what they saw, prove the recurrent one."""
    progress(0.0, "the recurrent net, from 8 cases")
    machine, maps, steps = learn(adding())
    box = invariant_box(machine, adding())
    wrong = {length: wrong_sums(machine, length) for length in LENGTHS}
    progress(0.2, "parity, from 4 cases")
    counter, _, parity_steps = learn(parity())
    parity_box = invariant_box(counter, parity())
    odd = {length: wrong_parities(counter, length) for length in LENGTHS}
    bits = budget.choose((3, 4), (3, 4, 5, 6), (3, 4, 5, 6, 7))
    most = budget.choose(600, 3_000)
    accuracy: dict[int, list[float]] = {}
    for k, width in enumerate(bits):
        progress(0.3 + 0.5 * k / len(bits), f"an MLP for {width} bits")
        accuracy[width] = [mlp_accuracy(*_pairs(width), share, most) for share in SHARES]
    guessed: dict[int, list[float]] = {}
    for width in budget.choose((4, 6), (6, 8, 10)):
        progress(0.8, f"an MLP for the parity of {width} bits")
        guessed[width] = [mlp_accuracy(*_patterns(width), share, most) for share in SHARES]
    progress(0.95, "an MLP and one bit more")
    beyond = mlp_beyond(bits[-1], most)
    numbers: dict[str, float | Sequence[float]] = {
        "shares": SHARES,
        "training steps": float(steps),
        "parity training steps": float(parity_steps),
        "box radius": box,
        "parity box radius": parity_box,
        "sums wrong by length": [float(wrong[length]) for length in LENGTHS],
        "parities wrong by length": [float(odd[length]) for length in LENGTHS],
        "MLP beyond its bits": beyond,
    }
    numbers |= {f"MLP {width} bits": accuracy[width] for width in bits}
    numbers |= {f"MLP parity of {width} bits": right for width, right in guessed.items()}
    sections = [
        _mlp_section(accuracy),
        _machine_section(maps),
        _length_section(wrong, odd),
        _proof_section((machine, adding(), box), (counter, parity(), parity_box)),
        _parity_section(guessed),
    ]
    equations = {"The cell": formula.text(trace(Carry()))}
    claims = _claims(accuracy, beyond, wrong, odd, box, parity_box, guessed)
    return Findings(claims, sections, numbers, equations, cover=1)


# ---- the recurrent net ----


def learn(task: Task, most: int = 5_000) -> tuple[Machine, list[tuple[int, torch.Tensor]], int]:
    """Train a machine on the cases of one step alone: (machine, its carry maps on the way, steps taken).

    It stops when every case is right, with room, on a whole interval around each carry value.
    """
    torch.manual_seed(3)
    machine = Machine(task.inputs.shape[1])
    optimizer = torch.optim.Adam(machine.parameters(), lr=0.02, fused=True)
    bits, carry = task.inputs[None].float(), task.carry[:, None].float().expand(-1, HIDDEN)
    maps = []
    for step in range(most + 1):
        if step % 50 == 0:
            maps.append((step, carry_map(machine, task)))
            if invariant_box(machine, task) >= 0.1:
                break
        written, carried = machine(bits, carry)
        wanted = task.next_carry[:, None].float().expand(-1, HIDDEN)
        loss = F.binary_cross_entropy_with_logits(written[0], task.output.float())
        loss = loss + F.binary_cross_entropy(carried.clamp(1e-7, 1 - 1e-7), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return machine, maps, step


def carry_map(machine: Machine, task: Task, points: int = 41) -> torch.Tensor:
    """The mean carry that comes out, (cases, points), by a carry that goes in, from 0 to 1 in all its units."""
    values = torch.linspace(0, 1, points)
    cases = len(task.inputs)
    bits = task.inputs.float().repeat_interleave(points, dim=0)[None]
    with torch.no_grad():
        _, carried = machine(bits, values.repeat(cases)[:, None].expand(-1, HIDDEN))
    return carried.mean(dim=1).reshape(cases, points)


def invariant_box(machine: Machine, task: Task) -> float:
    """The largest radius r of those tried such that carries within r of 0 or 1 stay so, and every bit is right.

    Interval arithmetic in float64 over all cases: centre plus or minus |W| times the radius bounds each product, and
    the sigmoid is monotone. 0 if no radius will do. By induction over the bits the machine is then right for numbers
    of any length, up to the rounding of float arithmetic, which the room between the image and the box covers.
    """
    for radius in (0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001):
        if _stays(machine, task, radius):
            return radius
    return 0.0


def _stays(machine: Machine, task: Task, radius: float) -> bool:
    """Every carry that can come out is in the box of the right value, with room, and every bit is right."""
    low, high, margin = box_images(machine, task, radius)
    room = 0.01 * radius  # far above float32 rounding, which is about 1e-7
    wanted = task.next_carry[:, None].double()
    kept = (low >= wanted - radius + room) & (high <= wanted + radius - room)
    return bool(kept.all()) and bool((margin > 0.01).all())


def box_images(
    machine: Machine, task: Task, radius: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What each case makes of all carries within `radius` of 0 or 1: bounds of the carries, margin of the bit.

    Lowest and highest carry that can come out, (cases, HIDDEN) each, and the least logit for the right bit, (cases,).
    """
    weights = {name: value.detach().double() for name, value in machine.cell.named_parameters()}
    centre = task.carry[:, None].double().expand(-1, HIDDEN)
    low, high = (centre - radius).clamp(0, 1), (centre + radius).clamp(0, 1)
    bias = weights["bias_hh_l0"].clone()  # the carry sees no input: it has no bias_ih
    bias[:HIDDEN] += weights["bias_ih_l0"]
    driven = task.inputs.double() @ weights["weight_ih_l0"].T + bias[:HIDDEN]
    z, spread = _product((low + high) / 2, (high - low) / 2, weights["weight_carryh_l0"])  # from the carry
    low, high = torch.sigmoid(driven + z - spread), torch.sigmoid(driven + z + spread)
    middle, half = (low + high) / 2, (high - low) / 2
    z, spread = _product(middle, half, weights["weight_hh_l0"])  # from the hidden layer
    z = z + bias[HIDDEN:]
    read, offset = machine.read.weight.detach().double(), machine.read.bias.detach().double()
    written, doubt = (each[:, 0] for each in _product(middle, half, read))
    signed = torch.where(task.output == 1, written + offset, -written - offset)
    return torch.sigmoid(z - spread), torch.sigmoid(z + spread), signed - doubt


def _product(
    middle: torch.Tensor, half: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre and radius of W v for all v within `half` of `middle`."""
    return middle @ weight.T, half @ weight.abs().T


def wrong_sums(machine: Machine, length: int) -> int:
    """Bits that are wrong in random sums of two numbers of `length` bits (100,000 bits in all, at least 10 sums)."""
    sums = max(10, 100_000 // length)
    bits = torch.randint(2, (length, sums, 2), generator=torch.Generator().manual_seed(length))
    bits = torch.cat([bits, torch.zeros(1, sums, 2, dtype=torch.long)])  # one place more, for the last carry
    wanted, carry = torch.empty(length + 1, sums, dtype=torch.long), torch.zeros(sums, dtype=torch.long)
    for place in range(length + 1):
        total = bits[place].sum(dim=1) + carry
        wanted[place], carry = total % 2, total // 2
    return _wrong(machine, bits, wanted)


def wrong_parities(machine: Machine, length: int) -> int:
    """Steps at which the running parity of random bits is wrong (100,000 bits in all, at least 10 sequences)."""
    sequences = max(10, 100_000 // length)
    bits = torch.randint(2, (length, sequences, 1), generator=torch.Generator().manual_seed(length))
    return _wrong(machine, bits, bits[:, :, 0].cumsum(dim=0) % 2)


def _wrong(machine: Machine, bits: torch.Tensor, wanted: torch.Tensor) -> int:
    with torch.no_grad():
        written, _ = machine(bits.float(), torch.zeros(bits.shape[1], HIDDEN))
    return int(((written > 0).long() != wanted).sum())


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


def _fit(inputs: torch.Tensor, sums: torch.Tensor, steps: int) -> nn.Module:
    """An MLP of two hidden layers, trained on these pairs until it has them by heart, at most for so many steps."""
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Linear(inputs.shape[1], 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, sums.shape[1]),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, fused=True)
    smooth = 1.0  # the loss, averaged over about 50 steps
    for _ in range(steps):
        chosen = torch.randint(len(inputs), (min(len(inputs), 256),))
        loss = F.binary_cross_entropy_with_logits(model(inputs[chosen]), sums[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smooth += 0.02 * (float(loss.detach()) - smooth)
        if smooth < BY_HEART:
            break
    return model


def _right(model: nn.Module, inputs: torch.Tensor, sums: torch.Tensor) -> float:
    """The share of pairs of which every bit of the sum is right."""
    with torch.no_grad():
        return float(((model(inputs) > 0).float() == sums).all(dim=1).float().mean())


def mlp_accuracy(inputs: torch.Tensor, sums: torch.Tensor, share: float, steps: int) -> float:
    """Accuracy on the rows not seen of an MLP trained on this share of all rows."""
    seen = max(1, round(share * len(inputs)))
    splits = max(1, min(8, 100 // (len(inputs) - seen)))  # where few pairs are left to test on, several times
    right = []
    for split in range(splits):
        order = torch.randperm(
            len(inputs), generator=torch.Generator().manual_seed(100 * inputs.shape[1] + split)
        )
        model = _fit(inputs[order[:seen]], sums[order[:seen]], steps)
        right.append(_right(model, inputs[order[seen:]], sums[order[seen:]]))
    return sum(right) / splits


def mlp_beyond(width: int, steps: int) -> float:
    """Accuracy on numbers of one bit more, of an MLP with room for it, trained on all pairs of `width` bits."""
    inputs, sums = _pairs(width + 1)
    small = (inputs[:, width] == 0) & (inputs[:, 2 * width + 1] == 0)
    model = _fit(inputs[small], sums[small], steps)
    return _right(model, inputs[~small], sums[~small])


# ---- what the page says ----


def _claims(
    accuracy: dict[int, list[float]],
    beyond: float,
    wrong: dict[int, int],
    odd: dict[int, int],
    box: float,
    parity_box: float,
    guessed: dict[int, list[float]],
) -> list[Claim]:
    widest = max(accuracy)
    longest, half = max(guessed), SHARES.index(0.4)
    needed = {width: _enough(right) for width, right in accuracy.items()}
    words = ", ".join(
        f"{percent(share)} of {count(4**width)} pairs for {width} bits"
        if share
        else f"more than {percent(SHARES[-1])} of {count(4**width)} pairs for {width} bits"
        for width, share in needed.items()
    )
    tested = f"{count(LENGTHS[-1])} bits"
    errors, parities = sum(wrong.values()), sum(odd.values())
    large = [width for width, share in needed.items() if (share or 1.0) >= LARGE]
    condition = f"N is {' or '.join(map(str, large))}. " if 0 < len(large) < len(needed) else ""
    return [
        Claim(
            "An MLP needs a large number of training instances, of all 2^N × 2^N.",
            Verdict.of(len(large), len(needed)),
            f"{condition}To have 99 % of the sums right that it has not seen it needed {words}. With "
            f"{percent(SHARES[0])} of the pairs of {widest} bits it has {percent(accuracy[widest][0])} "
            "right. As N grows, the share that is needed may fall, but the number of pairs rises.",
        ),
        Claim(
            "An MLP does not work for numbers of N + 1 bits.",
            Verdict.HOLDS if beyond < 0.05 else Verdict.FAILS,
            f"It has no input for them. Given one, and all pairs of {widest} bits to learn from, it has "
            f"{percent(beyond)} of the longer sums right.",
        ),
        Claim(
            "A recurrent net needs 2 × 2 × 2 cases and adds numbers of any size.",
            Verdict.HOLDS if errors == 0 and box > 0 else Verdict.FAILS,
            f"Trained on the 8 cases of one column, it made {count(errors)} errors in sums of 1 to {tested}, the "
            f"carry never rounded. {_proved(box, 8)}",
        ),
        Claim(
            "Parity in the same way.",
            Verdict.HOLDS if parities == 0 and parity_box > 0 else Verdict.FAILS,
            f"Trained on 4 cases, it made {count(parities)} errors up to {tested}. {_proved(parity_box, 4)} An MLP "
            f"that has seen {percent(SHARES[half])} of all patterns of {longest} bits has "
            f"{percent(guessed[longest][half])} of the others right, where a guess has 50.",
        ),
    ]


def _proved(box: float, cases: int) -> str:
    if not box:
        return "For any length there is no proof: no interval was found that maps into itself."
    return f"For any length: carries within {box:g} of 0 or 1 stay there in all {cases} cases, by interval arithmetic."


def _enough(right: list[float]) -> float | None:
    """The smallest share from which on more than 99 % of the unseen sums are right."""
    return next((share for k, share in enumerate(SHARES) if min(right[k:]) > 0.99), None)


def _mlp_section(accuracy: dict[int, list[float]]) -> Section:
    lines = [
        Line(f"{width} bits", SHARES, right, f"s{k + 1}", dots=True)
        for k, (width, right) in enumerate(accuracy.items())
    ]
    chart = Chart(
        "Sums an MLP gets right",
        "Accuracy on pairs it has not seen, by the share of pairs it was trained on",
        "share of all pairs seen",
        "share of unseen sums right",
        lines,
        y_range=(0.0, 1.03),
    )
    words = "Two hidden layers of 128 units, all bits of the sum at once. A sum counts as right when every bit is."
    return Section(
        "The MLP: a large share of all pairs", words, [Figure(chart, "Each width is its own network.")]
    )


def _machine_section(maps: list[tuple[int, torch.Tensor]]) -> Section:
    cases = [f"{case >> 2 & 1}+{case >> 1 & 1}" for case in range(8)]
    drawings = []
    for step, carried in maps:
        values = torch.linspace(0, 1, carried.shape[1]).tolist()
        # the two carries of one pair of bits are the two ends of one curve: four curves
        lines = [
            Line(cases[case], values, carried[case].tolist(), f"s{case // 2 + 1}") for case in (0, 2, 4, 6)
        ]
        drawings.append(
            Chart(
                f"Carry out by carry in, after {step} steps of training",
                "One curve for each pair of bits",
                "carry that goes in",
                "carry that comes out",
                lines,
                y_range=(-0.03, 1.03),
                height=260,
            )
        )
    slider = Slider(
        "training",
        [f"{step} steps" for step, _ in maps],
        drawings,
        "What comes out for 0+0 and 1+1 forgets the old carry; 0+1 and 1+0 hand it on, steeper than it came: values "
        "near 0 and 1 are pulled back to 0 and 1, which is why nothing has to be rounded.",
        start=len(maps) - 1,
    )
    words = (
        "The hidden layer sees two bits and the carry; the next carry and the bit that is written see the hidden "
        "layer. Only the eight cases of a single column were trained on."
    )
    return Section("The recurrent net: how it learns to carry", words, [slider])


def _length_section(wrong: dict[int, int], odd: dict[int, int]) -> Section:
    rows = [
        [f"{count(length)} bit{'s' if length > 1 else ''}", count(wrong[length]), count(odd[length])]
        for length in LENGTHS
    ]
    table = Table(
        ["length", "wrong bits, sums", "wrong bits, parity"], rows, "Of at least 100,000 random bits each."
    )
    return Section("Longer and longer", "The same weights, run over longer numbers.", [table])


Proof = tuple[Machine, Task, float]  # a machine, the cases that it must get right, the radius of the box


def _proof_section(sums: Proof, parities: Proof) -> Section:
    box, parity_box = sums[2], parities[2]
    if not (box and parity_box):
        return Section(
            "Why any length", "No interval was found that all cases map into itself: nothing is proved."
        )
    words = (
        f"Take any carry within {number(box, 3)} of 0 (or of 1), unit by unit. Interval arithmetic over the weights "
        "bounds what each of the 8 cases can make of it: the carry that comes out is again within that distance of "
        "the right value, with room for rounding, and the written bit is right on the whole interval. The first "
        "carry is 0. So by induction every bit of every sum is right, for numbers of any length. For parity the "
        f"same holds with {number(parity_box, 3)}. Float32 rounds by about {power(1e-7)}, far less than the room."
    )
    caption = (
        "Bounds over all carries of the box, of all units of the carry; the last column is the least logit in favour "
        "of the right bit: positive is right."
    )
    head = ["bits + carry", "carry that goes in", "carry that comes out", "bit", "least logit"]
    rows = [*_box_rows(*sums), *[[f"parity of {row[0]}", *row[1:]] for row in _box_rows(*parities)]]
    return Section("Why any length", words, [Table(head, rows, caption)])


def _box_rows(machine: Machine, task: Task, radius: float) -> list[list[str]]:
    low, high, margin = box_images(machine, task, radius)
    rows = []
    for case, carry in enumerate(task.carry.tolist()):
        bits = " + ".join(f"{bit:.0f}" for bit in [*task.inputs[case].tolist(), carry])
        before = (max(carry - radius, 0), min(carry + radius, 1))
        after = float(low[case].min()), float(high[case].max())
        spans = [f"{number(a, 3)} to {number(b, 3)}" for a, b in (before, after)]
        rows.append([bits, *spans, str(int(task.output[case])), number(float(margin[case]), 2)])
    return rows


def _parity_section(guessed: dict[int, list[float]]) -> Section:
    lines = [
        Line(f"{width} bits", SHARES, right, f"s{k + 1}", dots=True)
        for k, (width, right) in enumerate(guessed.items())
    ]
    chart = Chart(
        "Parities an MLP gets right",
        "Accuracy on patterns it has not seen, by the share of patterns it was trained on",
        "share of all patterns seen",
        "share of unseen parities right",
        lines,
        levels=[("a guess", 0.5)],
        y_range=(0.0, 1.03),
    )
    words = (
        "One bit more or less changes every parity, so patterns near each other say nothing of each other: an MLP that "
        "sees all bits at once has to learn them by heart. The recurrent net of four cases has no such trouble."
    )
    return Section("Parity, the MLP's worst case", words, [Figure(chart, "The same MLP as for sums.")])
