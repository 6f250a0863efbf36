"""The results as text: in the terminal by Rich, and as Markdown. Losses are shown like wins."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.findings import COLUMNS, Finding
from bench.measure import Ratio
from bench.results import MODULE, OURS, Case, Results, pass_name
from bench.targets import targets

STYLES = {"faster": "green", "even": "yellow", "slower": "bold red"}


def milliseconds(seconds: float) -> str:
    """Three digits, as far as the measurement carries."""
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"


def ratio_text(ratio: Ratio) -> str:
    return f"{ratio.value:.2f}x {ratio.verdict} [{ratio.low:.2f}-{ratio.high:.2f}]"


def header(peers: list[str], backward: bool) -> list[str]:
    others = peers if backward else [MODULE, *peers]
    return ["(T, B, H)", f"{OURS} ms", "GFLOP/s", "of peak", *(f"{other} ms, {OURS} is" for other in others)]


def row(case: Case, peers: list[str], peak: float) -> list[str]:
    speed = case.gflops(OURS)
    cells = [str(case.shape), milliseconds(case.median(OURS)), f"{speed:.3g}", f"{speed / peak:.0%}"]
    return cells + [_against(case, other) for other in (peers if case.backward else [MODULE, *peers])]


def _against(case: Case, peer: str) -> str:
    return (
        f"{milliseconds(case.median(peer))}, {ratio_text(case.ratio(peer))}" if peer in case.seconds else "-"
    )


def all_peers(cases: list[Case]) -> list[str]:
    return list(dict.fromkeys(peer for case in cases for peer in case.peers))


def print_tables(results: Results, console: Console) -> None:
    """One table for each cell and pass of these results."""
    for title, backward, cases in results.groups():
        peers = all_peers(cases)
        table = Table(title=f"{title}, {pass_name(backward)}, float32", title_justify="left")
        for number, column in enumerate(header(peers, backward)):
            table.add_column(column, justify="right", no_wrap=number < 4)
        for case in cases:
            table.add_row(*(_coloured(text) for text in row(case, peers, results.peak)))
        console.print(table)


def _coloured(text: str) -> str:
    for verdict, style in STYLES.items():
        if f" {verdict} " in text:
            return f"[{style}]{escape(text)}[/]"
    return text


def summary(results: Results) -> list[str]:
    """How many comparisons went which way, and each one that was not won."""
    verdicts = results.verdicts()
    lines = [", ".join(f"{len(found)} {verdict}" for verdict, found in verdicts.items()) + "."]
    for verdict in ("slower", "even"):
        for case, peer, ratio in verdicts[verdict]:
            what = f"{case.title} at {case.shape}, {pass_name(case.backward)}, against {peer}"
            lines.append(f"{what}: {ratio_text(ratio)}")
    return lines


def markdown_tables(results: Results) -> str:
    parts = []
    for title, backward, cases in results.groups():
        peers = all_peers(cases)
        columns = header(peers, backward)
        rows = [columns, ["---:"] * len(columns), *(row(case, peers, results.peak) for case in cases)]
        lines = ["| " + " | ".join(_emphasised(cell) for cell in cells) + " |" for cells in rows]
        parts.append(f"### {title}, {pass_name(backward)}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _emphasised(text: str) -> str:
    return f"**{text}**" if " slower " in text else text


def all_findings(results: Results) -> list[Finding]:
    """The targets of the grid, then what the sections found."""
    return [*targets(results), *results.findings]


def print_findings(results: Results, console: Console) -> None:
    """Every target with what was measured and whether it holds."""
    findings = all_findings(results)
    if not findings:
        return
    table = Table(title="Targets, and what was measured", title_justify="left")
    for column in COLUMNS:
        table.add_column(column)
    for finding in findings:
        style = {True: "green", False: "bold red", None: ""}[finding.holds]
        table.add_row(*finding.row(), style=style)
    console.print(table)
    console.print(count_of(findings), highlight=False)


def count_of(findings: list[Finding]) -> str:
    given = [finding for finding in findings if finding.holds is not None]
    forbidden = sum(finding.is_forbidden and not finding.holds for finding in given)
    beyond = f" {forbidden} of the others are out of reach on this machine." if forbidden else ""
    return f"{sum(bool(finding.holds) for finding in given)} of {len(given)} targets hold.{beyond}"


def markdown_findings(results: Results) -> str:
    findings = all_findings(results)
    rows = [COLUMNS, ["---", "---", "---:", "---:", "---", "---"], *(finding.row() for finding in findings)]
    lines = [
        "| " + " | ".join(f"**{cell}**" if cell == "falls short" else cell for cell in row) + " |"
        for row in rows
    ]
    return f"{count_of(findings)}\n\n" + "\n".join(lines)
