"""The held-out loss of texts that have few sentences: there is one, or it is told why not."""

import pytest
from embeddings.planted import planted

from carousel import CarouselError, embed
from carousel.progress import Note, silent

SMALL = {"dimension": 20, "window": 3, "sample": 0.0, "epochs": 5, "threads": 1}
SENTENCES = ["the red fox runs fast", "the blue bird flies high", "a red bird runs", "a blue fox flies"] * 60
ONE_LINE = " ".join(" ".join(sentence) for sentence in planted(800))


def notes(events: list) -> str:
    return "; ".join(event.message for event in events if isinstance(event, Note))


def test_one_long_line_has_a_loss_and_patience():
    """Of a text without line ends, parts are kept out of training; the loss is watched, and patience stops."""
    events = []
    trained = embed(
        [ONE_LINE], **{**SMALL, "epochs": 60, "lr": 0.2, "patience": 3}, on_progress=events.append
    )
    assert "are held out for the loss" in notes(events)
    assert trained.position.reason == "patience"
    assert trained.loss == min(loss for _, loss in trained.history)
    assert len(trained.history) >= 4


def test_a_text_too_short_for_a_loss_is_told():
    """Without a sentence to spare, that there is no loss is told, and patience is refused."""
    events = []
    short = [" ".join(ONE_LINE.split()[:90])]
    trained = embed(short, **{**SMALL, "min_count": 1}, on_progress=events.append)
    assert trained.loss is None
    assert notes(events) == "there is no held-out loss: the text has too few sentences to hold one out"
    with pytest.raises(CarouselError, match="patience needs a held-out loss; the text has too few"):
        embed(short, **{**SMALL, "min_count": 1, "patience": 1})


def test_what_is_missing_is_warned_of_where_nobody_watches(tmp_path):
    """Files left out and a loss that cannot be estimated are warned of, when training goes on too; observers see."""
    (tmp_path / "a.txt").write_text(" ".join(ONE_LINE.split()[:90]), encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("größer\n".encode("latin-1"))
    options = {**SMALL, "min_count": 1}
    with pytest.warns(UserWarning, match="left out|no held-out loss") as told:
        trained = embed(tmp_path, **options)
    assert [str(each.message) for each in told] == [
        f"left out 1 of 2 files that are not text in UTF-8, such as {tmp_path / 'latin.txt'}",
        "there is no held-out loss: the text has too few sentences to hold one out",
    ]
    with (
        pytest.warns(UserWarning, match="left out 1 of 2 files"),
        pytest.warns(UserWarning, match="no held-out loss"),
    ):
        trained.train_more(tmp_path)
    embed(tmp_path, **options, on_progress=silent)  # pytest makes errors of warnings


def test_subsampling_that_leaves_no_loss_is_told():
    """Held-out sentences of which subsampling leaves single words give no loss: told once, or patience is refused."""
    events = []
    options = {**SMALL, "min_count": 1, "sample": 1e-12}
    assert embed(SENTENCES, **options, on_progress=events.append).loss is None
    assert notes(events).count("subsampling leaves no two neighbouring words") == 1
    with pytest.raises(CarouselError, match="patience needs a held-out loss; subsampling"):
        embed(SENTENCES, **options, patience=1)


def test_a_text_of_many_sentences_is_held_out_as_ever():
    """Nothing is cut and nothing told where the share holds sentences out."""
    events = []
    embed(planted(), **SMALL, on_progress=events.append)
    assert notes(events) == ""
