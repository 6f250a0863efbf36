"""Running experiments: pages, the index, numbers.json, and names that do not exist."""

import json
from importlib import import_module

import pytest
import torch

from carousel.errors import CarouselError
from carousel.lab import EXPERIMENTS, Budget, gallery
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Verdict


@pytest.fixture
def quick_experiment(monkeypatch):
    """An experiment that takes no time, under the name of one that does."""
    findings = Findings([Claim("one is one", Verdict.HOLDS, {"one": "1"})], [])
    monkeypatch.setattr(gallery, "measured", lambda experiment, budget, progress: ({"one": 1.0}, findings))


@pytest.mark.usefixtures("quick_experiment")
def test_numbers_of_several_runs_stay_together(tmp_path):
    """A second run adds its numbers and its line in the index, in the lecture's order."""
    gallery.run(["activations"], tmp_path, Budget.QUICK)
    gallery.run(["bounded"], tmp_path, Budget.QUICK)
    kept = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert list(kept) == ["bounded", "activations"]
    assert kept["activations"]["numbers"] == {"one": 1.0}
    assert kept["activations"]["claims"][0]["verdict"] == "holds"
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert index.index("bounded.html") < index.index("activations.html")


@pytest.mark.usefixtures("quick_experiment")
def test_the_callers_random_state_is_left_alone(tmp_path):
    """An experiment starts from its own seed and gives the caller's state back."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    gallery.run(["activations"], tmp_path, Budget.QUICK)
    assert torch.equal(torch.rand(3), expected)


def test_an_unknown_name_is_refused_before_anything_is_written(tmp_path):
    """The message names what there is."""
    with pytest.raises(CarouselError, match=r"no experiment 'foo'.*activations"):
        gallery.run(["foo"], tmp_path / "out", Budget.QUICK)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damaged", ["", "[1]", "{", "\x00"])
@pytest.mark.usefixtures("quick_experiment")
def test_numbers_that_are_none_are_told_before_anything_runs(tmp_path, damaged):
    """A numbers.json that someone else wrote is neither read as ours nor overwritten."""
    (tmp_path / "numbers.json").write_text(damaged, encoding="utf-8")
    with pytest.raises(CarouselError, match=r"numbers.json should hold .* Remove the file"):
        gallery.run(["bounded"], tmp_path, Budget.QUICK)
    assert (tmp_path / "numbers.json").read_text(encoding="utf-8") == damaged
    assert not (tmp_path / "bounded.html").exists()


def test_the_index_shows_the_cover_of_earlier_pages(tmp_path, monkeypatch):
    """The picture of an experiment that ran before stands in the index that a later run writes."""
    chart = Chart("c", "d", "x", "y", [Line("up", [0, 1], [0.0, 1.0], "s1")])
    findings = Findings([], [Section("Seen", "words", [Figure(chart, "")])])
    found = {"bounded": findings, "linear": Findings([], [])}
    monkeypatch.setattr(gallery, "measured", lambda experiment, *_: ({}, found[experiment.name]))
    gallery.run(["bounded"], tmp_path, Budget.QUICK)
    gallery.run(["linear"], tmp_path, Budget.QUICK)
    assert (tmp_path / "index.html").read_text(encoding="utf-8").count('<svg class="chart narrow"') == 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_loaded(name):
    """Every name of the catalogue has a room, with a function that measures and one that writes the findings."""
    room = f"carousel.lab.{name.replace('-', '_')}"
    assert callable(import_module(f"{room}.measure").measure)
    assert callable(import_module(f"{room}.page").findings)
