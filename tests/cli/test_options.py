"""The options of `train` are the fields of its configurations: nothing is written down twice, nothing is forgotten."""

from dataclasses import fields

import pytest

from carousel import report
from carousel.cli.options import flag
from carousel.training.language.config import LanguageConfig
from carousel.training.sequences.config import SequenceConfig


def test_every_field_is_an_option(carousel, monkeypatch):
    """Each field that is not hidden has a flag in the help, with its own words; hidden ones have none."""
    monkeypatch.setenv("COLUMNS", "400")
    shown = " ".join(carousel("train", "--help").out.split())
    for each in fields(LanguageConfig):
        if each.metadata["hidden"]:
            assert f"{flag(each.name)} " not in shown
        elif each.name != "paths":
            assert f"{flag(each.name)} " in shown
            assert each.metadata["help"][1:] in shown


def test_options_of_sequences_stand_beside_them(carousel, monkeypatch):
    """Each field that text has not has a flag with its own words; a shared one has the choices of both."""
    monkeypatch.setenv("COLUMNS", "400")
    shown = " ".join(carousel("train", "--help").out.split())
    of_text = {each.name for each in fields(LanguageConfig)}
    for each in fields(SequenceConfig):
        if each.name not in of_text:
            assert f"{flag(each.name)} " in shown
            assert each.metadata["help"][1:] in shown
    assert "lstm-full, gru, gru-before, mlp" in shown


@pytest.mark.parametrize(("switch", "value"), [("--one-hot", True), ("--no-one-hot", False)])
def test_switches_have_two_sides(carousel, monkeypatch, switch, value):
    """A switch can be turned off again where the YAML file turns it on; what is not given is not passed."""
    caught = {}

    def train(*, config, on_progress):
        caught.update(config.to_dict())
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "train", train)
    assert carousel("train", switch, "--lr", "0.5").status == 130
    assert (caught["one_hot"], caught["lr"], caught["hidden_size"]) == (
        value,
        0.5,
        LanguageConfig().hidden_size,
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("--bptt", "default 64, with --task 128."),
        ("--hidden", "default 384, with --task 64."),
        ("--lr", "(none: 0.008, of a GRU 0.004); with --task 0.004."),
        ("--cell", "default lstm"),
        ("--batch", "default 16."),
        ("--from", "A run whose best weights"),
    ],
)
def test_the_default_shown_is_that_of_text(carousel, monkeypatch, name, words):
    """Language models come first; where sequences have another default, it stands behind."""
    monkeypatch.setenv("COLUMNS", "400")
    shown = carousel("train", "--help").out
    [line] = [line for line in shown.splitlines() if f" {name} " in line.split("<")[0]]
    assert words in line
