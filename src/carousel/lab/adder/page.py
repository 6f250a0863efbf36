"""What the page on binary sums says."""

from __future__ import annotations

import torch

from carousel.emit import formula
from carousel.equations import trace
from carousel.lab.adder.measure import (
    HIDDEN,
    LENGTHS,
    SHARES,
    Accuracy,
    CarryCell,
    CarryNetwork,
    Measurements,
    Trained,
    image_bounds,
)
from carousel.lab.diagrams import cell, unrolled
from carousel.lab.figures import chart
from carousel.report.charts import Chart
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table
from carousel.report.number_format import count, number, percent, power

LARGE = 0.2  # of all pairs is a large share
LEARNED = 0.99  # share of rows that are right


def findings(found: Measurements) -> Findings:
    """The claims about MLPs and recurrent networks, and the figures behind them."""
    sections = [
        _worked_section(found.sums.network),
        _sums_section(found.mlp_sums),
        _training_section(found.sums),
        _length_section(found),
        _proof_section(found),
        _parity_section(found.mlp_parities),
    ]
    claims = [
        _instances_claim(found.mlp_sums),
        _longer_claim(found),
        _sums_claim(found.sums),
        _parity_claim(found),
    ]
    return Findings(claims, sections, {"The cell": formula.text(trace(CarryCell()))})


def _instances_claim(sums: dict[int, list[Accuracy]]) -> Claim:
    cases = {width: _needs_many(accuracies) for width, accuracies in sums.items()}
    shares = {width: _needed_share(accuracies) for width, accuracies in sums.items()}
    widest = max(sums)
    return Claim.judged(
        "An MLP needs a large number of training instances, out of 2ᴺ × 2ᴺ.",
        cases.values(),
        {
            f"share of the {count(4**width)} pairs of {width} bits that it needs": (
                percent(share) if share else f"more than {percent(SHARES[-1])}"
            )
            for width, share in shares.items()
        }
        | {
            f"unseen sums of {widest} bits after training on {percent(SHARES[0])} of the pairs": percent(
                sums[widest][0].unseen
            )
        },
        "It needs the share from which on it computes 99 % of the unseen sums. As N grows, this share may fall, but "
        "the number of pairs rises.",
        f"N is {' or '.join(str(width) for width, many in cases.items() if many)}",
    )


def _needed_share(accuracies: list[Accuracy]) -> float | None:
    """The smallest share from which on more than 99 % of the unseen sums are right."""
    return next(
        (share for k, share in enumerate(SHARES) if min(a.unseen for a in accuracies[k:]) > LEARNED), None
    )


def _needs_many(accuracies: list[Accuracy]) -> bool | None:
    """Does an MLP need a large share? None if it did not learn the pairs of a small share before training ended."""
    if (_needed_share(accuracies) or 1.0) < LARGE:
        return False
    small = [accuracy for share, accuracy in zip(SHARES, accuracies, strict=True) if share < LARGE]
    return True if min(accuracy.seen for accuracy in small) >= LEARNED else None


def _longer_claim(found: Measurements) -> Claim:
    longer, widest = found.longer, max(found.mlp_sums)
    return Claim.judged(
        "An MLP does not work for numbers of N + 1 bits.",
        [longer.unseen < 0.05 if longer.seen >= LEARNED else None],
        {
            f"sums of {widest} bits, of which it was trained on all": percent(longer.seen),
            f"sums of {widest + 1} bits": percent(longer.unseen),
        },
        "The usual MLP has no inputs for the additional bits. The MLP that is measured here has them.",
    )


def _sums_claim(sums: Trained) -> Claim:
    return Claim.judged(
        "A recurrent network needs 2 × 2 × 2 cases and adds numbers of any length.",
        [_is_right(sums)],
        _errors(sums),
        f"The carry is never rounded. {_proof(sums)}",
    )


def _parity_claim(found: Measurements) -> Claim:
    widest, k = max(found.mlp_parities), SHARES.index(0.4)
    seen = f"an MLP that was trained on {percent(SHARES[k])} of the patterns of {widest} bits, on the others"
    return Claim.judged(
        "A recurrent network computes parity in the same way.",
        [_is_right(found.parities)],
        _errors(found.parities) | {seen: percent(found.mlp_parities[widest][k].unseen)},
        f"Guessing has 50 %. {_proof(found.parities)}",
    )


def _is_right(network: Trained) -> bool | None:
    """Is every bit of every length right? None if training ended before the invariant box was found."""
    return not any(network.wrong.values()) if network.box else None


def _errors(network: Trained) -> dict[str, str]:
    return {
        "cases in the training set": count(len(network.table.carry)),
        f"errors in numbers of 1 to {count(LENGTHS[-1])} bits": count(sum(network.wrong.values())),
    }


def _proof(network: Trained) -> str:
    if not network.box:
        return "Nothing is proved for other lengths: no interval was found that all cases map into itself."
    return (
        f"All cases map carries within {network.box:g} of their value into the same interval, by interval arithmetic. "
        "This proves the result for any length."
    )


def _mlp_chart(title: str, what: str, found: dict[int, list[Accuracy]]) -> Chart:
    return chart(
        title,
        (f"share of all {what} in the training set", f"share of unseen {what} computed rightly"),
        SHARES,
        {f"{width} bits": [a.unseen for a in accuracies] for width, accuracies in found.items()},
        dots=True,
        y_range=(0.0, 1.03),
    )


def _worked_section(network: CarryNetwork, a: int = 11, b: int = 6, width: int = 5) -> Section:
    bits = torch.tensor([[[a >> k & 1, b >> k & 1]] for k in range(width)])
    written, carries, carry = [], ["0"], torch.zeros(1, HIDDEN)
    for step in bits:
        with torch.no_grad():
            logits, carry = network(step[None].float(), carry)
        written.append(f"bit {int(logits > 0)}")
        carries.append(number(float(carry.mean())))
    worked = unrolled(
        f"{a} + {b} = {a + b}, the lowest bit first",
        [f"{left} + {right}" for left, right in bits[:, 0].tolist()],
        ["cell"] * width,
        [[bit] for bit in written],
        [carries],
    )
    caption = (
        "Each step reads one bit of both numbers and the carry, and writes one bit of the sum. The numbers between the "
        "steps are the mean carry of the trained network, which is never rounded."
    )
    return Section(
        "A sum, worked by the network",
        "The hidden layer reads two bits and the carry. The output bit and the next carry read the hidden layer.",
        [
            Figure(worked, caption),
            Figure(
                cell(trace(CarryCell()), "The cell"),
                "Drawn from the equations. A line is a product with weights.",
            ),
        ],
    )


def _sums_section(sums: dict[int, list[Accuracy]]) -> Section:
    return Section(
        "The MLP needs a large share of all pairs",
        "The MLP has two hidden layers of 128 units and writes all bits of the sum at once. A sum counts as right if "
        "every bit is right.",
        [
            Figure(
                _mlp_chart("Sums that an MLP computes", "pairs", sums), "Every curve is a network of its own."
            )
        ],
    )


def _training_section(sums: Trained) -> Section:
    charts = {
        f"{step} steps": chart(
            f"Next carry by carry, after {step} steps of training",
            ("carry", "next carry"),
            torch.linspace(0, 1, carried.shape[1]).tolist(),
            {f"{case >> 2}+{case >> 1 & 1}": carried[case].tolist() for case in (0, 2, 4, 6)},
            y_range=(-0.03, 1.03),
            height=260,
        )
        for step, carried in sums.carry_maps
    }
    caption = (
        "For 0+0 and 1+1 the next carry does not depend on the carry. For 0+1 and 1+0 the curve is steep in the "
        "middle, so that values near 0 or 1 come nearer to 0 or 1. This is why nothing has to be rounded."
    )
    return Section(
        "How the recurrent network learns to carry",
        "The network was trained on the eight cases of one column.",
        [Slider("training", charts, caption, list(charts)[-1])],
    )


def _length_section(found: Measurements) -> Section:
    rows = [
        [f"{count(length)} bits", *(count(each.wrong[length]) for each in (found.sums, found.parities))]
        for length in LENGTHS
    ]
    table = Table(
        ["length", "wrong bits of sums", "wrong bits of parities"],
        rows,
        "Each row counts at least 100,000 random bits.",
    )
    return Section("Longer numbers", "The same weights run over longer numbers.", [table])


def _proof_section(found: Measurements) -> Section:
    sums, parities = found.sums, found.parities
    if not (sums.box and parities.box):
        return Section(
            "Why the length does not matter",
            "Nothing is proved, since no interval was found that all cases map into itself.",
        )
    text = (
        f"Take any carry whose units lie within {number(sums.box, 3)} of 0, or of 1. Interval arithmetic over the "
        "weights bounds the next carry for each of the 8 cases. The next carry lies within the same distance of the "
        "right value, and the output bit is right on the whole interval. The first carry is 0. By induction every "
        "bit of every sum is right, for numbers of any length. The same holds for parity within "
        f"{number(parities.box, 3)}. Float32 rounds by about {power(1e-7)}, which is far less than the remaining room."
    )
    caption = (
        "Bounds over all carries of the box and over all units of the carry. The last column is the least logit in "
        "favour of the right bit, so that a positive number proves the bit."
    )
    head = ["bits + carry", "carry", "next carry", "bit", "least logit"]
    rows = [*_box_rows(sums), *[[f"parity of {row[0]}", *row[1:]] for row in _box_rows(parities)]]
    return Section("Why the length does not matter", text, [Table(head, rows, caption)])


def _box_rows(network: Trained) -> list[list[str]]:
    table, radius = network.table, network.box
    low, high, margin = image_bounds(network.network, table, radius)
    rows = []
    for case, carry in enumerate(table.carry.tolist()):
        bits = " + ".join(f"{bit:.0f}" for bit in [*table.inputs[case].tolist(), carry])
        before = (max(carry - radius, 0), min(carry + radius, 1))
        after = float(low[case].min()), float(high[case].max())
        spans = [f"{number(a, 3)} to {number(b, 3)}" for a, b in (before, after)]
        rows.append([bits, *spans, str(int(table.output[case])), number(float(margin[case]), 2)])
    return rows


def _parity_section(parities: dict[int, list[Accuracy]]) -> Section:
    return Section(
        "Parity is the worst case of the MLP",
        "Every bit changes the parity, so that similar patterns say nothing about each other. An MLP that reads all "
        "bits at once has to memorise the patterns. The recurrent network reads one bit a step and needs four cases.",
        [
            Figure(
                _mlp_chart("Parities that an MLP computes", "patterns", parities),
                "The MLP is the one for sums. Guessing gives 0.5.",
            )
        ],
    )
