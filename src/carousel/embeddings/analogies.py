"""Analogies as a test of vectors: Athens is to Greece as Oslo is to which word (Mikolov et al. 2013)?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from carousel.embeddings import neighbours
from carousel.embeddings.cases import Lookup
from carousel.embeddings.questions import lines
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown
from carousel.shown import Shown, Table, percent

SYNTACTIC = "gram"  # how the names of syntactic sections begin, by word2vec's convention
COMMENTS = ("//", "# ")
Answered = Callable[[int, int], None]  # is given the questions done, and all of them


@dataclass(frozen=True)
class Section:
    """How many questions were answered: `correct` of `known`; in `unknown` others a word has no vector."""

    name: str
    correct: int
    known: int
    unknown: int

    @property
    def questions(self) -> int:
        """All that were asked."""
        return self.known + self.unknown

    @property
    def accuracy(self) -> float:
        """Share of the known questions that was answered; NaN without one."""
        return self.correct / self.known if self.known else float("nan")

    @property
    def accuracy_of_all(self) -> float:
        """Share of all questions, the unknown ones as failed; NaN without one."""
        return self.correct / self.questions if self.questions else float("nan")

    @property
    def unknown_share(self) -> float:
        """Share of the questions that hold an unknown word; NaN without a question."""
        return self.unknown / self.questions if self.questions else float("nan")


@dataclass(frozen=True)
class AnalogyScore(Shown):
    """The sections of a file of questions, and their sums."""

    sections: tuple[Section, ...]

    @property
    def semantic(self) -> Section:
        """Sections whose names do not begin with "gram"."""
        return _sum("semantic", [each for each in self.sections if not each.name.startswith(SYNTACTIC)])

    @property
    def syntactic(self) -> Section:
        """Sections whose names begin with "gram"."""
        return _sum("syntactic", [each for each in self.sections if each.name.startswith(SYNTACTIC)])

    @property
    def total(self) -> Section:
        """All sections."""
        return _sum("total", self.sections)

    def table(self) -> Table:
        """A row for each section and for their sums."""
        return Table(
            ("section", "answered", "of", "right", "unknown"),
            [
                (
                    each.name,
                    f"{each.correct:,}",
                    f"{each.known:,}",
                    percent(each.accuracy),
                    percent(each.unknown_share),
                )
                for each in (*self.sections, self.semantic, self.syntactic, self.total)
            ],
        )


def evaluate(
    vectors: Vectors,
    path: str | Path,
    *,
    method: str = "3cosadd",
    restrict: int | None = 300_000,
    case: bool = False,
    progress: Answered | None = None,
) -> AnalogyScore:
    """Answer the questions of a file in word2vec's format: lines `: section`, then lines of four words.

    An answer is right if the nearest word, but for the three of the question, is the fourth. `restrict`
    answers (and knows) only the first so many words, the most frequent; unless `case` counts, words
    that differ in case alone are one. With these defaults the numbers are those of gensim and word2vec.

    Raises CarouselError for a file that cannot be read, is not of this format, or has no question of known words.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "questions.txt"
    >>> _ = path.write_text(": royal\\nman king woman queen\\n")
    >>> words = ["man", "woman", "king", "queen"]
    >>> score = evaluate(Vectors(words, np.array([[1, 0], [1, 1], [2, 0.1], [2, 1.2]])), path)
    >>> score.total.correct, score.total.accuracy
    (1, 1.0)
    """
    score_of = neighbours.method(method)
    lookup = Lookup(vectors, restrict, case)
    names, sections, questions, unknown = _read(Path(path), lookup)
    if not questions:
        raise CarouselError(
            f"of the {sum(unknown):,} questions in {path} none has four words that have vectors; "
            "were these vectors trained on the same language?"
        )
    right = np.zeros(len(names), np.int64)
    asked = np.bincount(sections, minlength=len(names))
    rows = np.array(questions)
    end = len(lookup.words)
    matrix, scale = vectors.matrix[:end], vectors.lengths[:end]
    for part in neighbours.pieces(len(rows), 3 * end):
        units = neighbours.unit(np.asarray(matrix[rows[part]], np.float32).reshape(-1, vectors.dimension))
        a, b, c, _ = np.moveaxis(units.reshape(-1, 4, vectors.dimension), 1, 0)
        scores = score_of(matrix, scale, np.stack([b, c], 1), a[:, None])
        for number, (asked_rows, row) in enumerate(zip(rows[part], scores, strict=True), part.start):
            hidden = [same for word in asked_rows[:3] for same in lookup.alike.get(int(word), [int(word)])]
            row[hidden] = -np.inf
            right[sections[number]] += lookup.representatives[np.argmax(row)] == asked_rows[3]
        if progress is not None:
            progress(part.stop, len(rows))
    counts = zip(names, right.tolist(), asked.tolist(), unknown, strict=True)
    return AnalogyScore(tuple(Section(*each) for each in counts))


def _read(
    path: Path, lookup: Lookup
) -> tuple[list[str], list[int], list[tuple[int, int, int, int]], list[int]]:
    """Names of sections; the section and the four rows of each known question; unknown ones by section."""
    names: list[str] = []
    unknown: list[int] = []
    sections: list[int] = []
    questions: list[tuple[int, int, int, int]] = []
    for section, words in _questions(path):
        if section is not None:
            names.append(section)
            unknown.append(0)
            continue
        a, b, c, d = (lookup.row(word) for word in words)
        if a is None or b is None or c is None or d is None:
            unknown[-1] += 1
        else:
            sections.append(len(names) - 1)
            questions.append((a, b, c, d))
    return names, sections, questions, unknown


def _questions(path: Path) -> Iterator[tuple[str | None, Sequence[str]]]:
    """(name, no words) for each section, (None, four words) for each question."""
    named = False
    for number, line in enumerate(lines(path), 1):
        words = line.split()
        if not words or line.startswith(COMMENTS):
            continue
        if words[0].startswith(":"):
            named = True
            yield line.strip().lstrip(":").strip(), ()
        elif len(words) == 4:
            if not named:
                named = True
                yield path.stem, ()
            yield None, words
        else:
            raise CarouselError(
                f"a line of analogies is four words, or a colon and the name of a section: line {number:,} of {path} "
                f"is {shown(line)}."
            )


def _sum(name: str, sections: Sequence[Section]) -> Section:
    return reduce(
        lambda one, other: Section(
            name, one.correct + other.correct, one.known + other.known, one.unknown + other.unknown
        ),
        sections,
        Section(name, 0, 0, 0),
    )
