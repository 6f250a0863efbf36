"""Byte pairs as symbols."""

from carousel.data import Document, fit_vocabulary

TEXT = "low lower lowest newer newest wide wider widest " * 20


def test_frequent_strings_become_one_symbol() -> None:
    """Merging shortens the text, down to the asked-for number of symbols."""
    small, large = (fit_vocabulary("bpe", [Document("1", TEXT)], size) for size in (257, 275))
    assert (small.size, large.size) == (257, 275)
    assert len(small.encode(TEXT)) == len(TEXT)
    assert len(large.encode(TEXT)) < len(TEXT) / 2
    assert " newest" in large.symbols


def test_every_byte_is_a_symbol_and_no_text_is_unknown() -> None:
    """Scripts that train never showed are spelled in bytes, even when asked to be strict."""
    vocabulary = fit_vocabulary("bpe", [Document("1", TEXT)])
    assert {bytes([byte]) for byte in range(256)} <= set(vocabulary.symbol_bytes)
    text = "\U0001f3a0 Ünïcödé 漢字 \0"
    assert vocabulary.decode(vocabulary.encode(text, strict=True)) == text


def test_a_character_is_printed_when_its_last_byte_has_come() -> None:
    """Half a character is never shown; at the end or before a boundary it becomes a replacement character."""
    vocabulary = fit_vocabulary("bpe", [Document("1", TEXT)])
    ids = vocabulary.encode("a\U0001f3a0b").tolist()
    assert list(vocabulary.decode_stream(ids)) == ["a", "\U0001f3a0", "b"]
    assert vocabulary.decode(ids[:3]) == "a\ufffd"
    assert vocabulary.decode([*ids[:3], 0, ids[-1]]) == "a\ufffdb"
    assert vocabulary.symbols[ids[1]] == "\\xf0"


def test_no_merge_crosses_a_document_or_spells_the_boundary() -> None:
    """The boundary is a number that no text can produce."""
    vocabulary = fit_vocabulary("bpe", [Document("1", "<eod><eod><eod>" * 50)])
    assert 0 not in vocabulary.encode("<eod>")
    assert vocabulary.decode(vocabulary.encode("<eod>")) == "<eod>"
