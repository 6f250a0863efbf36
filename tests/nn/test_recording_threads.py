"""Recordings that begin and end in several threads."""

import sys
import threading

import torch

import carousel
from carousel.models.sampling import sample


def test_recorders_of_many_threads_end_with_their_blocks():
    """Blocks that begin and end at once in ten threads leave no recording behind on the model, and lose no call."""
    module, x = carousel.LSTM(2, 3), torch.ones(2, 1, 2)
    together, lengths = threading.Barrier(10), []

    def record():
        together.wait()
        for _ in range(30):
            with carousel.recording(module) as recorded, torch.no_grad():
                module(x)
            lengths.append(len(recorded))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=record) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert module._recorders == ()
    assert len(lengths) == 300
    assert min(lengths) >= 1


def test_what_generates_inside_a_block_is_recorded_until_its_end():
    """A language model runs beside itself in eval mode; its calls count as the model's, until the block ends."""
    model = carousel.LanguageModel(5, hidden_size=4)
    drawn = sample(model, [0], 5)
    with carousel.recording(model) as recorded:
        next(drawn)
        next(drawn)
    assert [trace.call for trace in recorded] == [0, 1]
    next(drawn)
    assert len(recorded) == 2
