"""A run from its configuration to its best weights."""

import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from carousel import CarouselError
from carousel.data import load_corpus
from carousel.models import LanguageModel
from carousel.progress import Stage
from carousel.training import LanguageConfig, Run, Score, evaluate, load, resume, train
from carousel.training.language import task as language
from carousel.training.language.row import Row
from carousel.training.run import session
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import read_metrics
from carousel.training.run.progress import Evaluated, Finished, Saved, Started, Stepped


def test_a_run_leaves_everything_in_its_folder(config):
    """Configuration, vocabulary, weights, checkpoint, metrics, events and samples are there, and nothing
    else.
    """
    run = train(config=config)
    names = {path.name.split(".out")[0] for path in run.path.iterdir()}
    assert names == {
        "config.yaml",
        "vocabulary.json",
        "weights.safetensors",
        "checkpoint.safetensors",
        "metrics.csv",
        "monitor.csv",
        "events",
        "samples.txt",
    }


def test_the_model_learns_and_its_scores_can_be_checked(config):
    """The test score is far below what it was, and is that of the loaded model on the test part of the
    text.
    """
    run = train(config=config.override(steps=80, dropout=0))
    model = load(run.path)
    test = evaluate(model, load_corpus(config.paths).test)
    assert test.bits == pytest.approx(run.test.bits, rel=1e-6)
    fresh = LanguageModel(model.vocabulary.size, hidden_size=12)
    fresh.vocabulary = model.vocabulary
    before = evaluate(fresh, load_corpus(config.paths).test)
    assert run.test.bits_per_character < 0.6 * before.bits_per_character
    text = model.generate("def add_", 60, seed=1)
    assert len(text) == 60
    assert "--- temperature 0.5" in (run.path / "samples.txt").read_text()


def test_the_same_configuration_gives_the_same_weights(config, tmp_path):
    """config.yaml of a run, run again, ends with the same bytes; another seed does not."""
    first = train(config=config)
    again = train(config=LanguageConfig.load(first.path / "config.yaml"), out=str(tmp_path / "again"))
    other = train(config=config, seed=5, out=str(tmp_path / "other"))
    weights = [(run.path / "weights.safetensors").read_bytes() for run in (first, again, other)]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_events_tell_the_story(config):
    """Preparation, start, steps, an evaluation at each of its places followed by a checkpoint, the end."""
    events = []
    run = train(config=config, on_progress=events.append)
    kinds = [type(event) for event in events]
    started = next(event for event in events if isinstance(event, Started))
    assert kinds[0] is Stage
    assert kinds[-1] is Finished
    assert (started.step, started.steps) == (0, 24)
    assert f"{len(load_corpus(config.paths).train[0].text) + 1:,} train tokens" in started.contents
    assert [event.step for event in events if isinstance(event, Evaluated)] == [8, 16, 24]
    assert [event.step for event in events if isinstance(event, Saved)] == [0, 8, 16, 24, 24]
    last = [event for event in events if isinstance(event, Stepped)][-1]
    assert (last.step, last.steps, last.seconds_left) == (24, 24, 0)
    assert last.tokens_per_second > 0
    assert events[-1].test == run.test


@pytest.fixture
def scripted_scores(monkeypatch):
    """Evaluations during training give 3, 2, 2.5, 2.6, 2.7, 2.8, ... bits; those at the end are real."""
    bits = iter([3.0, 2.0, *(2.5 + k / 10 for k in range(90))])
    real = language.evaluate

    def evaluate(model, part, limit=None):
        return real(model, part) if limit is None else Score(next(bits), 1, 1)

    monkeypatch.setattr(language, "evaluate", evaluate)


@pytest.mark.usefixtures("scripted_scores")
def test_the_best_weights_are_kept_not_the_last(config):
    """When later evaluations are worse, the weights file stays that of the best one."""
    kept = {}

    def remember(event):
        if isinstance(event, Evaluated):
            kept[event.step] = (folder / "weights.safetensors").read_bytes()

    folder = RunFolder(config.out).path
    run = train(config=config.override(steps=40, patience=0), on_progress=remember)
    assert (run.step, run.best_step) == (40, 16)
    assert (folder / "weights.safetensors").read_bytes() == kept[16]
    assert kept[16] != kept[8]
    assert run.reason == "steps"
    assert evaluate(load(folder), load_corpus(config.paths).valid).bits == pytest.approx(
        run.valid.bits, rel=1e-6
    )


@pytest.mark.usefixtures("scripted_scores")
def test_patience_ends_a_run_that_gets_no_better(config):
    """After `patience` evaluations without a better one training stops, and says so."""
    run = train(config=config.override(steps=400, patience=2))
    assert (run.reason, run.step, run.best_step) == ("patience", 32, 16)
    assert Run.open(run.path) == run
    assert resume(run.path) == run


def test_metrics_are_means_over_their_steps(config):
    """Rows stand at every step here; the training loss of the first is that of knowing nothing."""
    run = train(config=config)
    rows = read_metrics(run.path / "metrics.csv", Row)
    assert [row.step for row in rows] == list(range(1, 25))
    vocabulary = load(run.path).vocabulary
    assert rows[0].train_perplexity == pytest.approx(vocabulary.size, rel=0.3)
    assert [row.step for row in rows if row.valid_perplexity is not None] == [8, 16, 24]
    assert rows[-1].seconds <= run.seconds


@pytest.mark.parametrize("options", [{"minutes": 0.01}, {"epochs": 0.5}, {}], ids=str)
def test_a_length_becomes_steps_once(config, options, monkeypatch):
    """TextWindows are counted and minutes measured; the steps found are stored, with the evaluations and the
    threads.
    """
    monkeypatch.setattr("carousel.training.run.number_of_steps.DEFAULT_MINUTES", 0.01)
    config = dataclasses.replace(config, steps=None, evaluate_every=None, **options)
    stored = train(config=config).config
    assert stored.threads == 1
    assert 1 <= stored.evaluate_every <= stored.steps
    if "epochs" in options:
        windows = (len(load_corpus(config.paths).train[0].text) + 1) // config.batch // config.bptt
        assert stored.steps == round(0.5 * windows)
    else:
        assert stored.minutes == 0.01


def test_torch_is_left_as_it_was(config):
    """Training brings its own seed and threads, and puts both back."""
    before = torch.get_rng_state(), torch.get_num_threads()
    train(config=config.override(threads=2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


@pytest.mark.parametrize(
    "options", [{"level": "word"}, {"level": "bpe", "vocabulary_size": 300}, {"cell": "gru"}], ids=str
)
def test_other_levels_and_cells_train_and_load(config, options):
    """Words, byte pairs and other cells go the same way, and bits per character stay comparable."""
    run = train(config=config, **options)
    model = load(run.path / "weights.safetensors")
    assert model.vocabulary.level == options.get("level", "char")
    assert model.options["cell"] == options.get("cell", "lstm")
    assert run.test.characters == sum(len(d.text) + 1 for d in load_corpus(config.paths).test)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be at least 1"),
        ({"hiden": 3}, "no option 'hiden'"),
        ({"paths": ["absent.txt"]}, r"absent\.txt"),
        ({"batch": 500, "bptt": 500}, "train part must have at least 250,001 symbols"),
    ],
)
def test_bad_input_leaves_no_folder(config, options, message):
    """What is wrong is said before anything is written."""
    with pytest.raises(CarouselError, match=message):
        train(config=config, **options)
    assert not Path(config.out).exists()


def test_a_device_that_is_not_there_leaves_no_folder(config, monkeypatch):
    """The error names the devices that are."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CarouselError, match=r"on this machine \(cpu.*got 'cuda'"):
        train(config=config, device="cuda")
    assert not Path(config.out).exists()


def test_the_first_figures_shown_are_means(config):
    """After a few steps the training loss shown is about the mean of theirs, not the first one's."""
    events = []
    run = train(config=config.override(lr=0.2, steps=8), on_progress=events.append)
    shown = [event for event in events if isinstance(event, Stepped)][-1]
    losses = [row.train_bits_per_character for row in read_metrics(run.path / "metrics.csv", Row)]
    assert losses[0] > 1.2 * losses[-1]
    assert shown.score.bits_per_character == pytest.approx(sum(losses) / len(losses), rel=0.03)


def test_a_run_that_exists_is_not_overwritten(config):
    """A second run into the same folder is refused before the text is even read."""
    run = train(config=config)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    with pytest.raises(CarouselError, match="never overwritten"):
        train(config=config, paths=["absent.txt"])
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_loading_says_what_is_missing(config, tmp_path):
    """A folder that is no run, a run without weights, and a run that has not finished are told apart."""
    with pytest.raises(CarouselError, match="is not a run"):
        load(tmp_path)
    folder = RunFolder.create(tmp_path / "begun")
    folder.save_config(config)
    with pytest.raises(CarouselError, match="has no weights yet"):
        load(folder.path)
    with pytest.raises(CarouselError, match="has not finished"):
        Run.open(folder.path)
    LanguageModel(9, hidden_size=4).save(tmp_path / "alone.safetensors")
    with pytest.raises(CarouselError, match="no vocabulary"):
        load(tmp_path / "alone.safetensors").generate()


def test_loading_a_model_loads_nothing_of_training():
    """Fabric and TensorBoard take seconds to import; who generates text does not wait for them."""
    code = "import sys\nfrom carousel.training import load, evaluate\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"lightning_fabric", "tensorboard"} & set(result.stdout.split())


def test_a_row_over_several_steps_holds_their_means(config, monkeypatch, tmp_path):
    """With fewer rows, each is the mean of the rows that every step would have had."""
    each = read_metrics(train(config=config).path / "metrics.csv", Row)
    monkeypatch.setattr(session, "ROWS", 4)
    rows = read_metrics(train(config=config, out=str(tmp_path / "few")).path / "metrics.csv", Row)
    assert [row.step for row in rows] == [6, 8, 12, 16, 18, 24]
    for row, before in zip(rows, [0, *(row.step for row in rows)], strict=False):
        steps = each[before : row.step]
        for name in ("train_bits_per_character", "gradient_norm"):
            mean = sum(getattr(step, name) for step in steps) / len(steps)
            assert getattr(row, name) == pytest.approx(mean), (row.step, name)


def test_runs_in_threads_end_as_runs_one_after_the_other(config, tmp_path):
    """Two trainings at once, with dropout, while a third thread draws from torch's random state between their steps."""
    options = [
        {"seed": seed, "embedding_dropout": 0.1, "weight_drop": 0.2, "num_layers": 2} for seed in (1, 2)
    ]

    def run(name, given):
        found = train(
            config=config.override(out=str(tmp_path / name), **given), on_progress=lambda _: torch.rand(1)
        )
        return (found.path / "weights.safetensors").read_bytes()

    alone = [run(f"alone {k}", given) for k, given in enumerate(options)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, ("together 0", "together 1"), options)) == alone


def test_training_leaves_torchs_random_numbers_alone(config):
    """What a program draws after a training is what it would have drawn without it."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(config=config)
    assert torch.equal(torch.rand(3), expected)
