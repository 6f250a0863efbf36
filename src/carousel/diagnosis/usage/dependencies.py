"""On which inputs an output depends, by a few sampled backward passes: axes, sequences, steps.

A model that is right keeps the sequences of a batch apart, reads steps in their order, and lets the gradient of a late
output reach the first step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.observation.side_effects import same_random_numbers, without_side_effects
from carousel.diagnosis.usage.correlations import correlations
from carousel.diagnosis.usage.index_sets import MOSTLY, Sets, moved_by, moving_axes, supports, without_gaps
from carousel.diagnosis.usage.probed_run import ProbedRun, probed_run, time_first
from carousel.diagnosis.usage.second_run import data_before_change, same, same_states


@dataclass(frozen=True, repr=False)
class Dependencies(Brief):
    """How the batch was read, and on which inputs sampled outputs depend.

    Attributes:
        steps, sequences, inputs: T, B and I as the first recurrent module read them.
        passes: how many backward passes were sampled.
        time_axis, batch_axis: which axes of the data the module read as steps and as sequences; None if unknown.
        scrambled: whether one read sequence mixes steps of several sequences of the data.
        output_time, output_batch: which axes of the output follow steps and sequences; None if no axis does.
        mixes: how many sequences of the batch one output depends on.
        normalised: whether outputs depend on all sequences alike, and mostly on their own.
        swapped_output: whether the rows of the output follow steps where they should follow sequences.
        wrong_rows: whether row k of the output is not of sequence k.
        earliest, latest: the first and last step on which the last output depends, from 0; -1 if unknown.
        one_step: whether outputs of all sequences depend on one step each.
        ends: the last step of each sequence on which an output of all steps depends; none if there is no such output.
        ahead: how many steps beyond its own step an output depends on the data; 0 if on none.
        stepwise: whether the model calls its recurrent module several times, so that it must pass on the state itself.
        hidden_before: whether the data before `earliest` change the output, though no gradient reaches them.
        wrong_end: whether a reverse direction is read at the step at which it has seen one step only.
        carried: whether the same batch gives another output when the model runs again.
        correlation: along steps and along sequences, of neighbours in the data; NaN if there are too few.
    """

    steps: int
    sequences: int
    inputs: int
    passes: int = 0
    time_axis: int | None = None
    batch_axis: int | None = None
    scrambled: bool = False
    output_time: int | None = None
    output_batch: int | None = None
    mixes: int = 1
    normalised: bool = False
    swapped_output: bool = False
    wrong_rows: bool = False
    earliest: int = -1
    latest: int = -1
    one_step: bool = False
    ends: tuple[int, ...] = ()
    ahead: int = 0
    stepwise: bool = False
    hidden_before: bool = False
    wrong_end: bool = False
    carried: bool = False
    correlation: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def words(self) -> str:
        """How the batch was read, as reports begin."""
        parts = ((self.steps, "step"), (self.sequences, "sequence"), (self.inputs, "input"))
        return " x ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in parts)


def dependencies(model: nn.Module, batch: Batch) -> Dependencies | None:
    """Sample the dependencies of a model on a batch; None if its data or its output cannot be followed."""
    with torch.inference_mode(False), without_side_effects(model) as twin, torch.enable_grad():
        with same_random_numbers():
            run = probed_run(twin, batch)
        if run is None:
            return None
        with same_random_numbers():
            again = probed_run(twin, batch)
        carried = again is not None and not (
            same(run.value, again.value) and same_states(run.start, again.start)
        )
        found = _Sampled(run)
        stepwise = len(run.reads) > 1
        hidden = (
            stepwise
            and found.cut_at is not None
            and data_before_change(twin, batch, run, found.time_axis, found.cut_at, found.late)
        )
    own = {name: value for name, value in vars(found).items() if name in Dependencies.__annotations__}
    return Dependencies(
        steps=found.read.shape[0],
        sequences=found.read.shape[1],
        inputs=int(found.read.shape[2]),
        stepwise=stepwise,
        hidden_before=hidden,
        wrong_end=found.wrong_end(),
        carried=carried,
        correlation=correlations(run, found.read, found.time_axis, found.batch_axis),
        passes=run.passes,
        **own,
    )


class _Sampled:
    """What a few backward passes of one run say."""

    def __init__(self, run: ProbedRun) -> None:
        self.run = run
        self.time_axis: int | None = None
        self.batch_axis: int | None = None
        self.scrambled = self.swapped_output = self.wrong_rows = False
        self.output_time: int | None = None
        self.output_batch: int | None = None
        self.mixes, self.earliest, self.latest, self.ahead = 1, -1, -1, 0
        self.ends: tuple[int, ...] = ()
        self.one_step = self.normalised = False
        self.cut_at: int | None = None
        self.late: tuple[Any, ...] = (0,)  # the output of which `earliest` and `latest` are told
        self.read = self._joined()
        lengths = run.lengths if len(self.read) == len(run.reads[0]) else torch.tensor([len(self.read)])
        lengths = lengths.expand(self.read.shape[1]) if len(lengths) == 1 else lengths
        self.end = int(lengths.max()) - 1
        whole = (lengths == self.end + 1).nonzero().flatten().tolist()
        first, last = whole[0], whole[-1]
        # sequences of full length, or one of them and another
        self.rows = sorted({first, last if last != first else (first + 1) % len(lengths)})
        self.ends_at = [min(self.end, int(length) - 1) for length in lengths]
        # (B, C, T), as cross_entropy takes scores, is looked at as (B, T, C)
        shape = run.value.shape
        steps_last = len(shape) == 3 and shape[2] == self.end + 1 and self.end + 1 not in shape[:2]
        self.value = run.value.transpose(1, 2) if steps_last else run.value
        self._reading()
        if self.time_axis is not None and not self.scrambled:
            self._outputs()
        # an output without steps may depend on all of them, and so may the steps of several modules
        if not self._is_causal or (self.output_time is None and self.end + 1 not in self.value.shape[:2]):
            self.ahead = 0
        if steps_last:
            self.output_time = 2 if self.output_time == 1 else self.output_time
            self.late = (self.late[0], slice(None), *self.late[1:])

    def _joined(self) -> Tensor:
        """(T, B, I), all calls of the first module: one after the other in time, or sequence by sequence."""
        reads = self.run.reads
        followed = [each for each in reads if each.requires_grad]
        if len(reads) == 1 or len({each.shape[1:] for each in reads}) > 1 or not followed:
            return reads[0]
        if len(followed) == 1:  # the others ran under no_grad
            return torch.cat(reads)
        steps, sequences = followed[0].shape[:2]
        one, two = (self._sets(each, 0, 0) for each in followed[:2])
        beside = (0, 1) if sequences > 1 else (1, 0) if steps > 1 else (0, 0)
        between, within = moving_axes([one, two]), moving_axes([one, self._sets(followed[0], *beside)])
        if not between or not all(two):
            return reads[0]
        along_batch = (sequences > 1) == bool(between & within) if (steps, sequences) != (1, 1) else False
        return torch.cat(reads, 1 if along_batch else 0)

    def _reading(self) -> None:
        """Which axes of the data the first module reads as steps and as sequences."""
        if not self.read.requires_grad:
            return
        by_length = sorted(self.rows, key=lambda row: -self.ends_at[row])
        first, last = by_length[0], by_length[-1]
        steps = sorted({0, 1, self.end // 3, self.end - 1, self.end} & set(range(self.end + 1)))
        sampled = {t: self.run.energy(self.read, t, first) for t in steps}
        steps = [t for t in steps if bool(sampled[t].any())]  # the rest is constant, as after x - x[0]
        if not steps:
            return
        at_steps = [sampled[t] for t in steps]
        at = min(steps[-1], self.ends_at[last])
        own = at_steps[-1] if at == steps[-1] else self.run.energy(self.read, at, first)
        at_rows = [own, *([self.run.energy(self.read, at, last)] if last != first else [])]
        over_time = [supports(each) for each in at_steps]
        over_rows = [supports(each) for each in at_rows]
        moved, across = without_gaps(over_time), without_gaps(over_rows)
        # each step may depend on all of them, as after a normalisation over time, and mostly on its own
        if not moved:
            moved, across = (moving_axes([supports(e, MOSTLY) for e in each]) for each in (at_steps, at_rows))
        self.scrambled = len(moved) > 1 or bool(moved & across)
        if self.scrambled and len(self.run.reads) > 1:  # one step after the other, through all sequences
            apart = self.value.dim() > 0 and any(len(each) == 1 for each in self._sets(self.value, -1)[:2])
            self.scrambled, self.mixes = False, 1 if apart else 2
            return
        if len(moved) == 1 and not self.scrambled:
            [self.time_axis] = moved
            self.scrambled = not _in_order([max(each[self.time_axis]) for each in over_time])
            # each sequence may depend on all, as after a normalisation over them, and mostly on itself
            if not across:
                across = moving_axes([supports(each, MOSTLY) for each in at_rows]) - moved
            self.batch_axis = next(iter(across)) if len(across) == 1 else None
            # its own step at step t, and further ones if the model mixes steps before the module
            ahead = [max(each[self.time_axis]) - t for each, t in zip(over_time, steps, strict=True)]
            if self.run.probe.shape[self.time_axis] == self.end + 1:
                self.ahead = max(0, *ahead)

    def _outputs(self) -> None:
        """On which sequences and steps the corners of the output depend."""
        value, time, batch = self.value, self.time_axis, self.batch_axis
        shape = value.shape
        if value.dim() == 0 or time is None:
            return
        ends = [self._ends(shape, axis) for axis in range(min(2, value.dim()))]
        corners = {
            (i, *more): self._sets(value, i, *more)
            for i in ends[0]
            for more in ([(j,) for j in ends[1]] if len(ends) > 1 else [()])
        }
        known = {index: sets for index, sets in corners.items() if sets[time]}
        if not known:
            return
        followed = {axis: moved_by(known, axis) for axis in range(len(ends))}
        self._rows_of(known, followed)
        self.output_time = self._time_of(followed)
        # each output may depend on all steps, and mostly on its own
        if self.output_time is None and self.end + 1 in shape[:2]:
            mostly = {at: self._mostly(at) for at in known}
            self.output_time = self._time_of({axis: moved_by(mostly, axis) for axis in followed})
        late = max(known, key=lambda index: [index[self.output_time or 0], *index])
        steps = known[late][time]
        self.earliest, self.latest = min(steps), max(steps)
        self.one_step = len(steps) == 1 and self._sees_one_step(time)
        own = shape[self.output_time] == self.run.probe.shape[time] if self.output_time is not None else False
        if own and self.output_time is not None and self._is_causal:
            self.ahead = max(
                [self.ahead, *(max(sets[time]) - at[self.output_time] for at, sets in known.items())]
            )
        if self.output_time is None and self.output_batch == 0 and batch is not None:
            energy = self.run.energy(value).movedim((time, batch), (0, 1)).flatten(2).sum(-1)  # (T, B)
            numbered = torch.arange(len(energy), device=energy.device)[:, None].expand_as(energy)
            self.ends = tuple(numbered.masked_fill(energy == 0, -1).amax(0).tolist())
        if self.earliest > 0 and self.mixes == 1 and (batch is not None or self.read.shape[1] == 1):
            self.cut_at, self.late = self.earliest, late

    def _time_of(self, followed: dict[int, set[int]]) -> int | None:
        """The axis of the output that follows the steps of the data."""
        axes = (axis for axis, moved in followed.items() if self.time_axis in moved)
        return next((axis for axis in axes if axis != self.output_batch), None)

    def _sees_one_step(self, time: int) -> bool:
        """Whether no sequence carries its state on to the last output, nor to one in the middle."""
        axis = self.output_time
        if axis is None:
            return len(self._sets(self.value)[time]) == 1
        size = self.value.shape[axis]
        return all(
            len(supports(self.run.energy(self.value.movedim(axis, 0), t))[time]) <= 1
            for t in {size // 2, size - 1}
        )

    def _rows_of(self, known: dict[tuple[int, ...], Sets], followed: dict[int, set[int]]) -> None:
        """Whether each row of the output is of the sequence of its number."""
        batch, time = self.batch_axis, self.time_axis
        if batch is None or time is None:
            return
        self.mixes = max(len(sets[batch]) for sets in known.values())
        sizes = self.run.probe.shape
        if self.mixes > 1 and self._normalises(known, batch):
            self.normalised, self.mixes = True, 1
            known = {at: self._mostly(at) for at in known}
            followed = {axis: moved_by(known, axis) for axis in followed}
        follow = [axis for axis, moved in followed.items() if batch in moved]
        if self.mixes > 1:
            middle = self.read.shape[1] // 2
            if self._are_parts:
                self.mixes = 1
            elif self.value.shape[0] == sizes[batch] and (
                (time in followed.get(0, ()) and sizes[batch] != sizes[time])
                or middle not in self._sets(self.value, middle)[batch]
            ):
                self.mixes, self.wrong_rows = 1, True
            return
        if not follow:
            rows = self.value.shape[0]
            by_step = any(time in moved for moved in followed.values())
            self.swapped_output = rows > 1 and by_step and rows == sizes[time]
            self.wrong_rows = rows > 1 and by_step and rows == sizes[batch] != sizes[time]
            return
        self.output_batch = follow[0]
        size = self.value.shape[follow[0]]
        self.wrong_rows = len(follow) > 1 or (
            size == sizes[batch] and any({index[follow[0]]} != sets[batch] for index, sets in known.items())
        )

    def _normalises(self, known: dict[tuple[int, ...], Sets], batch: int) -> bool:
        """Whether outputs depend on all sequences alike and mostly on their own, as after a normalisation over them.

        A state that is carried from sequence to sequence reaches later ones only.
        """
        if any(len(sets[batch]) < self.read.shape[1] for sets in known.values()):
            return False
        return all(len(self._mostly(at)[batch]) == 1 for at in known)

    def _mostly(self, at: tuple[int, ...]) -> Sets:
        return supports(self.run.energy(self.value, *at), MOSTLY)

    @property
    def _are_parts(self) -> bool:
        """Whether what the first module reads are parts of a sequence, as words of a text: fewer come out."""
        inside = self.run.layer_output
        rows = self.read.shape[1] if inside is None else time_first(self.run.last, inside)[0].shape[1]
        fewer = len(self.run.modules) > 1 and rows < self.read.shape[1]
        return fewer or self.read.shape[1] not in self.value.shape[:2]

    @property
    def _is_causal(self) -> bool:
        """One recurrent module that reads forwards only: an output then must not depend on later steps."""
        return len(self.run.modules) == 1 and not getattr(self.run.last, "bidirectional", False)

    def wrong_end(self) -> bool:
        """Whether a reverse direction is read at the last step alone, its own first: of a layer, or a second module."""
        both = getattr(self.run.last, "bidirectional", False)
        second = len(self.run.modules) > 1 and len(self.run.reads) == 1
        if not (both or second) or self.output_time is not None or self.output_batch is None or self.end < 1:
            return False
        row = max(self.rows, key=lambda each: self.ends_at[each])
        index = (row,) if self.output_batch == 0 else (0, row)
        energy = self.run.layer_energy(self.value, *index)
        if energy is None or energy.shape[:2] != self.read.shape[:2]:
            return False
        reverse = energy[:, row, energy.shape[2] // 2 if both else 0 :].sum(-1)
        return reverse.nonzero().flatten().tolist() == [self.end if both else 0]

    def _sets(self, tensor: Tensor, *index: int) -> Sets:
        return supports(self.run.energy(tensor, *index))

    def _ends(self, shape: torch.Size, axis: int) -> list[int]:
        """The first and last index of an axis of the output; of steps and sequences, those that are whole."""
        size = shape[axis]
        if size == self.read.shape[1]:
            return self.rows
        last = self.end if size == self.read.shape[0] else size - 1
        return sorted({0, last})


def _in_order(steps: list[int]) -> bool:
    """Whether later steps never lead back, or always do, as of a sequence that is read backwards."""
    return steps in (sorted(steps), sorted(steps, reverse=True))
