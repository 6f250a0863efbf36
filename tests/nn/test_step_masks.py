"""Masks inside a sequence, sequences without a step, and resets to a given state: beside each segment run alone."""

import re

import pytest
import torch
from tolerances import assert_close
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import carousel
from carousel import CarouselError
from carousel.equations.catalogue import CELLS
from carousel.losses import cross_entropy

T, B, I, H = 7, 4, 3, 5
OPTIONS = {
    "plain": {},
    "stacked both ways": {"num_layers": 2, "bidirectional": True},
    "both ways, batch first": {"bidirectional": True, "batch_first": True, "bias": False},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
every_cell = pytest.mark.parametrize("name", ["lstm", "gru-before"])


def leaves_of(name, **options):
    """A module, x (T, B, I) and states, everything a leaf in float64."""
    module = carousel.Recurrent(CELLS[name], I, H, dtype=torch.float64, **options)
    layers = module.num_layers * len(module.directions)
    x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(layers, B, H, dtype=torch.float64, requires_grad=True) for _ in module.cell.states]
    return module, x, states


def one(states):
    return states[0] if len(states) == 1 else tuple(states)


def many(states):
    return list(states) if isinstance(states, tuple) else [states]


def call(module, x, hx, **steps):
    """Time first, whatever the module's layout."""
    if module.batch_first:
        x = x.transpose(0, 1)
        steps = {k: v.T if k in ("mask", "resets") else v for k, v in steps.items()}
    output, final = module(x, one(hx), **{k: one(v) if k == "reset_to" else v for k, v in steps.items()})
    return output.transpose(0, 1) if module.batch_first else output, many(final)


def segments_alone(module, x, hx, valid, resets=None, reset_to=None):
    """Each run of steps between two resets by itself, by a module that knows of no masks or resets."""
    ways = module.directions * module.num_layers
    output = torch.zeros(T, B, H * len(module.directions), dtype=x.dtype)
    finals = [[None] * B for _ in hx]
    for b in range(B):
        runs, fresh = [[]], False
        first_is_fresh = False
        for t in range(T):
            fresh |= resets is not None and bool(resets[t, b])
            if valid[t, b]:
                if fresh and runs[-1]:
                    runs.append([])
                elif fresh:
                    first_is_fresh = True
                runs[-1].append(t)
                fresh = False
        if not runs[0]:
            for final, state in zip(finals, hx, strict=True):
                final[b] = state[:, b]
            continue
        ends = []
        for index, steps in enumerate(runs):
            is_first, is_last = index == 0 and not first_is_fresh, index == len(runs) - 1
            begin = []
            for state, other in zip(hx, reset_to or [torch.zeros_like(s) for s in hx], strict=True):
                rows = [
                    (state if (is_first if way == "forward" else is_last) else other)[row, b]
                    for row, way in enumerate(ways)
                ]
                begin.append(torch.stack(rows)[:, None])
            segment = x[steps, b][:, None]
            found, end = module(segment.transpose(0, 1) if module.batch_first else segment, one(begin))
            found = found[0] if module.batch_first else found[:, 0]
            output = output.index_put((torch.tensor(steps), torch.tensor(b)), found)
            ends.append(many(end))
        for final, first, last in zip(finals, ends[0], ends[-1], strict=True):
            final[b] = torch.stack(
                [(last if way == "forward" else first)[row, 0] for row, way in enumerate(ways)]
            )
    return output, [torch.stack(state, dim=1) for state in finals]


def results(found, leaves):
    """The output, the final states and the gradients of a random function of them."""
    output, final = found
    generator = torch.Generator().manual_seed(1)
    values = [output, *final]
    loss = sum((torch.randn(v.shape, generator=generator, dtype=v.dtype) * v).sum() for v in values)
    return values, torch.autograd.grad(loss, leaves, materialize_grads=True)


@pytest.mark.usefixtures("road")
@every_cell
@every_option
@pytest.mark.parametrize("share", [0.5, 0.0])
def test_mask(name, options, share):
    """Steps that a mask leaves out are as if they were not there: no output, no gradient, the state is kept."""
    module, x, hx = leaves_of(name, **options)
    mask = torch.rand(T, B) < share
    leaves = [x, *hx, *module.parameters()]
    found = results(call(module, x, hx, mask=mask), leaves)
    assert_close(found, results(segments_alone(module, x, hx, mask), leaves))
    assert not found[0][0][~mask].any()
    assert not found[1][0][~mask].any()


def test_mask_at_the_end_is_lengths():
    """A mask of leading steps gives what lengths give, and a mask of all steps changes nothing."""
    module, x, hx = leaves_of("gru", bidirectional=True)
    lengths = torch.tensor([3, 7, 1, 5])
    mask = torch.arange(T)[:, None] < lengths
    assert_close(module(x, one(hx), mask=mask), module(x, one(hx), lengths=lengths))
    assert torch.equal(module(x, mask=torch.ones(T, B, dtype=torch.bool))[0], module(x)[0])


def test_masked_steps_are_never_read():
    """NaN at steps that do not count reaches neither outputs nor gradients."""
    module, x, hx = leaves_of("lstm", num_layers=2, bidirectional=True)
    mask = torch.rand(T, B) < 0.6
    leaves = [x, *hx, *module.parameters()]
    clean = results(call(module, x, hx, mask=mask), leaves)
    with torch.no_grad():
        x[~mask] = torch.nan
    dirty = results(call(module, x, hx, mask=mask), leaves)
    assert all(torch.equal(*pair) for kind in (0, 1) for pair in zip(dirty[kind], clean[kind], strict=True))


@pytest.mark.usefixtures("road")
@every_option
@pytest.mark.parametrize("share", [0.6, 1.0])
def test_mask_and_resets(options, share):
    """A reset at a step that does not count falls on the next one that does."""
    module, x, hx = leaves_of("lstm", **options)
    mask, resets = torch.rand(T, B) < share, torch.rand(T, B) < 0.3
    leaves = [x, *hx, *module.parameters()]
    found = results(call(module, x, hx, mask=mask, resets=resets), leaves)
    assert_close(found, results(segments_alone(module, x, hx, mask, resets), leaves))


@pytest.mark.usefixtures("road")
@every_cell
@every_option
@pytest.mark.parametrize("steps", ["full", "ragged", "masked"])
def test_reset_to(name, options, steps):
    """Each episode begins from the given state, in every layer and direction, and its gradient sums over resets."""
    module, x, hx = leaves_of(name, **options)
    reset_to = [torch.randn_like(state, requires_grad=True) for state in hx]
    resets = torch.rand(T, B) < 0.3
    resets[0, 0] = True
    lengths = [7, 2, 0, 5]
    valid = {
        "full": torch.ones(T, B, dtype=torch.bool),
        "ragged": torch.arange(T)[:, None] < torch.tensor(lengths),
        "masked": torch.rand(T, B) < 0.6,
    }[steps]
    which = {"full": {}, "ragged": {"lengths": lengths}, "masked": {"mask": valid}}[steps]
    leaves = [x, *hx, *reset_to, *module.parameters()]
    found = results(call(module, x, hx, resets=resets, reset_to=reset_to, **which), leaves)
    assert_close(found, results(segments_alone(module, x, hx, valid, resets, reset_to), leaves))


def test_a_learned_state():
    """One state for all sequences, (L, 1, H), learns from each reset; zeros are what resets lead to without it."""
    module = carousel.GRU(I, H, dtype=torch.float64)
    learned = torch.randn(1, 1, H, dtype=torch.float64, requires_grad=True)
    x, resets = torch.randn(T, B, I, dtype=torch.float64), torch.zeros(T, B, dtype=torch.bool)
    resets[3] = True
    output, _ = module(x, resets=resets, reset_to=learned)
    parts = [module(x[:3])[0], module(x[3:], learned.expand(1, B, H))[0]]
    assert_close(output, torch.cat(parts))
    whole = [torch.autograd.grad(each.square().sum(), learned)[0] for each in (output, torch.cat(parts))]
    assert_close(*whole)
    assert_close(module(x, resets=resets, reset_to=0 * learned), module(x, resets=resets))


def test_one_sequence():
    """Without a batch masks and resets are (T,)."""
    module, x = carousel.LSTM(I, H, bidirectional=True), torch.randn(T, I)
    mask = torch.tensor([False, True, True, False, True, True, False])
    output, final = module(x, mask=mask)
    alone, end = module(x[mask])
    assert_close((output[mask], final), (alone, end))
    assert not output[~mask].any()
    state = (torch.randn(2, H), torch.randn(2, H))
    resets = torch.tensor([False, False, False, True, False, False, False])
    output, (h_n, _) = module(x, resets=resets, reset_to=state)
    assert_close(output[3:, :H], module(x[3:], state)[0][:, :H])
    assert h_n.shape == (2, H)


@every_option
@pytest.mark.parametrize("lengths", [[0, 4, 7, 0], [0, 0, 0, 0]], ids=["some", "all"])
def test_empty_sequences(options, lengths):
    """A sequence of length 0 has no output, and its final state is its initial one; the others are as without it."""
    module, x, hx = leaves_of("lstm", **options)
    leaves = [x, *hx, *module.parameters()]
    valid = torch.arange(T)[:, None] < torch.tensor(lengths)
    found = results(call(module, x, hx, lengths=lengths), leaves)
    assert_close(found, results(segments_alone(module, x, hx, valid), leaves))
    assert not found[0][0][:, 0].any()
    assert all(torch.equal(final[:, 0], first[:, 0]) for final, first in zip(found[0][1:], hx, strict=True))
    shown = x.transpose(0, 1) if module.batch_first else x
    assert_close(module.frozen()(shown, one(hx), lengths=lengths), module(shown, one(hx), lengths=lengths))


def test_empty_sequences_without_states():
    """Without initial states the final state of an empty sequence is zero, and padding of NaN stays unread."""
    module, x = carousel.GRU(I, H, 2, bidirectional=True), torch.randn(T, 2, I)
    x[:, 1] = torch.nan
    output, h_n = module(x, lengths=[5, 0])
    assert not h_n[:, 1].any()
    assert not output[:, 1].any()
    assert_close(h_n[:, 0], module(x[:5, 0])[1])
    output.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


def test_stack():
    """A Stack hands masks and states to reset to through all of its modules, frozen and traced too."""
    stack = carousel.Stack(carousel.LSTM(I, H, bidirectional=True), carousel.GRU(2 * H, 4)).double()
    x, resets = torch.randn(T, B, I, dtype=torch.float64), torch.rand(T, B) < 0.3
    anew = ((torch.randn(2, 1, H).double(), torch.randn(2, 1, H).double()), torch.randn(1, 1, 4).double())
    for steps in (
        {"mask": torch.rand(T, B) < 0.6},
        {"lengths": [0, 7, 3, 0]},
        {"resets": resets, "reset_to": anew},
    ):
        output, (of_lstm, of_gru) = stack(x, **steps)
        below = {k: v[0] if k == "reset_to" else v for k, v in steps.items()}
        above = {k: v[1] if k == "reset_to" else v for k, v in steps.items()}
        middle, first = stack[0](x, **below)
        assert_close((output, of_gru), stack[1](middle, **above))
        assert_close(of_lstm, first)
        assert_close(stack.frozen()(x, **steps)[0], output)
        assert_close(stack.trace(x, **steps)[-1].values["h"], output)
    with pytest.raises(
        CarouselError, match="reset_to must be a tuple with one entry for each of the 2 modules"
    ):
        stack(x, resets=resets, reset_to=anew[1])


def test_recorded_and_traced():
    """Recordings and traces have the layout of the input, 0 at steps that do not count."""
    module, x, hx = leaves_of("lstm", bidirectional=True)
    mask = torch.rand(T, B) < 0.6
    with carousel.recording(module) as recorded:
        output, _ = module(x, one(hx), mask=mask)
        output.sum().backward()
    traces = module.trace(x, one(hx), mask=mask)
    for one_, other in zip(recorded, traces, strict=True):
        assert_close(one_.values["h"], other.values["h"])
        assert not one_.values["f"][~mask].any()
    assert_close(torch.cat([trace.values["h"] for trace in traces], -1), output)
    assert recorded[0].gradients["h"][mask].ne(0).all()


def test_recurrent_dropout():
    """recurrent_dropout, which goes without resets to zero, goes with a state to reset to."""
    module, x = carousel.GRU(I, H, recurrent_dropout=0.5), torch.randn(T, B, I)
    resets, zeros = torch.rand(T, B) < 0.3, torch.zeros(1, 1, H)
    with pytest.raises(CarouselError, match="or give reset_to=, as zeros"):
        module(x, resets=resets)
    assert not module(x, resets=resets, reset_to=zeros)[0].equal(module(x, resets=resets, reset_to=zeros)[0])
    module.eval()
    assert_close(module(x, resets=resets, reset_to=zeros), module(x, resets=resets))


def test_losses_of_empty_sequences():
    """A loss with the same lengths counts no step of an empty sequence."""
    module, x = carousel.LSTM(I, H), torch.randn(T, B, I)
    targets = torch.randint(H, (T, B))
    lengths = [7, 0, 3, 0]
    loss = cross_entropy(module(x, lengths=lengths)[0], targets, lengths=lengths)
    alone = [
        nn.functional.cross_entropy(module(x[:n, b])[0], targets[:n, b], reduction="sum")
        for b, n in ((0, 7), (2, 3))
    ]
    assert_close(loss, sum(alone) / 10)


def test_second_order():
    """The gradient of a gradient knows masks and states to reset to."""
    module, x, _ = leaves_of("gru")
    mask, resets = torch.rand(T, B) < 0.6, torch.rand(T, B) < 0.4
    state = torch.randn(1, B, H, dtype=torch.float64, requires_grad=True)

    def function(x, state):
        return module(x, mask=mask, resets=resets, reset_to=state)[0]

    assert torch.autograd.gradgradcheck(function, (x, state), fast_mode=True)


x_, mask_ = torch.zeros(T, 2, I), torch.ones(T, 2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("input", "steps", "message"),
    [
        (x_, {"mask": mask_.T}, "mask must be a bool tensor of shape (7, 2) on cpu, true at the steps that count; it "
         "is (2, 7) in torch.bool on cpu"),
        (x_, {"mask": mask_.int()}, "it is (7, 2) in torch.int32"),
        (x_, {"mask": mask_.tolist()}, "it is a list"),
        (x_, {"mask": mask_.to("meta")}, "on meta"),
        (x_, {"mask": mask_, "lengths": [1, 2]}, "mask and lengths must not be given together"),
        (pack_sequence([x_[:, 0]]), {"mask": mask_[:, :1]}, "A mask goes with a padded tensor"),
        (x_, {"reset_to": torch.zeros(1, 2, H)}, "give resets, the steps where it begins"),
        (x_, {"reset_to": torch.zeros(1, 3, H), "resets": mask_}, "h_0 in reset_to must have shape (1, 2, 5)"),
        (x_, {"reset_to": [1], "resets": mask_}, "reset_to must be the tensor h_0"),
        (pack_sequence([x_[:, 0]]), {"reset_to": torch.zeros(1, 1, H), "resets": pack_sequence([mask_[:, 0]])},
         "reset_to goes with a padded tensor"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_does_not_fit(input, steps, message):
    """Shape, dtype, kind and company of mask and reset_to."""
    with pytest.raises(CarouselError, match=re.escape(message)):
        carousel.GRU(I, H)(input, **steps)
