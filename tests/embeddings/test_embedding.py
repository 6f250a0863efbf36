"""Word vectors by one call: what is planted is found, the same seed gives the same bits, new text adds to the old."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from embeddings.planted import planted, recovered

import carousel
from carousel import CarouselError, Embedding, Vectors, _core, embed
from carousel.embeddings.checkpoint import Position
from carousel.embeddings.config import LR, EmbeddingConfig
from carousel.embeddings.corpus import load_corpus
from carousel.embeddings.progress import Evaluated, Finished, Reading, Started, Stepped
from carousel.embeddings.training import Trainer
from carousel.progress import silent

KINDS = [(method, output) for method in ("skipgram", "cbow") for output in ("negative", "hierarchical")]
SMALL = {"dimension": 20, "window": 3, "sample": 0.0, "epochs": 5, "threads": 1}
SENTENCES = ["the red fox runs fast", "the blue bird flies high", "a red bird runs", "a blue fox flies"] * 60


@pytest.mark.parametrize(("method", "output"), KINDS)
@pytest.mark.parametrize("options", [{}, {"combine": "sum"}, {"shared_negatives": False}, {"threads": 2}])
def test_planted_clusters_are_found(method, output, options):
    """Words that share contexts become neighbours, with every method, output and way of training."""
    trained = embed(planted(), method=method, output=output, **{**SMALL, "lr": 0.1, **options})
    assert recovered(trained.vectors.words, trained.vectors.matrix) > 0.95


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_planted_clusters_are_found_as_well_as_by_gensim():
    """On a text so short that the answer is only half learned, over three seeds: not below gensim."""
    models = pytest.importorskip("gensim.models", reason="gensim is not installed: nothing to compare with")
    logging.getLogger("gensim").setLevel(logging.ERROR)
    ours, theirs = [], []
    for seed in (1, 2, 3):
        text = planted(700, seed)
        trained = embed(
            text, **{**SMALL, "epochs": 3, "lr": 0.05, "seed": seed, "held_out": 0, "min_count": 1}
        )
        ours.append(recovered(trained.vectors.words, trained.vectors.matrix))
        other = models.Word2Vec(
            text,
            vector_size=20,
            window=3,
            sample=0,
            epochs=3,
            workers=1,
            sg=1,
            alpha=0.05,
            seed=seed,
            min_count=1,
        )
        theirs.append(recovered(other.wv.index_to_key, other.wv.vectors))
    assert np.mean(ours) > np.mean(theirs) - 0.1
    assert np.mean(ours) > 0.3


def test_the_loss_falls():
    """The held-out loss at the end is far below a guess: log 2 for each of 1 + 5 yes-or-no questions."""
    trained = embed(planted(), **SMALL, lr=0.1)
    assert len(trained.history) == 5 * 4
    assert [epoch for epoch, _ in trained.history][3::4] == [1, 2, 3, 4, 5]
    assert trained.loss == trained.history[-1][1]
    assert trained.loss < 0.8 * 6 * np.log(2)
    assert trained.loss < trained.history[0][1]


@pytest.mark.parametrize("options", [{"threads": 1}, {"deterministic": True, "threads": 4}])
def test_the_same_seed_gives_the_same_bits(options):
    """One thread, asked for or by deterministic: the same seed gives equal bits, another seed others."""
    one, again, other = (
        embed(planted(600), **{**SMALL, **options, "seed": seed}).weights for seed in (1, 1, 2)
    )
    assert np.array_equal(one.input, again.input)
    assert np.array_equal(one.output, again.output)
    assert not np.array_equal(one.input, other.input)


def test_progress_is_told():
    """Reading, start, steps, estimates and the end, in this order; speed, rate and time left are numbers that fit."""
    events = []
    trained = embed(planted(), **SMALL, on_progress=events.append)
    kinds = [type(event) for event in events]
    assert kinds.index(Reading) < kinds.index(Started) < kinds.index(Stepped)
    assert kinds[-1] is Finished
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [step.tokens for step in steps] == sorted(step.tokens for step in steps)
    assert steps[-1].tokens == steps[-1].total
    assert steps[-1].seconds_left == 0
    assert all(step.words_per_second > 0 for step in steps)
    for step in steps:
        assert step.lr == pytest.approx(LR["skipgram"] * max(1 - step.tokens / step.total, 1e-4))
    estimates = [event for event in events if isinstance(event, Evaluated)]
    assert [(event.epoch, event.loss) for event in estimates] == trained.history
    assert [event.best for event in estimates] == [
        all(event.loss < earlier.loss for earlier in estimates[:k]) for k, event in enumerate(estimates)
    ]


def test_early_stopping_keeps_the_best():
    """When the loss rises the training stops, and the vectors are those of the lowest loss."""
    options = {
        **SMALL,
        "epochs": 60,
        "lr": 0.5,
        "patience": 3,
        "held_out": 0.1,
        "evaluations": 1,
        "min_count": 1,
    }
    stopped = embed(planted(150), **options)
    losses = [loss for _, loss in stopped.history]
    assert stopped.position.reason == "patience"
    assert losses.index(min(losses)) == len(losses) - 4 < 56
    assert stopped.loss == min(losses)
    corpus = load_corpus(planted(150), stopped.config)
    trainer = Trainer(stopped.config, corpus, stopped.weights, Position(), silent)
    total, count = _core.embedding.held_out_loss(trainer.job, trainer.sentences, threads=1)
    assert total / count == pytest.approx(min(losses), rel=1e-12)


def test_a_saved_embedding_is_the_same(tmp_path):
    """Weights, words, counts, history and options come back; the vectors alone open with Vectors.load."""
    trained = embed(SENTENCES, **SMALL, output="hierarchical", combine="sum")
    trained.save(tmp_path / "e.safetensors")
    loaded = Embedding.load(tmp_path / "e.safetensors")
    assert loaded.config == trained.config
    assert loaded.position == trained.position
    assert loaded.vocabulary.words == trained.vocabulary.words
    for name in ("input", "output"):
        assert np.array_equal(getattr(loaded.weights, name), getattr(trained.weights, name))
    vectors = Vectors.load(tmp_path / "e.safetensors")
    assert vectors.words == trained.vectors.words
    assert np.array_equal(vectors.matrix, trained.vectors.matrix)
    assert vectors.counts.tolist() == trained.vectors.counts.tolist()


def test_vectors_without_their_training_are_refused(tmp_path):
    """A file of vectors alone cannot be trained on; a damaged one is told."""
    trained = embed(SENTENCES, **SMALL)
    trained.vectors.save(tmp_path / "v.safetensors")
    with pytest.raises(CarouselError, match="holds word vectors alone"):
        Embedding.load(tmp_path / "v.safetensors")
    trained.vectors.save(tmp_path / "v.vec")
    with pytest.raises(CarouselError, match="in another format"):
        Embedding.load(tmp_path / "v.vec")
    with pytest.raises(CarouselError, match="does not exist"):
        Embedding.load(tmp_path / "nothing.safetensors")
    trained.save(tmp_path / "e.safetensors")
    data = bytearray((tmp_path / "e.safetensors").read_bytes())
    for place in (-3, len(data) // 2):
        damaged = data.copy()
        damaged[place] ^= 4
        (tmp_path / "d.safetensors").write_bytes(damaged)
        with pytest.raises(CarouselError, match="checksum"):
            Embedding.load(tmp_path / "d.safetensors")
    (tmp_path / "d.safetensors").write_bytes(data[:-7])
    with pytest.raises(CarouselError, match="truncated"):
        Embedding.load(tmp_path / "d.safetensors")


@pytest.mark.parametrize("output", ["negative", "hierarchical"])
def test_new_text_adds_words_and_keeps_the_old(output):
    """Words grow, counts add up, old vectors are where training goes on from, the old embedding stays."""
    first = embed(SENTENCES, **SMALL, output=output, held_out=0)
    before = first.weights.input.copy()
    more = first.train_more(["the green fox runs"] * 30, lr=1e-6, epochs=1)
    assert set(more.vectors.words) == set(first.vectors.words) | {"green"}
    count = dict(zip(more.vectors.words, more.vectors.counts.tolist(), strict=True))
    assert count["fox"] == 120 + 30
    assert count["green"] == 30
    assert count["bird"] == 120
    for word in first.vectors.words:
        np.testing.assert_allclose(more.vectors[word], first.vectors[word], atol=1e-3)
    assert np.array_equal(first.weights.input, before)
    further = first.train_more(["green fox", "fox green"] * 200, lr=0.1)
    assert np.abs(further.vectors["fox"] - first.vectors["fox"]).max() > 0.01


def test_what_cannot_change_is_refused():
    """Going on with another method, output or dimension is refused with both values."""
    first = embed(SENTENCES, **SMALL)
    for name, value in (("method", "cbow"), ("output", "hierarchical"), ("dimension", 7)):
        with pytest.raises(CarouselError, match=f"{name} must stay what training began with"):
            first.train_more(SENTENCES, **{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "glove"}, "method must be one of skipgram, cbow"),
        ({"window": 0}, "window must be at least 1"),
        ({"window": 10**9}, "window must be at most 10000"),
        ({"noise_exponent": 1e3}, "noise_exponent must be at most 8"),
        ({"dimension": 2.5}, "dimension must be a whole number"),
        ({"lr": 0}, "lr must be above 0"),
        ({"sample": -1}, "sample must be at least 0"),
        ({"held_out": 0.9}, "held_out must be at most 0.5"),
        ({"held_out": 0, "patience": 2}, "patience needs a held-out loss; got held_out 0"),
        ({"dimensions": 7}, "no option 'dimensions'. Did you mean dimension"),
        ({"min_count": 10**6}, "at least two words must occur"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"epochs": 10**18}, "epochs must be at most"),
        ({"evaluations": 10**12}, "evaluations must be at most"),
        ({"phrases": 10**9}, "phrases must be at most 100"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_mistakes_are_told(options, message):
    """Bad options name the rule, and the nearest name."""
    with pytest.raises(CarouselError, match=message):
        embed(SENTENCES, **options)


def test_divergence_is_told():
    """A learning rate that makes the weights infinite ends with a clear error, not with NaN vectors."""
    with pytest.raises(CarouselError, match=r"diverged.*smaller lr"):
        embed(planted(), **{**SMALL, "combine": "sum", "method": "cbow", "lr": 1e9})


def test_without_held_out_sentences_there_is_no_loss():
    """held_out=0 trains on everything and gives no loss."""
    trained = embed(SENTENCES, **SMALL, held_out=0)
    assert trained.loss is None
    assert trained.history == []


def test_divergence_without_a_loss_is_told():
    """Without held-out sentences the vectors themselves show that they are not finite."""
    with pytest.raises(CarouselError, match=r"diverged: some vectors are not finite.*smaller lr"):
        embed(planted(600), **{**SMALL, "combine": "sum", "method": "cbow", "lr": 1e9, "held_out": 0})


def test_an_accent_is_found_by_both_spellings():
    """Words of the text and words that are asked for are in NFC; invisible characters do not hide a word."""
    trained = embed(["un cafe\u0301 noir", "un caf\u00e9 noir"] * 30, **SMALL, held_out=0)
    assert len(trained.vectors) == 3
    assert trained.vectors.counts.tolist() == [60, 60, 60]
    for asked in ("cafe\u0301", "caf\u00e9", "\ufeffcaf\u00e9", "ca\u00adfe\u0301"):
        assert trained.vectors.index(asked) == trained.vectors.index("caf\u00e9")
    more = trained.train_more(["la cafe\u0301 la"] * 9)
    assert more.vectors.counts[more.vectors.index("caf\u00e9")] == 69


def test_neither_torch_nor_tokenizers_is_loaded():
    """Training and asking need NumPy alone."""
    code = (
        "import carousel, sys\n"
        "e = carousel.embed([['a', 'b']] * 9, epochs=1, threads=1)\n"
        "e.vectors.nearest('a')\n"
        "print([m for m in ('torch', 'tokenizers', 'matplotlib') if m in sys.modules])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_public_names():
    """The names of this room are the package's."""
    assert carousel.embed is embed
    assert carousel.Embedding is Embedding
    assert carousel.EmbeddingConfig is EmbeddingConfig
