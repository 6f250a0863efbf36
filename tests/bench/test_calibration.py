"""What the calibration prints of nets that were drawn in vain."""

from bench.calibration.matrix import summary


def _outcome(recipe, vain):
    return {
        "label": "exploding", "recipe": recipe, "vain": vain, "first": "exploding", "troubles": ["exploding"],
        "remedy": "", "cause": "mistake",
    }  # fmt: skip


def test_rejected_nets_are_counted():
    """By recipe and in all: of a label that holds for few draws one sees how few."""
    text = summary([_outcome("rare", 3), _outcome("rare", 0), _outcome("sure", 0)])
    assert "Nets drawn: 6; rejected, since the label was not true of them: 3." in text
    assert "| exploding | rare | 5 | 3 | 2 | 1 |" in text
    assert "| sure |" not in text
