"""From dependencies to findings: what is wrong with how a model reads its batch, the most fundamental first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from carousel.diagnosis.observation.layers import is_recurrent
from carousel.diagnosis.usage.dependencies import Dependencies
from carousel.diagnosis.verdicts.findings import CRITICAL, NOTE, WARNING, Evidence, Finding
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS

MEASURED = "gradients of sampled outputs"


def causes(found: Dependencies, reads_targets: bool | None = None) -> list[Finding]:
    """What is wrong with how a batch is read; nothing if the dependencies are those of a right model.

    reads_targets: whether the targets are among the later inputs that an output depends on; None if nobody knows.
    """
    for rule in (_scrambled, _swapped, _mixed, _wrong_rows):  # one of them explains the others
        if finding := rule(found):
            return [finding]
    rules = (_one_step, _detached, _wrong_end, _carried, _normalised)
    found_here = [finding for rule in rules if (finding := rule(found))]
    ahead = _look_ahead(found, reads_targets)
    return [*([ahead] if ahead else []), *found_here]


def _scrambled(found: Dependencies) -> Finding | None:
    if not found.scrambled:
        return None
    sentence = (
        "What the recurrent layer reads as one sequence is no sequence of the data with its steps in order. A view or "
        f"reshape to ({found.steps}, {found.sequences}, ...) keeps the order in memory; it does not exchange two axes."
    )
    evidence = Evidence("sequences of the data that are read in order", 0, 1, False, MEASURED)
    return _finding("scrambled axes", CRITICAL, sentence, evidence, _TRANSPOSE)


def _swapped(found: Dependencies) -> Finding | None:
    over_time, over_sequences = found.correlation
    if found.swapped_output:
        sentence = (
            f"The model reads {found.steps} steps of {found.sequences} sequences, but returns one row for each of the "
            f"{found.steps} steps, all from one sequence: time and batch are exchanged."
        )
        what = "sequences on which all rows of the output depend"
        evidence = [Evidence(what, 1, found.steps, False, MEASURED, "sequence")]
    elif over_sequences > THRESHOLDS.alike and over_time < THRESHOLDS.unlike:
        sentence = (
            f"The model reads {found.steps} steps of {found.sequences} sequences, but neighbouring sequences are alike "
            "and neighbouring steps are not: time and batch seem to be exchanged."
        )
        what = "correlation of neighbouring {}"
        evidence = [
            Evidence(what.format("sequences"), over_sequences, THRESHOLDS.alike, True, "the data"),
            Evidence(what.format("steps"), over_time, THRESHOLDS.unlike, False, "the data"),
        ]
    else:
        return None
    return _finding("swapped axes", CRITICAL, sentence, *evidence, _EXCHANGE, _TRANSPOSE)


def _mixed(found: Dependencies) -> Finding | None:
    if found.mixes < 2:
        return None
    of_all = f" of the {found.sequences}" if found.sequences > 1 else ""
    sentence = (
        f"An output of one sequence depends on at least {found.mixes}{of_all} sequences of the batch. "
        "Unrelated sequences must not reach each other, as through a state that is carried from one to the next."
    )
    evidence = Evidence("one output depends on", found.mixes, 1, True, MEASURED, "sequences")
    return _finding("mixed sequences", CRITICAL, sentence, evidence, _RESET)


def _wrong_rows(found: Dependencies) -> Finding | None:
    if not found.wrong_rows:
        return None
    sentence = (
        "Row k of the output does not belong to sequence k of the batch. A view or reshape after the recurrent layer "
        "keeps the order in memory; it does not exchange two axes."
    )
    evidence = Evidence(
        "rows of the output that belong to another sequence", 1, 0, True, MEASURED, "or more rows"
    )
    return _finding("scrambled axes", CRITICAL, sentence, evidence, _TRANSPOSE)


def _look_ahead(found: Dependencies, reads_targets: bool | None) -> Finding | None:
    if found.ahead < 1:
        return None
    steps = "the next step" if found.ahead == 1 else f"up to {found.ahead} later steps"
    consequence = {
        True: "The targets are among them: the model sees what it should forecast.",
        False: "That is right for labels of steps, and wrong for forecasts.",
        None: "A forecast then sees what it should forecast. Ignore this if the outputs are labels of steps.",
    }
    sentence = (
        f"An output at one step depends on the data of {steps}, although the recurrent layer reads forwards only. "
        f"{consequence[reads_targets]}"
    )
    unit = "step" if found.ahead == 1 else "steps"
    evidence = Evidence("an output depends on later data, up to", found.ahead, 0, True, MEASURED, unit)
    severity = NOTE if reads_targets is False else WARNING
    return _finding("look-ahead", severity, sentence, evidence, _CAUSAL)


def _normalised(found: Dependencies) -> Finding | None:
    """What a normalisation over the sequences of the batch does, or a softmax along the wrong axis."""
    if not found.normalised:
        return None
    sentence = (
        f"Each output depends on all {found.sequences} sequences of the batch, and mostly on its own, as after a "
        "normalisation or a softmax over them. In use, an answer then depends on the other sequences of the batch."
    )
    evidence = Evidence("one output depends on", found.sequences, 1, True, MEASURED, "sequences")
    return _finding("mixed sequences", WARNING, sentence, evidence, _RUNNING)


def _one_step(found: Dependencies) -> Finding | None:
    if found.steps == 1 and not found.stepwise:
        sentence = (
            f"The recurrent layer reads {found.sequences} sequences of one step each: no state is carried from one row "
            "of the data to the next. Its input has the axes (steps, sequences, inputs), or (sequences, steps, inputs) "
            "with batch_first=True."
        )
        evidence = Evidence("length of the sequences", 1, 2, False, "the input of the layer", "step")
        return _finding("one step only", CRITICAL, sentence, evidence, _ADD_TIME)
    # one that reads its own output depends on the first step
    if not (found.one_step and found.stepwise) or found.hidden_before or found.latest < found.steps - 1:
        return None
    sentence = (
        f"The last output depends on one step of {found.steps}, step {found.latest + 1}: no state reaches it from the "
        "steps before."
    )
    evidence = Evidence(
        "steps on which the last output depends", 1, 2, False, MEASURED, f"of {found.steps} steps"
    )
    return _finding("one step only", CRITICAL, sentence, evidence, _PASS_STATE)


def _detached(found: Dependencies) -> Finding | None:
    if not found.hidden_before:
        return None
    reached = found.latest - found.earliest + 1
    sentence = (
        f"The gradient of the last output reaches {reached} steps back and then ends, although earlier steps change "
        f"the output: the state is detached before step {found.earliest + 1}. What lies further back is not learned."
    )
    what = "steps that the gradient of the last output reaches"
    evidence = Evidence(what, reached, found.steps, False, MEASURED, f"of {found.steps} steps")
    return _finding("detached state", WARNING, sentence, evidence, _NO_DETACH)


def _wrong_end(found: Dependencies) -> Finding | None:
    if not found.wrong_end:
        return None
    sentence = (
        f"The reverse direction is read at step {found.steps}, where it begins: it has seen 1 of {found.steps} steps. "
        "Its last state belongs to step 1."
    )
    evidence = Evidence(
        "steps that the reverse direction has seen",
        1,
        found.steps,
        False,
        MEASURED,
        f"of {found.steps} steps",
    )
    return _finding("reverse direction at its start", WARNING, sentence, evidence, _BOTH_ENDS)


def _carried(found: Dependencies) -> Finding | None:
    if not found.carried:
        return None
    sentence = (
        "When the model runs a second time on the same batch, it begins from another state: a state is carried from "
        "batch to batch. That is right only if each batch continues the one before."
    )
    evidence = Evidence(
        "runs of the same batch that began from another state", 1, 0, True, "two runs", "of 2 runs"
    )
    return _finding("carried state", WARNING, sentence, evidence, _RESET)


def _finding(name: str, severity: str, sentence: str, *rest: Evidence | Remedy) -> Finding:
    evidence = tuple(each for each in rest if isinstance(each, Evidence))
    return Finding(
        name, severity, (), sentence, evidence, tuple(each for each in rest if isinstance(each, Remedy))
    )


def _exchange(model: nn.Module) -> list[str]:
    """Let every recurrent module of torch or Carousel read the other of the first two axes as time."""
    done = []
    for path, module in model.named_modules():
        if is_recurrent(module) and isinstance(getattr(module, "batch_first", None), bool):
            module.batch_first = not module.batch_first
            done.append(f"{path or type(module).__name__}: batch_first={module.batch_first}")
    return done


_advice: Callable[[str, str], Remedy] = partial(Remedy, source="torch.nn", keeps=True)
_EXCHANGE = Remedy(
    "batch_first",
    "let the recurrent layers read the other axis as time: batch_first=True if the data are (sequences, steps, ...), "
    "False if they are (steps, sequences, ...); then train again",
    "torch.nn.LSTM",
    False,
    _exchange,
)
_TRANSPOSE = _advice(
    "transpose", "exchange the axes of a tensor by x.transpose(0, 1), not by view or reshape"
)
_RESET = _advice(
    "fresh state",
    "start every unrelated sequence from a state of its own, zeros or None, instead of the last one",
)
_RUNNING = _advice(
    "keep sequences apart",
    "normalise by the mean and deviation of the training part, or by those that torch.nn.BatchNorm1d has in eval mode; "
    "let a softmax run along the steps",
)
_ADD_TIME = _advice(
    "give the layer its axis of time",
    "pass whole sequences, (steps, sequences, inputs): of a batch (steps, sequences), x.unsqueeze(-1) makes sequences "
    "with one input, and x.unsqueeze(0) one step",
)
_CAUSAL = _advice(
    "causal inputs",
    "compute scales from the training part or from past steps, pad convolutions on the left, and shift targets by one "
    "step, so that step t depends on steps up to t",
)
_PASS_STATE = _advice(
    "pass the state", "pass the state that each call returns to the next call: out, h = rnn(x[t], h)"
)
_NO_DETACH = _advice(
    "longer windows",
    "detach the state only between batches, or between windows that are longer than what is to be remembered",
)
_BOTH_ENDS = _advice(
    "read both ends",
    "concatenate out[-1, :, :H] with out[0, :, H:], or use the final states h_n[-2] and h_n[-1] that the layer returns",
)
