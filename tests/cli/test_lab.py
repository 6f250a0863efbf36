"""`carousel lab`: the list, one experiment with its verdicts and page, and what is refused."""

import json

from carousel.lab import EXPERIMENTS, gallery
from carousel.report.lab import Claim, Findings, Verdict


def test_without_a_name_the_experiments_are_listed(carousel):
    """Each name stands with its claim under its chapter."""
    done = carousel("lab")
    assert done.status == 0
    for name, experiment in EXPERIMENTS.items():
        assert name in done.out
        assert experiment.claim in done.out


def test_one_experiment_is_run_and_written(carousel, tmp_path):
    """The verdicts are printed, the page, the index and the numbers are there."""
    done = carousel("lab", "activations", "--quick", "--out", tmp_path / "lab")
    assert done.status == 0
    assert "holds only when" in done.out
    assert (tmp_path / "lab" / "activations.html").exists()
    assert (tmp_path / "lab" / "index.html").exists()
    kept = json.loads((tmp_path / "lab" / "numbers.json").read_text(encoding="utf-8"))
    assert kept["activations"]["budget"] == "quick"


def test_mistakes_are_told(carousel, tmp_path):
    """An unknown experiment and two budgets at once end with 2 and a sentence."""
    assert "no experiment 'streetlamp'" in carousel("lab", "streetlamp", "--out", tmp_path).err
    done = carousel("lab", "activations", "--quick", "--full")
    assert done.status == 2
    assert "Pass one of them" in done.err


def test_what_was_found_before_ctrl_c_is_told(carousel, tmp_path, monkeypatch):
    """Of `all`, experiments that have ended are printed and written when the next one is interrupted."""

    findings = Findings([Claim("one is one", Verdict.HOLDS, {"one": "1"})], [])

    def run(experiment, budget, on_progress):
        if experiment.name == "bounded":
            raise KeyboardInterrupt
        return {}, findings

    monkeypatch.setattr(gallery, "measured", run)
    done = carousel("lab", "all", "--out", tmp_path)
    assert done.status == 130
    assert "one: 1" in done.out
    assert (tmp_path / "adder.html").exists()
    assert "interrupted" in done.err
