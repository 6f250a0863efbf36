"""The outcomes as tables: the confusion matrix, and what the remedies did."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
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
    treated = [each for each in right if each["treatments"]]
    firsts = [each["treatments"][0] for each in treated]
    changed = [each for each in firsts if not each["advice"]]
    trained = [(e, t) for e, t in zip(treated, firsts, strict=True) if not math.isnan(t["loss"])]
    mistakes = [each for each in sick if each["cause"] == "mistake"]
    text = [each for each in healthy if each["recipe"].endswith("on text")]
    lines = [
        f"{len(outcomes)} nets: {len(healthy)} healthy ({len(text)} of them trained on Python source), "
        f"{len(sick)} sick ({len(mistakes)} by mistakes in training).",
        "",
        f"- the true disease ranked first: {_share(right, sick)}",
        f"- healthy nets with any warning: {_share(alarmed, healthy)}",
        f"- the first remedy moved the finding away: {_share([e for e in changed if e['gone']], changed)}; "
        f"no trouble of any kind was left in {_share([e for e in changed if e['well']], changed)}",
        f"- after the same training the treated net was better by 10 % in "
        f"{_share([e for e, t in trained if _helped(e, t)], trained)}, and worse by 10 % in "
        f"{_share([e for e, t in trained if _harmed(e, t)], trained)}",
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
        if (each["first"] != each["label"]) or not all(_helped(each, t) for t in each["treatments"][:1])
    ]
    return "\n".join(
        f"{each['label']}: {each['recipe']}, {each['cell']} {each['hidden']} x {each['layers']}, seed {each['seed']} "
        f"-> {', '.join(each['troubles']) or HEALTHY}; untreated {each['untreated']:.3g}"
        + "".join(f", {t['name']} {t['loss']:.3g}" for t in each["treatments"])
        for each in wrong
    )


def _helped(outcome: dict[str, Any], treatment: dict[str, Any]) -> bool:
    """Whether the loss after the same training is lower by 10 %; of nets that are not trained, nothing is known."""
    return bool(treatment["loss"] < 0.9 * outcome["untreated"]) or math.isnan(treatment["loss"])


def _harmed(outcome: dict[str, Any], treatment: dict[str, Any]) -> bool:
    return bool(treatment["loss"] > 1.1 * outcome["untreated"])


def _share(part: Sequence[Any], whole: Sequence[Any]) -> str:
    """With Wilson's interval (1927), which holds near 0 and 1 too."""
    n = len(whole)
    if not n:
        return "0 of 0"
    share, room = len(part) / n, Z**2 / n
    middle = (share + room / 2) / (1 + room)
    half = Z / (1 + room) * math.sqrt(share * (1 - share) / n + room / (4 * n))
    interval = f"95 % interval {100 * max(0.0, middle - half):.1f} to {100 * (middle + half):.1f}"
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
    found: defaultdict[tuple[str, str], list[tuple[bool, bool, bool]]] = defaultdict(list)
    for each in treated:
        for t in each["treatments"]:
            if not math.isnan(t["loss"]):
                found[each["label"], t["name"]].append((t["gone"], _helped(each, t), _harmed(each, t)))
    rows = [
        "| finding | remedy | nets | finding gone at once | better by 10 % after training | worse by 10 % |",
        "|---|---|---|---|---|---|",
    ]
    for (label, name), nets in sorted(found.items()):
        gone, helped, harmed = (sum(column) for column in zip(*nets, strict=True))
        rows.append(f"| {label} | {name} | {len(nets)} | {gone} | {helped} | {harmed} |")
    return rows
