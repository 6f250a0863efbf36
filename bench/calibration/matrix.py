"""The outcomes as tables: the confusion matrix, and what the remedies did."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bench.calibration.recipes import HEALTHY

Z = 1.96  # of a confidence interval of 95 %


def summary(outcomes: Sequence[dict[str, Any]]) -> str:
    """Markdown: how many nets, the matrix, and a table of remedies."""
    healthy = [each for each in outcomes if each["label"] == HEALTHY]
    sick = [each for each in outcomes if each["label"] != HEALTHY]
    right = [each for each in sick if each["first"] == each["label"]]
    alarmed = [each for each in healthy if each["troubles"]]
    treated = [each for each in right if each["remedy"]]
    trained = [each for each in treated if each["treated"] == each["treated"]]  # not NaN
    mistakes = [each for each in sick if each["cause"] == "mistake"]
    text = [each for each in healthy if each["recipe"].endswith("on text")]
    lines = [
        f"{len(outcomes)} nets: {len(healthy)} healthy ({len(text)} of them trained on Python source), "
        f"{len(sick)} sick ({len(mistakes)} by mistakes in training).",
        "",
        f"- the true disease ranked first: {_share(right, sick)}",
        f"- healthy nets with any warning: {_share(alarmed, healthy)}",
        f"- the remedy moved the finding away: {_share([e for e in treated if e['helped']], treated)}; "
        f"no trouble of any kind was left in {_share([e for e in treated if e['well']], treated)}",
        f"- after the same training the treated net was better by 10 % in "
        f"{_share([e for e in trained if e['treated'] < 0.9 * e['untreated']], trained)}, and worse by 10 % in "
        f"{_share([e for e in trained if e['treated'] > 1.1 * e['untreated']], trained)}",
        "",
        *_matrix(outcomes),
        "",
        *_remedies(treated),
        "",
        *_rejections(outcomes),
    ]
    return "\n".join(lines)


def misses(outcomes: Iterable[dict[str, Any]]) -> str:
    """Every net that was judged wrongly or not helped, one a line."""
    wrong = [
        each
        for each in outcomes
        if (each["first"] != each["label"]) or (each["remedy"] and not each["helped"])
    ]
    return "\n".join(
        f"{each['label']}: {each['recipe']}, {each['cell']} {each['hidden']} x {each['layers']}, seed {each['seed']} "
        f"-> {', '.join(each['troubles']) or HEALTHY}; {each['remedy'] or 'no remedy'}, helped {each['helped']}"
        for each in wrong
    )


def _share(part: Sequence[Any], whole: Sequence[Any]) -> str:
    """With Wilson's interval (1927), which holds near 0 and 1 too."""
    n = len(whole)
    if not n:
        return "0 of 0"
    share, room = len(part) / n, Z**2 / n
    middle = (share + room / 2) / (1 + room)
    half = Z / (1 + room) * math.sqrt(share * (1 - share) / n + room / (4 * n))
    interval = f"95 % interval {100 * (middle - half):.1f} to {100 * (middle + half):.1f}"
    return f"{len(part)} of {n} ({100 * share:.1f} %, {interval})"


def _matrix(outcomes: Sequence[dict[str, Any]]) -> list[str]:
    names = {each[key] for each in outcomes for key in ("label", "first")} - {HEALTHY}
    order = (HEALTHY, *sorted(names))
    counts = Counter((each["label"], each["first"]) for each in outcomes)
    rows = [
        "| true, below; found first, right | " + " | ".join(order) + " |",
        "|---" * (len(order) + 1) + "|",
    ]
    return rows + [
        f"| {label} | " + " | ".join(str(counts[label, found] or "") for found in order) + " |"
        for label in order
    ]


def _rejections(outcomes: Sequence[dict[str, Any]]) -> list[str]:
    """How many nets were drawn of which the label was not true, by recipe, the rarest first."""
    vain: Counter[tuple[str, str]] = Counter()
    kept: Counter[tuple[str, str]] = Counter()
    first: Counter[tuple[str, str]] = Counter()
    for each in outcomes:
        key = each["label"], each["recipe"]
        kept[key] += 1
        vain[key] += each["vain"]
        first[key] += not each["vain"]
    drawn = {key: kept[key] + vain[key] for key in kept}
    rows = [
        f"Nets drawn: {sum(drawn.values())}; rejected, since the label was not true of them: {sum(vain.values())}.",
        "",
        "| label | recipe | drawn | rejected | kept | true of the first draw |",
        "|---|---|---|---|---|---|",
    ]
    return rows + [
        f"| {label} | {recipe} | {drawn[label, recipe]} | {vain[label, recipe]} | {kept[label, recipe]} | "
        f"{first[label, recipe]} |"
        for label, recipe in sorted(kept, key=lambda key: kept[key] / drawn[key])
        if vain[label, recipe]
    ]


def _remedies(treated: Sequence[dict[str, Any]]) -> list[str]:
    kinds = Counter((each["label"], each["remedy"]) for each in treated)
    helped = Counter((each["label"], each["remedy"]) for each in treated if each["helped"])
    rows = ["| disease | remedy | applied | helped |", "|---|---|---|---|"]
    return rows + [
        f"| {label} | {remedy} | {number} | {helped[label, remedy]} |"
        for (label, remedy), number in sorted(kinds.items())
    ]
