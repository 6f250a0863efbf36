"""The calibration: what it prints, that it goes on where it was stopped, and a few of its nets."""

import json
from argparse import Namespace

import pytest

from bench.calibration import __main__ as calibration
from bench.calibration.matrix import summary
from bench.calibration.measure import measure
from bench.calibration.recipes import HEALTHY, attempts
from bench.calibration.table import RECIPES


def _outcome(recipe, vain):
    return {
        "label": "exploding", "recipe": recipe, "vain": vain, "first": "exploding", "troubles": ["exploding"],
        "treatments": [], "untreated": float("nan"), "cause": "mistake",
    }  # fmt: skip


def test_rejected_nets_are_counted():
    """By recipe and in all: of a label that holds for few draws one sees how few."""
    text = summary([_outcome("rare", 3), _outcome("rare", 0), _outcome("sure", 0)])
    assert "Nets drawn: 6; rejected, since the label was not true of them: 3." in text
    assert "| exploding | rare | 5 | 3 | 2 | 1 |" in text
    assert "| sure |" not in text


def test_a_share_has_its_interval():
    """Wilson's, of 3 right verdicts of 3."""
    text = summary([_outcome("rare", 0)] * 3)
    assert "3 of 3 (100.0 %, 95 % interval 43.8 to 100.0)" in text


@pytest.mark.parametrize(
    "name", ["state forgotten", "used rightly: state forgotten", "latching", "written by hand"]
)
def test_a_net_of_a_recipe_is_judged_by_its_label(name):
    """A misuse, its healthy twin, a net that latches and a step function."""
    [recipe] = [each for each in RECIPES if each.name == name]
    outcome = measure(*attempts(recipe, 0, 5_000_000))
    assert outcome.first == recipe.label
    assert bool(outcome.troubles) == (recipe.label != HEALTHY)


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    """What is in the file is not measured again; a line that was cut short is."""
    file = tmp_path / "calibration.jsonl"
    options = Namespace(part="0/1", only="used rightly: state forgotten", most=2)
    calibration._run(file, 5_000_000, options)
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert [json.loads(line)["index"] for line in lines] == [0, 1]
    file.write_text(lines[0] + lines[1][:30], encoding="utf-8")
    calibration._run(file, 5_000_000, options)
    assert file.read_text(encoding="utf-8").splitlines(keepends=True) == lines
