"""From text to one array of word ids, with boundaries of sentences; a large one lies in a mapped file."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from carousel import _core
from carousel.data.documents import check_text, not_utf8
from carousel.data.files import Found, search, standard_library
from carousel.data.opening import decompressed
from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.id_store import IdStore
from carousel.embeddings.normalization import visible
from carousel.embeddings.progress import MissingResult, Reading
from carousel.embeddings.word_counts import WordCounts, choose
from carousel.errors import CarouselError, shown
from carousel.progress import Observer, Stage, silent

Source = str | Path | Iterable[Any] | None

SENTENCE_END = _core.embedding.SENTENCE_END
_DROPPED = -1
_CHUNK = 1 << 22  # bytes read at a time
_SNIFFED = 8192  # bytes in which a binary file has a zero
_CHECKED = 1 << 22  # ids checked together
_SENTENCES = 10_000  # of an iterable, taken at a time
_LONGEST_NAME = 255  # characters in the name of a file


@dataclass(frozen=True)
class Corpus:
    """A text without its rare words."""

    ids: np.ndarray  # (N,) int32, rows of the vocabulary, SENTENCE_END between sentences
    vocabulary: WordCounts
    tokens: int  # words of the text, rare ones included

    def cut(self, longest: int) -> "Corpus":
        """The same text, with sentences cut to at most `longest` words."""
        ends = np.flatnonzero(np.append(self.ids, SENTENCE_END) == SENTENCE_END)
        begins = np.concatenate([[0], ends[:-1] + 1])
        long = np.flatnonzero(ends - begins > longest)
        if not len(long):
            return self
        places = [np.arange(begins[k] + longest, ends[k], longest) for k in long]
        ids = np.insert(self.ids, np.concatenate(places), SENTENCE_END).astype(np.int32)
        return Corpus(ids, self.vocabulary, self.tokens)


@dataclass(frozen=True)
class Text:
    """A text with all its words, numbered by first occurrence."""

    ids: np.ndarray  # (N,) int32
    counts: np.ndarray  # of each word
    tokeniser: Any
    pairs: list[tuple[int, int]]  # words that were joined to a phrase

    def words(self, numbers: np.ndarray) -> list[str]:
        """The words with these numbers."""
        plain = len(self.tokeniser)
        if not len(numbers) or numbers.max() < plain:
            return self.tokeniser.words(numbers.tolist())
        first = self.tokeniser.words(list(range(plain)))
        for a, b in self.pairs:
            first.append(f"{first[a]}_{first[b]}")
        return [first[k] for k in numbers]

    def with_phrases(self, min_count: int, threshold: float) -> "Text":
        """The text with pairs that occur together far more often than by chance joined to words of their own."""
        pairs, counts, length = _core.embedding.join_phrases(self.ids, self.counts, min_count, threshold)
        joined = [(int(a), int(b)) for a, b in pairs.reshape(-1, 2)]
        text = Text(self.ids[:length], counts, self.tokeniser, self.pairs + joined)
        return text.without_doubles()

    def without_doubles(self) -> "Text":
        """The text with equal words under one number: it may have new_york already, or join a_b_c in two ways."""
        first: dict[str, int] = {}
        numbers = np.array(
            [first.setdefault(word, k) for k, word in enumerate(self.words(np.arange(len(self.counts))))],
            dtype=np.int32,
        )
        counts = np.zeros_like(self.counts)
        np.add.at(counts, numbers, self.counts)
        length = _core.embedding.renumber(self.ids, numbers)
        return Text(self.ids[:length], counts, self.tokeniser, self.pairs)

    def corpus(self, numbers: np.ndarray, vocabulary: WordCounts) -> Corpus:
        """The text in the numbers of a vocabulary; the array is changed in place."""
        length = _core.embedding.renumber(self.ids, numbers)
        _check_windows(self.ids[:length])
        return Corpus(self.ids[:length], vocabulary, int(self.counts.sum()))


def load_corpus(source: Source, config: EmbeddingConfig, on_progress: Observer = silent) -> Corpus:
    """Read the text of a source (see `embed`), choose the vocabulary, and number the text by it.

    Raises CarouselError for a missing or broken file, no text, and no words that are frequent enough.
    """
    text = read_text(source, config, on_progress)
    kept = choose(text.counts, config)
    numbers = np.full(len(text.counts), _DROPPED, dtype=np.int32)
    numbers[kept] = np.arange(len(kept), dtype=np.int32)
    return text.corpus(numbers, WordCounts(text.words(kept), text.counts[kept]))


def load_more(
    source: Source, config: EmbeddingConfig, old: WordCounts, on_progress: Observer = silent
) -> tuple[Corpus, np.ndarray]:
    """(new text, (V,) the row of each word in `old`, or -1): the vocabulary grows by the words of the new text.

    Counts are added up. Old words stay, whether or not they occur again; new words join by the limits of `config`.
    """
    text = read_text(source, config, on_progress)
    place = {word: k for k, word in enumerate(old.words)}
    words = text.words(np.arange(len(text.counts)))
    known = np.array([place.get(word, -1) for word in words])  # of each word of the text its row in `old`
    order = np.argsort(-text.counts, kind="stable")
    fresh = order[(known[order] < 0) & (text.counts[order] >= config.least)]
    if config.max_vocabulary is not None:
        fresh = fresh[: max(0, config.max_vocabulary - len(old))]
    total = np.concatenate([old.counts, text.counts[fresh]])
    np.add.at(total, known[known >= 0], text.counts[known >= 0])
    ranks = np.argsort(-total, kind="stable")  # (V) in `old`, then `fresh`
    place_of = np.empty(len(ranks), dtype=np.int32)
    place_of[ranks] = np.arange(len(ranks), dtype=np.int32)
    numbers = np.full(len(text.counts), _DROPPED, dtype=np.int32)
    numbers[known >= 0] = place_of[known[known >= 0]]
    numbers[fresh] = place_of[len(old) :]
    all_words = old.words + [words[k] for k in fresh]
    corpus = text.corpus(numbers, WordCounts([all_words[k] for k in ranks], total[ranks]))
    return corpus, np.where(ranks < len(old), ranks, -1)


def read_text(source: Source, config: EmbeddingConfig, on_progress: Observer) -> Text:
    """All tokens of the source; with `phrases`, frequent pairs are joined."""
    tokeniser, store = _tokenise(source, config, on_progress)
    text = Text(store.whole(), tokeniser.counts(), tokeniser, [])
    if not len(text.counts):
        raise CarouselError(
            "the text must have words; none were found. Give other files, or another option tokens."
        )
    for number in range(config.phrases):
        on_progress(Stage(f"joining phrases, pass {number + 1} of {config.phrases}"))
        more = text.with_phrases(config.least, config.phrase_threshold)
        if len(more.pairs) == len(text.pairs):
            break  # as in every later pass
        text = more
    return text


def _check_windows(ids: np.ndarray) -> None:
    """Raise CarouselError for a text without two words in one sentence: no word has a neighbour to learn from."""
    for begin in range(0, len(ids), _CHECKED):
        words = ids[begin : begin + _CHECKED + 1] >= 0
        if (words[1:] & words[:-1]).any():
            return
    raise CarouselError(
        "a sentence must have two frequent words or more, since words are learned from their neighbours; each of the "
        f"{int((ids >= 0).sum()):,} sentences has one. If a list of words is one text, pass it in a list: [words]. "
        'For files with a word on each line, pass sentences="file" (--sentences file).'
    )


def _tokenise(source: Source, config: EmbeddingConfig, on_progress: Observer) -> tuple[Any, IdStore]:
    """(the tokeniser with all words and counts, the text in the tokeniser's numbers)."""
    files = _files(source, config)
    config = config.settled(source is None and not config.paths)
    lowers = config.tokens == "words"
    tokeniser = _core.embedding.Tokeniser(config.tokens, config.sentences)
    store = IdStore()

    def feed(text: str) -> None:
        tokeniser.feed(visible(text.lower() if lowers else text).encode("utf-8", "replace"))

    def take(done: float | None) -> None:
        store.append(tokeniser.take())
        on_progress(Reading(len(store), len(tokeniser), done))

    if files is not None:
        for done, text in _chunks(files, on_progress):
            tokeniser.end_sentence() if text is None else feed(text)
            take(done)
    else:
        for number, sentence in enumerate(cast("Iterable[Any]", source)):
            if isinstance(sentence, str):
                feed(sentence)
            else:
                _add_tokens(tokeniser, sentence, number)
            tokeniser.end_sentence()
            if number % _SENTENCES == 0:
                take(None)
    take(1.0)
    return tokeniser, store


def _add_tokens(tokeniser: Any, sentence: Any, number: int) -> None:
    try:
        for token in sentence:
            if word := visible(token).strip():
                tokeniser.add(word.encode("utf-8", "replace"))
    except (TypeError, AttributeError):
        raise CarouselError(
            f"a sentence must be a string or a list of strings; sentence {number} is {shown(sentence)}."
        ) from None


def _files(source: Source, config: EmbeddingConfig) -> list[Found] | None:
    """The files of a source; None for an iterable of sentences."""
    if source is None:
        if config.paths:
            return _search(config.paths)
        return [Found(path, path.name, True) for path in _language()]
    if isinstance(source, str | Path):
        return _search([source])
    if isinstance(source, list | tuple) and source and all(isinstance(one, Path) for one in source):
        return _search(source)
    if not isinstance(source, Iterable) or isinstance(source, bytes | bytearray):
        raise CarouselError(
            f"a source must be a path, a list of Path objects or an iterable of sentences; got {type(source).__name__}."
        )
    return None


def _search(paths: Sequence[str | Path]) -> list[Found]:
    """The files of paths; raises CarouselError for a text in place of a path."""
    for path in map(str, paths):
        if re.search(f"[\n\r\0]|[^/]{{{_LONGEST_NAME + 1}}}", path):
            raise CarouselError(
                f"a string must be a path, and no file can have this one; got {shown(path)}. To train on the text "
                "itself, pass its lines: text.splitlines()."
            )
    return search(paths)


def _language() -> list[Path]:
    """The standard library without its graphical programs and without the converter of old code.

    These write of keys that are pressed and of patterns, which hides what a key of a dict is: with them, values is the
    13th nearest word of keys; without them and without rare names, it is the 2nd.
    """
    programs = {"idlelib", "tkinter", "lib2to3", "turtledemo"}
    return [path for path in standard_library() if not programs.intersection(path.parts)]


def _chunks(files: list[Found], on_progress: Observer) -> Iterator[tuple[float | None, str | None]]:
    """(share of all bytes read, text that ends between two words; None at the end of a file)."""
    left_out: list[Path] = []
    total = sum(found.size for found in files)
    before = 0
    for found in files:
        if not found.explicit and not _is_text(found):
            left_out.append(found.path)
        else:
            for at, text in _file_chunks(found):
                yield (before + at) / total if total else None, text
        before += found.size
        yield before / total if total else None, None
    if left_out:
        on_progress(
            MissingResult(
                f"left out {len(left_out):,} of {len(files):,} files that are not text in UTF-8, such as {left_out[0]}"
            )
        )


def _is_text(found: Found) -> bool:
    """Whether a file that was not named itself is UTF-8 from its beginning to its end."""
    try:
        for _ in _file_chunks(found):
            pass
    except CarouselError:
        return False
    return True


def _file_chunks(found: Found) -> Iterator[tuple[int, str]]:
    """(bytes read, text); raises CarouselError for a file that is not text in UTF-8."""
    offset = 0
    with decompressed(found.path) as (file, raw):
        for data in _whole_lines(file):
            if offset == 0:
                check_text(data[:_SNIFFED], found.path)
            offset += len(data)
            try:
                yield raw.tell() if raw.seekable() else 0, data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise not_utf8(found.path, error, offset) from None


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Chunks that end after white space, so that no token is cut."""
    rest: list[bytes] = []
    while data := file.read(_CHUNK):
        end = max(data.rfind(b"\n"), data.rfind(b" ")) + 1
        if end:
            yield b"".join([*rest, data[:end]])
            rest = []
        rest.append(data[end:])
    if any(rest):
        yield b"".join(rest)
