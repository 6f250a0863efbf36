"""The options of a run."""

import dataclasses
import subprocess
import sys

import pytest

from carousel import CarouselError
from carousel.training import LanguageConfig
from carousel.training.language.presets import PRESETS


def test_a_configuration_survives_its_file(tmp_path):
    """Saving and loading gives an equal configuration, whatever it holds."""
    config = LanguageConfig(
        paths=["ä b/*.py"], minutes=0.5, cell="gru-before", tie=True, clip=0, seed=7, out="x"
    )
    config.save(tmp_path / "c.yaml")
    assert LanguageConfig.load(tmp_path / "c.yaml") == config


def test_the_file_lists_every_option(tmp_path):
    """config.yaml is complete: one line for each field, in order."""
    LanguageConfig().save(tmp_path / "c.yaml")
    names = [line.split(":")[0] for line in (tmp_path / "c.yaml").read_text().splitlines()]
    assert names == [f.name for f in dataclasses.fields(LanguageConfig)]


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path):
    """YAML 1.1 takes 1e-3 for text; it is a learning rate nevertheless."""
    (tmp_path / "c.yaml").write_text("lr: 1e-3\nclip: 1\nhidden_size: 64\n")
    config = LanguageConfig.load(tmp_path / "c.yaml")
    assert (config.lr, config.clip, config.hidden_size) == (0.001, 1.0, 64)
    assert isinstance(config.clip, float)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, r"hidden_size must be at least 1; got 0\."),
        ({"hidden_size": -4}, "hidden_size must be at least 1; got -4"),
        ({"hidden_size": 2.5}, "hidden_size must be a whole number; got 2.5"),
        ({"hidden_size": "many"}, "hidden_size must be a whole number; got 'many'"),
        ({"hidden_size": True}, "hidden_size must be a whole number; got True"),
        ({"hidden_size": None}, "hidden_size must be a whole number; got None"),
        ({"lr": 0}, "lr must be above 0"),
        ({"lr": float("nan")}, "lr must be finite"),
        ({"lr": float("inf")}, "lr must be finite"),
        ({"dropout": 1}, "dropout must be below 1"),
        ({"dropout": -0.1}, "dropout must be at least 0"),
        ({"one_hot": 1}, "one_hot must be true or false; got 1"),
        ({"paths": "a.txt"}, "paths must be a list of paths"),
        ({"paths": [1]}, "paths must be a list of paths"),
        ({"cell": "lsmt"}, "cell must be one of .*lstm"),
        ({"level": "byte"}, "level must be one of char, word, bpe, token; got 'byte'"),
        ({"epochs": 1, "minutes": 2}, "epochs or minutes, not both"),
        ({"threads": 10**6}, r"threads must be at most \d+; got 1000000"),
        ({"minutes": 0}, "minutes must be above 0"),
        ({"one_hot": True, "tie": True}, "give one of the two"),
        ({"one_hot": True, "embedding": 8}, "leave embedding=8 out"),
        ({"tie": True, "embedding": 8}, "tie needs embedding equal to hidden_size"),
        ({"context": 4}, "context is an option of --model tdnn; got context=4 for rnn"),
        ({"direct": True}, "direct is an option of --model tdnn"),
        (
            {"model": "tdnn", "weight_drop": 0.5},
            "weight_drop is an option of --model rnn; got weight_drop=0.5",
        ),
        ({"model": "tdnn", "recurrent_dropout": 0.5}, "recurrent_dropout is an option of --model rnn"),
        ({"model": "tdnn", "direct": True, "tie": True}, "direct makes them wider"),
        ({"model": "tdnn", "direct": True, "one_hot": True}, "direct connects .* one_hot has none"),
        ({"one_hot": True, "embedding_dropout": 0.1}, "embedding_dropout drops symbols' vectors"),
        ({"model": "tdnn", "cell": "gru"}, "cell is an option of --model rnn; got cell=gru for tdnn"),
        ({"model": "tdnn", "cell": "lstm"}, "cell belongs to model rnn; got cell=lstm with model=tdnn"),
        ({"momentum": 0.5}, "momentum belongs to optimizer sgd; got momentum=0.5 with optimizer=adamw"),
        ({"momentum": 0.9, "optimizer": "rmsprop"}, "momentum belongs to optimizer sgd"),
        ({"decay": 3}, "decay belongs to schedule decay; got decay=3.0 with schedule=cosine"),
        ({"decay_after": 2, "schedule": "linear"}, "Leave decay_after out, or give schedule decay"),
        (
            {"locked_dropout": True},
            "locked_dropout belongs to dropout above 0; got locked_dropout=True with dropout=0.0",
        ),
        ({"hiden": 5}, "no option 'hiden'. Did you mean hidden_size?"),
        ({"version": 2}, "version 2.*Upgrade"),
        ({"version": 2, "brand_new": 1}, "version 2.*Upgrade"),
        (["hidden_size"], "must hold `name: value` lines; got list"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    """The error names the option, the rule, and what came."""
    with pytest.raises(CarouselError, match=message):
        LanguageConfig.from_dict(options)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.5},
        {"decay": 3.0},
        {"decay_after": 2},
        {"locked_dropout": True},
        {"model": "tdnn", "cell": "gru"},
    ],
)
def test_options_without_effect_are_refused_where_they_are_given(options):
    """Also by their names in Python; those that a preset or a saved file holds beside others are no mistake."""
    with pytest.raises(CarouselError, match=list(options)[-1]):
        LanguageConfig().override(**options)
    for preset in PRESETS:
        LanguageConfig.preset(preset, optimizer="adamw", schedule="cosine")
    saved = LanguageConfig.preset("zaremba-medium", optimizer="adamw", schedule="cosine", locked_dropout=True)
    assert LanguageConfig.from_dict(saved.override(dropout=0.0).to_dict()).momentum == 0


@pytest.mark.parametrize(
    ("content", "message"), [("a: [1", "is no valid YAML"), (b"\xff\xfe", "is no valid YAML")]
)
def test_a_broken_file_is_named(tmp_path, content, message):
    """A file that is no YAML, or no text, is refused with its path."""
    path = tmp_path / "c.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CarouselError, match=rf"c\.yaml.*{message}"):
        LanguageConfig.load(path)
    with pytest.raises(CarouselError, match=r"absent\.yaml does not exist"):
        LanguageConfig.load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cell: 0x" + "f" * 6000, "cell must be text; got a number of more than 4,300 digits"),
        ("hidden_size: 0x" + "f" * 6000, "hidden_size must be at most 1000000000; got a number of more than"),
        ("? 0x" + "f" * 6000 + "\n: 1", "there is no option a number of more than 4,300 digits"),
        ("x" * 1000 + ": 1", r"there is no option 'x{80}'\.\.\. \(1,000 long\)"),
        ("hidden_size: &a [x, x]\ncell: [*a, *a]", "an alias must stand for a single value"),
    ],
    ids=["text", "number", "name", "long name", "aliases"],
)
def test_what_cannot_be_shown_is_told(tmp_path, content, message):
    """A value or a name that is too long to be shown is refused in a short line all the same."""
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(CarouselError, match=message) as caught:
        LanguageConfig.load(path)
    assert len(str(caught.value)) < 2_000


def test_a_new_length_replaces_the_old_one():
    """Of epochs, minutes and steps, what is given last decides; other options leave the length alone."""
    settled = LanguageConfig(minutes=3).with_steps(100)
    assert (settled.minutes, settled.steps) == (3, 100)
    assert settled.override(hidden_size=8).steps == 100
    changed = settled.override(epochs=2)
    assert (changed.minutes, changed.steps, changed.epochs) == (None, None, 2)
    with pytest.raises(CarouselError, match="no option 'epoch'"):
        settled.override(epoch=1)


def test_every_option_has_a_help_text():
    """The command line shows a line for each."""
    assert all(f.metadata["help"] for f in dataclasses.fields(LanguageConfig))


def test_the_options_load_no_torch():
    """A command line can offer and check them at once."""
    code = "import sys, carousel.training.language.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
