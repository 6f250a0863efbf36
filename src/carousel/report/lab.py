"""The pages of the lab: an experiment's claims, equations, figures and verdicts in, one offline HTML file out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from markupsafe import Markup

from carousel.report.charts.line import Chart, svg
from carousel.report.charts.scatter import Scatter, scatter_svg
from carousel.report.template import render_template

_COVER = '<template id="cover">'  # as lab.html.j2 writes it


class Verdict(StrEnum):
    """What the measurement says about a claim."""

    HOLDS = "holds"
    CONDITIONAL = "holds only when"
    FAILS = "does not hold"
    UNDECIDED = "not decided at this budget"

    @classmethod
    def of(cls, cases: Iterable[bool | None]) -> Verdict:
        """The verdict on a claim that was measured in several cases; there is at least one.

        A case is True where the measurement agrees with the claim, False where it contradicts the claim, and None
        where it decides nothing, because training ended before there was anything to compare. A claim fails if no
        case agrees and most cases contradict it.

        Example:
            >>> Verdict.of([True, False, None])
            <Verdict.CONDITIONAL: 'holds only when'>
            >>> Verdict.of([False, None, None])
            <Verdict.UNDECIDED: 'not decided at this budget'>
        """
        found = Counter(cases)
        if found[True]:
            return cls.HOLDS if found[True] == found.total() else cls.CONDITIONAL
        return cls.FAILS if found[False] > found[None] else cls.UNDECIDED


@dataclass(frozen=True)
class Claim:
    """One claim of the lecture and the verdict on it.

    `evidence` has the measured numbers by what they are, and `remark` what is to be said beside them. `condition`
    completes the verdict "holds only when ..."; it is empty for every other verdict.
    """

    statement: str
    verdict: Verdict
    evidence: Mapping[str, str]
    remark: str = ""
    condition: str = ""

    @classmethod
    def judged(
        cls,
        statement: str,
        cases: Iterable[bool | None],
        evidence: Mapping[str, str],
        remark: str = "",
        condition: str = "",
    ) -> Claim:
        """The claim with the verdict of these cases; the condition is kept only if the verdict needs it.

        If no case contradicts a claim that holds under a condition, the remark says that the rest is not decided.
        """
        found = list(cases)
        verdict = Verdict.of(found)
        if verdict is not Verdict.CONDITIONAL:
            condition = ""
        elif False not in found:
            remark = f"The rest is {Verdict.UNDECIDED}. {remark}".rstrip()
        return cls(statement, verdict, evidence, remark, condition)

    @property
    def judgement(self) -> str:
        """The verdict with its condition, such as "holds only when w is not 1"."""
        return f"{self.verdict} {self.condition}".rstrip()


@dataclass(frozen=True)
class Diagram:
    """A picture that is no chart, as inline SVG."""

    title: str
    picture: Markup


Drawing: TypeAlias = Chart | Scatter | Diagram


@dataclass(frozen=True)
class Figure:
    """A picture and what to see in it."""

    drawing: Drawing
    caption: str


@dataclass(frozen=True)
class Grid:
    """Small charts in rows of so many, to be compared."""

    drawings: Sequence[Chart]
    columns: int
    caption: str

    @property
    def drawing(self) -> Chart:
        """The one that stands for all."""
        return self.drawings[0]


@dataclass(frozen=True)
class Slider:
    """Pictures by a value, of which a slider chooses one, and what to see in them; `start` is the value at first."""

    name: str
    drawings: Mapping[str, Chart] | Mapping[str, Scatter] | Mapping[str, Diagram]
    caption: str
    start: str = ""

    @property
    def place(self) -> int:
        """Where the slider is at first."""
        return list(self.drawings).index(self.start) if self.start else 0

    @property
    def drawing(self) -> Drawing:
        """The picture that a reader sees first."""
        return self.drawings[list(self.drawings)[self.place]]


@dataclass(frozen=True)
class Table:
    """Rows of numbers under a caption; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str


@dataclass(frozen=True)
class Formula:
    """Lines of a formula that no cell of Carousel holds: printed by the lecture, or corrected by hand."""

    name: str
    lines: str


@dataclass(frozen=True)
class Section:
    """One step of the argument: a text, then what was measured."""

    heading: str
    text: str
    shown: Sequence[Figure | Grid | Slider | Table | Formula] = ()


@dataclass(frozen=True)
class Findings:
    """All that an experiment found.

    `equations` are lines of text as the formula writer prints them. `cover` is the index of the section whose first
    picture represents the experiment in the gallery.
    """

    claims: Sequence[Claim]
    sections: Sequence[Section]
    equations: Mapping[str, str] = field(default_factory=dict)
    cover: int = 0

    @property
    def picture(self) -> Markup:
        """The cover, drawn small; empty if its section holds no picture."""
        shown = self.sections[self.cover].shown if self.sections else ()
        drawings = [each.drawing for each in shown if isinstance(each, Figure | Grid | Slider)]
        return draw(drawings[0], ("narrow",)) if drawings else Markup("")


@dataclass(frozen=True)
class LabPage:
    """The page of an experiment: its place in the lecture, what it found, and how long it ran in seconds."""

    name: str
    title: str
    chapter: str
    findings: Findings
    budget: str
    seconds: float


@dataclass(frozen=True)
class Entry:
    """What the gallery shows of an experiment."""

    name: str
    title: str
    chapter: str
    claims: Sequence[Claim]
    picture: Markup = field(default_factory=Markup)


def draw(drawing: Drawing, sizes: Sequence[str] = ("wide", "narrow")) -> Markup:
    """The picture as inline SVG, for a page and for a phone."""
    if isinstance(drawing, Diagram):
        return drawing.picture
    return scatter_svg(drawing, sizes) if isinstance(drawing, Scatter) else svg(drawing, sizes)


def cover_of(html: str) -> Markup:
    """The small picture that a page carries for the gallery; empty for a page without one."""
    _, _, after = html.partition(_COVER)
    return Markup(after.partition("</template>")[0])


def lab_page(page: LabPage) -> str:
    """One experiment as an HTML file that needs no network."""
    return render_template("lab.html.j2", page=page, kind=lambda shown: type(shown).__name__, draw=draw)


def lab_gallery(entries: Sequence[Entry], environment: Mapping[str, str]) -> str:
    """The index of the experiments, in the order given, grouped by chapter."""
    chapters: dict[str, list[Entry]] = {}
    for entry in entries:
        chapters.setdefault(entry.chapter, []).append(entry)
    verdicts = Counter(claim.verdict for entry in entries for claim in entry.claims)
    tally = [(verdict, verdicts[verdict]) for verdict in Verdict if verdicts[verdict]]
    return render_template("gallery.html.j2", chapters=chapters, tally=tally, environment=environment)
