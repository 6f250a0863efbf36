"""A text of the size of the Penn Treebank for timing: words by Zipf's law, in sentences; the same text every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WORDS = 10_000  # symbols in all: the end of a sentence, <unk> and the words
TOKENS = {"train": 929_589, "valid": 73_760, "test": 82_430}  # ends of sentences included
SENTENCE = 22  # tokens of a sentence, its end included, about


def write(folder: Path) -> None:
    """Write train.txt, valid.txt and test.txt, every word of the vocabulary in train."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    for part, number in TOKENS.items():
        (folder / f"{part}.txt").write_text(
            _text(number, random, every_word=part == "train"), encoding="ascii"
        )


def _text(tokens: int, random: np.random.Generator, every_word: bool) -> str:
    ranks = np.arange(1, WORDS)
    shares = 1 / ranks
    drawn = random.choice(len(ranks), tokens, p=shares / shares.sum())
    if every_word:
        drawn[random.choice(tokens, len(ranks), replace=False)] = np.arange(len(ranks))
    ends = random.random(tokens) < 1 / SENTENCE
    if every_word:
        ends[np.isin(np.arange(tokens), np.unique(drawn, return_index=True)[1])] = False
    ends[-1] = True
    names = np.array(["<unk>", *(f"w{rank}" for rank in ranks[1:])])
    pieces = np.where(ends, "\n", names[drawn])
    return " ".join(pieces.tolist()).replace(" \n ", "\n").replace(" \n", "\n")
