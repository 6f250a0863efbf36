"""The verdicts on deep networks follow from the gradients, and networks that have not learned are named."""

from carousel.lab.depth.measure import ACTIVATIONS, DEFAULT, INITIALISATIONS, ByLayer, Measurements, Seeds
from carousel.lab.depth.page import findings

SLOW, FAST = (ByLayer([kept**k for k in range(18, -1, -1)], [], [], []) for kept in (0.9, 0.3))


def found(before: dict, accuracy: dict[str, list[float]] | None = None) -> list:
    """The claims that follow from these gradients before training."""
    layers = {name: by for (name, _), (by, *_) in before.items()}
    seeds = {case: Seeds(each) for case, each in before.items()}
    after = {name: Seeds([by]) for name, by in layers.items()}
    accuracy = accuracy or {key: [0.6] for key in ACTIVATIONS}
    drawn = {name: ByLayer([1.0] * 19, [1.0] * 19, [1.0] * 19, [[1.0]] * 19) for name in ACTIVATIONS}
    return findings(Measurements(64, 10, seeds, drawn, drawn, after, accuracy)).claims


def cases(elu: list[ByLayer], others: list[ByLayer]) -> dict:
    return {
        (name, start): elu if name == "ELU" else others for start in INITIALISATIONS for name in ACTIVATIONS
    }


def verdicts(before: dict) -> list[str]:
    return [claim.verdict for claim in found(before)]


def test_the_verdicts_follow_from_the_gradients():
    """ELU best from every start holds, from some only then, from none not; the same for gradients that vanish."""
    every = cases([SLOW], [FAST])
    assert verdicts(every) == ["holds", "holds only when"]
    some = {case: [FAST] if case[1] == DEFAULT else by for case, by in every.items()}
    some["tanh", DEFAULT] = [SLOW]
    assert verdicts(some) == ["holds only when", "holds only when"]
    none = {case: [SLOW] if case[0] == "tanh" else [FAST] for case in every}
    assert verdicts(none)[0] == "does not hold"
    assert verdicts(cases([FAST], [FAST])) == ["not decided at this budget", "holds"]


def test_seeds_that_overlap_share_the_place():
    """With one seed as bad as the others, ELU is not alone at the top, and the seeds decide nothing."""
    assert verdicts(cases([SLOW, FAST, SLOW], [FAST] * 3))[0] == "not decided at this budget"


def test_networks_that_have_not_learned_are_named():
    """After training the gradients of networks that have learned with every seed are listed; the others are named."""
    accuracy = {key: [0.8] for key in ACTIVATIONS} | {"ReLU": [0.9, 0.1]}
    claim = found(cases([SLOW], [SLOW]), accuracy)[1]
    assert "share left at the first layer after training, ReLU" not in claim.evidence
    assert "share left at the first layer after training, ELU" in claim.evidence
    assert "gradients of ReLU say nothing" in claim.remark
