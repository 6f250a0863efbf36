"""The verdicts on sigmoid follow from its fixed points."""


def test_sigmoid_forgets_but_not_by_saturation(findings):
    """Small weights forget and large ones latch, and where a unit rests the curve is nearly as steep as it can be."""
    forgets, saturates = findings("activations").claims[:2]
    assert (forgets.verdict, saturates.verdict) == ("holds only when", "does not hold")
