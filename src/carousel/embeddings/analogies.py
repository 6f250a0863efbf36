"""Analogies as a test of vectors: Athens is to Greece as Oslo is to which word (Mikolov et al. 2013)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carousel.embeddings import neighbours
from carousel.embeddings.lookup import Lookup
from carousel.errors import CarouselError, shown
from carousel.progress import Observer, Progress
from carousel.shown import Shown, Table, percent

SYNTACTIC = "gram"  # how the names of syntactic sections begin, by word2vec's convention
COMMENTS = ("//", "# ")


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
    lookup: Lookup, lines: Sequence[str], path: Path, method: str, on_progress: Observer
) -> AnalogyScore:
    """Answer the questions in the lines of a file: `: section`, then lines of four words.

    An answer is right if the nearest word, except for the three of the question, is the fourth.
    """
    score_of = neighbours.method(method)
    names, sections, questions, unknown = _parse(lines, path, lookup)
    if not questions:
        raise CarouselError(
            f"at least one question must have four words with vectors; {path} has {sum(unknown):,} questions and none "
            "of them has. Give vectors that were trained on the language of the file."
        )
    right = np.zeros(len(names), np.int64)
    asked = np.bincount(sections, minlength=len(names))
    rows = np.array(questions)
    end, dimension = len(lookup.words), lookup.vectors.dimension
    matrix, scale = lookup.vectors.matrix[:end], lookup.vectors.lengths[:end]
    for part in neighbours.row_slices(len(rows), 3 * end):
        units = neighbours.unit(np.asarray(matrix[rows[part]], np.float32).reshape(-1, dimension))
        a, b, c, _ = np.moveaxis(units.reshape(-1, 4, dimension), 1, 0)
        scores = score_of(matrix, scale, np.stack([b, c], 1), a[:, None])
        for number, (asked_rows, row) in enumerate(zip(rows[part], scores, strict=True), part.start):
            hidden = [same for word in asked_rows[:3] for same in lookup.alike.get(int(word), [int(word)])]
            row[hidden] = -np.inf
            right[sections[number]] += lookup.representatives[np.argmax(row)] == asked_rows[3]
        on_progress(Progress(path.name, part.stop / len(rows)))
    counts = zip(names, right.tolist(), asked.tolist(), unknown, strict=True)
    return AnalogyScore(tuple(Section(*each) for each in counts))


def _parse(
    lines: Sequence[str], path: Path, lookup: Lookup
) -> tuple[list[str], list[int], list[tuple[int, ...]], list[int]]:
    """Names of sections; the section and the four rows of each known question; unknown ones by section."""
    names: list[str] = []
    unknown: list[int] = []
    sections: list[int] = []
    questions: list[tuple[int, ...]] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or line.startswith(COMMENTS):
            continue
        if is_name := words[0].startswith(":"):
            name = line.strip().lstrip(":").strip()
        elif len(words) == 4:
            name = path.stem  # of questions before the first section
        else:
            raise CarouselError(
                f"a line of analogies must be four words, or a colon and the name of a section; line {number:,} of "
                f"{path} is {shown(line)}. Correct it or leave it out."
            )
        if is_name or not names:
            names.append(name)
            unknown.append(0)
        if is_name:
            continue
        rows = tuple(row for word in words if (row := lookup.row(word)) is not None)
        if len(rows) < 4:
            unknown[-1] += 1
        else:
            sections.append(len(names) - 1)
            questions.append(rows)
    return names, sections, questions, unknown


def _sum(name: str, sections: Sequence[Section]) -> Section:
    counts = ((each.correct, each.known, each.unknown) for each in sections)
    return Section(name, *map(sum, zip((0, 0, 0), *counts, strict=True)))
