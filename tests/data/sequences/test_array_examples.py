"""Sequences out of arrays: every form that goes in, and what is told of those that do not."""

import numpy as np
import pytest
import torch

from carousel import CarouselError
from carousel.data.sequences import from_arrays


def lengths_of(sequences):
    return [len(item) for item in sequences.items]


def test_forms_of_data():
    """Lists of unequal arrays, padded ones with lengths, tensors, plain numbers, one series."""
    ragged = [np.zeros((3, 2)), np.ones((5, 2))]
    assert lengths_of(from_arrays("classify", ragged, ["a", "b"])) == [3, 5]
    assert lengths_of(from_arrays("classify", torch.zeros(2, 4, 3), [0, 1], lengths=[4, 2])) == [4, 2]
    assert lengths_of(from_arrays("classify", [[1.0, 2.0], [3.0]], [0, 1])) == [2, 1]
    assert lengths_of(from_arrays("forecast", [1.0, 2.0, 3.0])) == [3]
    two = from_arrays("forecast", np.zeros((7, 2)))
    assert (lengths_of(two), two.targets) == ([7], 2)


def test_texts_are_sequences_of_characters():
    """A list of str: one symbol at each step, with a label for each text or for each character."""
    found = from_arrays("classify", ["abc", "xy"], [1, 2])
    assert (found.numbers, found.symbols, found.labels) == ((), ("character",), [1, 2])
    assert [item.symbols[:, 0].tolist() for item in found.items] == [["a", "b", "c"], ["x", "y"]]
    assert from_arrays("tag", ["ab"], [["0", "0"]]).items[0].label == ["0", "0"]


def test_labels_keep_their_kind():
    """Whole numbers come back as such, sorted by size; None and NaN are not known."""
    tags = from_arrays("tag", [[1.0, 2.0, 3.0]], [np.array([10, 9, 2])])
    assert tags.labels == [2, 9, 10]
    assert from_arrays("tag", [[1.0, 2.0]], [["x", None]]).items[0].label == ["x", None]
    assert from_arrays("tag", [[1.0, 2.0]], [[float("nan"), 1.0]]).items[0].label == [None, 1.0]


def test_labels_and_weights_of_padding_are_passed_over():
    """Arrays that are padded to one length serve, as the data do."""
    sequences = from_arrays(
        "tag",
        np.zeros((2, 3, 1)),
        np.array([[0, 1, 1], [1, 0, 0]]),
        weights=np.ones((2, 3)),
        lengths=np.array([3, 1]),
    )
    assert [item.label for item in sequences.items] == [[0, 1, 1], [1]]
    assert [item.weights.tolist() for item in sequences.items] == [[1, 1, 1], [1]]


def test_the_fingerprint_follows_the_data():
    """Equal data have it in common; a number, a label or a weight changes it."""
    data, labels = [[1.0, 2.0], [3.0]], ["a", "b"]
    own = from_arrays("classify", data, labels).fingerprint
    assert own == from_arrays("classify", [np.array(row) for row in data], labels).fingerprint
    assert own != from_arrays("classify", [[1.0, 2.5], [3.0]], labels).fingerprint
    assert own != from_arrays("classify", data, ["a", "a"]).fingerprint
    assert own != from_arrays("classify", data, labels, weights=[1, 2]).fingerprint


@pytest.mark.parametrize(
    ("task", "data", "options", "message"),
    [
        ("classify", [], {"targets": []}, "at least one sequence"),
        ("classify", np.zeros((4, 3)), {"targets": [0] * 4}, r"pass \(N, T, 1\)"),
        (
            "classify",
            [np.zeros((3, 2)), np.zeros((3, 1))],
            {"targets": [0, 1]},
            r"number 1 has the shape \(3, 1\)",
        ),
        ("classify", [np.zeros((0, 2))], {"targets": [0]}, "T at least 1"),
        ("classify", [[float("inf")]], {"targets": [0]}, "number 0 holds an infinite value"),
        ("classify", ["ab", ""], {"targets": [0, 1]}, "no text may be empty"),
        ("classify", ["ab", "c"], {"targets": [0, 1], "lengths": [2, 1]}, "without lengths"),
        ("forecast", ["ab", "c"], {}, "To forecast, pass numbers"),
        ("classify", [["a"]], {"targets": [0]}, r"must be numbers, \(T, I\), or one str"),
        (
            "classify",
            [[1.0]],
            {"targets": [0, 1]},
            "targets must have one value for each sequence, 1 in all; got 2",
        ),
        (
            "classify",
            [[1.0]],
            {"targets": [object()]},
            "labels must be text or numbers; got .* of type object",
        ),
        (
            "tag",
            [[1.0, 2.0]],
            {"targets": [[0]]},
            r"targets\[0\] must have one value for each step, 2 in all; got 1",
        ),
        ("tag", [[1.0]], {"targets": ["a"]}, r"targets\[0\] must have one value for each step; got a str"),
        ("tag", [[1.0]], {"targets": [[0]], "weights": [[-1]]}, "at least 0"),
        ("forecast", [1.0, 2.0], {"targets": [1.0]}, "Leave them out"),
        ("forecast", np.zeros((2, 3, 1)), {"lengths": [3, 4]}, "1 to 3, the number of steps"),
        (
            "forecast",
            np.zeros((2, 3, 1)),
            {"lengths": [3.0, 1.0]},
            "must be 2 whole numbers",
        ),
    ],
)
def test_mistakes_are_told(task, data, options, message):
    """The rule and what came."""
    with pytest.raises(CarouselError, match=message):
        from_arrays(task, data, **options)
