"""What the page on words as vectors says."""

from __future__ import annotations

from carousel.embeddings import Vectors
from carousel.embeddings.word_map import word_map
from carousel.emit import formula
from carousel.lab.diagrams import cell, one_hot_product
from carousel.lab.figures import chart
from carousel.lab.formulas import CBOW, TDNN, SkipGram, cell_formulas, static_formula
from carousel.lab.words.measure import CONTEXTS, LONGER, MAPPED, VOCABULARY, Learned, Measurements
from carousel.report.charts import Points, Scatter
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table
from carousel.report.number_format import count, number, power

MARGIN = 0.1  # related words are near each other if their mean cosine is larger by more
WELL = 0.5  # a model has learned well if its perplexity is below this share of that of word frequencies
PROJECTED, ONE_HOT = "GRU, projection", "GRU, one-hot"


def findings(found: Measurements) -> Findings:
    """The claims about one-hot vectors, projections and the TDNN, and the figures behind them."""
    sections = [
        _map_section(found),
        _product_section(found.projections["skip-gram"]),
        _network_section(),
        _model_section(found),
        _context_section(found),
    ]
    equations = {
        "TDNN, N = 4: x is a one-hot word, p1 a projection, z the scores of the next word": formula.text(
            TDNN().equations
        ),
        **cell_formulas({"GRU": "gru"}),
        "Skip-gram: v is a word's vector, u that of a word beside it, n a negative sample": static_formula(
            SkipGram(), True
        ),
        "CBOW: the mean of the vectors of the words around": static_formula(CBOW(), True),
    }
    claims = [_distance_claim(found), _waste_claim(found), _tdnn_claim(found)]
    return Findings(claims, sections, equations)


def _has_learned(found: Measurements, model: Learned) -> bool:
    """Is the model better than word frequencies alone? If not, training ended too early to compare it."""
    return model.perplexity < found.frequency_perplexity


def _near(found: Measurements, projection: str) -> bool | None:
    """Does this projection bring related words near each other? None if its TDNN has not been trained for long."""
    near = found.cosines[projection].related > found.cosines[projection].other + MARGIN
    left = found.models[LONGER].perplexity / found.frequency_perplexity
    if projection != "TDNN, N = 4" or left < (1.0 if near else WELL):
        return near
    return None


def _distance_claim(found: Measurements) -> Claim:
    cases = {name: _near(found, name) for name in found.projections}
    one_hot, skip_gram = found.distances["one-hot"], found.distances["skip-gram"]
    return Claim.judged(
        "One-hot vectors make no assumptions about words: all are equally far apart. A projection brings related "
        "words together.",
        cases.values(),
        {
            "nearest two one-hot vectors": number(one_hot.nearest, 4),
            "farthest two one-hot vectors": number(one_hot.farthest, 4),
            "nearest two skip-gram vectors of length 1": number(skip_gram.nearest, 2),
            "farthest two skip-gram vectors of length 1": number(skip_gram.farthest, 2),
        }
        | {
            f"mean cosine of {which} words, {name}": number(getattr(cosines, which))
            for name, cosines in found.cosines.items()
            for which in ("related", "other")
        },
        f"Related words, such as append and extend, are near each other if their cosine is larger by {MARGIN:g}.",
        f"the projection is that of {' or '.join(name for name, near in cases.items() if near)}",
    )


def _waste_claim(found: Measurements) -> Claim:
    projected, one_hot = found.models[PROJECTED], found.models[ONE_HOT]
    comparable = _has_learned(found, projected) and _has_learned(found, one_hot)
    return Claim.judged(
        "One-hot vectors are wasteful, and PW is a linear transform of them.",
        [projected.parameters < one_hot.parameters, projected.perplexity <= one_hot.perplexity]
        if comparable
        else [None],
        {
            "difference between PW times a one-hot vector and the look-up": power(found.product_error),
            **{f"{name}: parameters": count(found.models[name].parameters) for name in (PROJECTED, ONE_HOT)},
            **{
                f"{name}: held-out perplexity": number(found.models[name].perplexity, 0)
                for name in (PROJECTED, ONE_HOT)
            },
        },
        "" if comparable else _too_short(found),
        "parameters count for more than the loss",
    )


def _too_short(found: Measurements) -> str:
    return (
        "At this budget their order says nothing, since not all of them are better than word frequencies alone, with "
        f"a perplexity of {number(found.frequency_perplexity, 0)}."
    )


def _tdnn_claim(found: Measurements) -> Claim:
    names = [*(f"TDNN, N = {n}" for n in CONTEXTS), LONGER, PROJECTED]
    predicts = any(_has_learned(found, found.models[f"TDNN, N = {n}"]) for n in CONTEXTS)
    near, cosines = _near(found, "TDNN, N = 4"), found.cosines["TDNN, N = 4"]
    return Claim.judged(
        "The TDNN predicts each word from the past N words, and learns projections on the way.",
        [True, near] if predicts and near is not None else [None],
        {f"held-out perplexity of the {name}": number(found.models[name].perplexity, 0) for name in names}
        | {
            "held-out perplexity of word frequencies alone": number(found.frequency_perplexity, 0),
            "mean cosine of related words": number(cosines.related),
            "mean cosine of other words": number(cosines.other),
        },
        f"{_order(found)} The cosines are those of the TDNN that is trained longer.",
        "the claim is about predicting alone",
    )


def _order(found: Measurements) -> str:
    """The best context, or why the contexts cannot be compared."""
    tdnns = {n: found.models[f"TDNN, N = {n}"] for n in CONTEXTS}
    if not all(_has_learned(found, model) for model in tdnns.values()):
        return _too_short(found)
    best = min(tdnns, key=lambda n: tdnns[n].perplexity)
    return f"After {count(found.steps)} steps N = {best} has the lowest perplexity."


def _product_section(vectors: Vectors) -> Section:
    words = [
        word
        for word in ("append", "extend", "keys", "true", "if", "else", "open", "close")
        if word in vectors
    ]
    table = [[float(vectors[word][row]) for word in words] for row in range(8)]
    picture = one_hot_product("The first 8 rows of PW, for a few words, by skip-gram", table, words, 2)
    caption = (
        "Orange is positive and blue negative. A one-hot vector picks the column of its word, so that the product is a "
        "look-up."
    )
    text = (
        "A one-hot vector is 1 at its word and 0 elsewhere, so that no word is nearer to another than the rest. In the "
        "projection PW each word has a column of its own."
    )
    return Section("A projection of one-hot vectors", text, [Figure(picture, caption)])


def _network_section() -> Section:
    pictures = {
        "TDNN, N = 4": cell(TDNN().equations, "The TDNN"),
        "skip-gram": cell(SkipGram().equations, "Skip-gram with one negative sample", time=False),
        "CBOW": cell(CBOW().equations, "CBOW with one negative sample", time=False),
    }
    caption = (
        "Drawn from the equations. The TDNN reads the one-hot word x_t and three earlier projections, and scores the "
        "next word. Skip-gram lets the vector v of a word score a word u beside it and a drawn word n. CBOW does so by "
        "the mean of the words around."
    )
    return Section("The networks", "", [Slider("network", pictures, caption)])


def _model_section(found: Measurements) -> Section:
    rows = [
        [name, count(model.parameters), number(model.milliseconds, 1), number(model.perplexity, 0)]
        for name, model in found.models.items()
    ]
    rows.append(["word frequencies alone", "", "", number(found.frequency_perplexity, 0)])
    table = Table(
        ["", "parameters", "ms a training step", "held-out perplexity"],
        rows,
        "A training step reads 16 windows of 32 words.",
    )
    samples = Table(
        ["", "a written sample"],
        [[name, text] for name, text in found.samples.items()],
        "Each model writes on from the word “def”, at a temperature of 0.8.",
    )
    return Section(
        "Language models of the same text",
        f"The vocabulary has the {count(VOCABULARY - 1)} most frequent words and one entry for all rare words. Each "
        f"model takes {count(found.steps)} steps. The one that is trained longer takes {count(found.longer)}.",
        [table, samples],
    )


def _context_section(found: Measurements) -> Section:
    values = [found.models[f"TDNN, N = {n}"].perplexity for n in CONTEXTS]
    gru = found.models[PROJECTED].perplexity
    drawn = chart(
        "Held-out perplexity of the TDNN by its context",
        ("N, words in the context", "held-out perplexity"),
        list(CONTEXTS),
        {"TDNN": values},
        dots=True,
        levels=[("GRU", gru)],
        y_range=(0.9 * min(*values, gru), 1.05 * max(*values, gru)),
    )
    caption = (
        f"{_order(found)} Every further word of context costs parameters. The recurrent network has no N."
    )
    return Section("How many past words?", "", [Figure(drawn, caption)])


def _map_section(found: Measurements) -> Section:
    drawings = {name: _map(name, vectors) for name, vectors in found.projections.items()}
    caption = (
        "The same words in the first two principal directions of each projection. The table below tells how much "
        "nearer words of one kind lie in all directions."
    )
    cosines = Table(
        ["", "related words", "other words"],
        [[name, number(each.related), number(each.other)] for name, each in found.cosines.items()],
        "Mean cosine of two words on the map, of one kind (append, extend, …) and of different kinds.",
    )
    nearest = Table(
        ["word, projection", "nearest words"],
        [
            [f"{word}, {name}", _neighbours(vectors, word)]
            for word in ("append", "keys", "true", "for", "raise")
            for name, vectors in found.projections.items()
        ],
        "By cosine, in all directions of a projection.",
    )
    return Section(
        "A map of words",
        "CBOW and skip-gram read the words on both sides, and the TDNN only those before. The map shows the TDNN that "
        f"was trained for {count(found.longer)} steps.",
        [Slider("projection", drawings, caption, "skip-gram"), cosines, nearest],
    )


def _map(name: str, vectors: Vectors) -> Scatter:
    words = [word for word in MAPPED if word in vectors]
    placed = word_map(vectors, words=words, method="pca")
    return Scatter(
        f"Words by {name}",
        f"{len(words)} words in the first two of {vectors.dimension} principal directions",
        "first direction",
        "second direction",
        [Points("", placed.x.tolist(), placed.y.tolist(), "s1", words=placed.words)],
        height=400,
    )


def _neighbours(vectors: Vectors, word: str) -> str:
    if word not in vectors:
        return "not in the vocabulary"
    return ", ".join(near.word for near in vectors.nearest(word, top=4))
