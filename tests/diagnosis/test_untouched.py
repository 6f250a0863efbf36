"""No function that looks at a model changes its mode, not even while it looks: another thread may train it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import carousel
from carousel import diagnosis
from carousel.data import Document, fit_vocabulary
from carousel.models import LanguageModel, sampling

TEXT = Document("a", "abcd\nbcda\n" * 20)
VOCABULARY = fit_vocabulary("char", [TEXT])
TOKENS = torch.zeros(12, 2, dtype=torch.int64)


def language_model() -> LanguageModel:
    model = LanguageModel(VOCABULARY.size, hidden_size=8, num_layers=2, dropout=0.5)
    model.vocabulary = VOCABULARY
    return model


def lstm() -> nn.Module:
    return nn.LSTM(3, 5, num_layers=2, dropout=0.5)


def sequences() -> carousel.SequenceModel:
    model = carousel.SequenceModel("gru", hidden_size=4, dropout=0.5)
    carousel.fit(model, ["abc", "cba"] * 10, ["up", "down"] * 10, steps=1, monitor=0)
    return model


CALLS: dict[str, tuple[Callable[[], nn.Module], Callable[[Any], object]]] = {
    "generate": (language_model, lambda m: m.generate("ab", 5)),
    "stream": (language_model, lambda m: list(m.stream("ab", 5))),
    "beam_search": (language_model, lambda m: m.beam_search("ab", 5)),
    "sample": (language_model, lambda m: list(sampling.sample(m, [0], 5))),
    "evaluate": (language_model, lambda m: carousel.evaluate(m, [TEXT])),
    "evaluate by line": (language_model, lambda m: carousel.evaluate(m, texts="abc", by="line")),
    "evaluate by token": (language_model, lambda m: carousel.evaluate(m, texts="abc", by="token")),
    "state_gradient_norms": (
        language_model,
        lambda m: diagnosis.state_gradient_norms(m, TOKENS, TOKENS[0], lags=10),
    ),
    "predict": (sequences, lambda m: m.predict(["abc"])),
    "evaluate sequences": (sequences, lambda m: carousel.evaluate(m, ["abc"], ["up"])),
    "diagnose": (lstm, lambda m: carousel.diagnose(m, torch.ones(12, 2, 3))),
    "judge": (lstm, lambda m: diagnosis.judge(m, torch.ones(12, 2, 3))),
    "gradient_by_layer": (lstm, lambda m: diagnosis.gradient_by_layer(m, torch.ones(12, 2, 3), double=False)),
    "Monitor.look": (lstm, lambda m: diagnosis.Monitor().look(m, torch.ones(12, 2, 3), step=1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_model_that_trains_stays_in_training_mode(name: str) -> None:
    """While the call runs, every module of the model is in the mode in which its own thread left it."""
    make, call = CALLS[name]
    model = make().train()
    seen: list[bool] = []

    def look(module: nn.Module, *_: object) -> None:
        seen.append(all(each.training for each in model.modules()) and not module.training)

    for module in list(model.modules()):
        module.register_forward_pre_hook(look)
    call(model)
    assert seen
    assert all(seen)
    assert all(each.training for each in model.modules())


def test_a_generator_that_waits_leaves_the_model_alone() -> None:
    """Between two symbols the model drops values, if it is in training mode."""
    model = language_model().train()
    drawn = sampling.sample(model, [0], 5)
    next(drawn)
    assert not torch.equal(model(TOKENS)[0], model(TOKENS)[0])
    assert len(list(drawn)) == 4


def test_a_layer_that_runs_elsewhere_is_in_no_diagnosis() -> None:
    """Calls of the model by another thread, while a diagnosis runs, are not taken for those of the batch."""
    model = lstm()
    elsewhere = torch.full((12, 2, 3), 7.0)

    def run_too(*_: object) -> None:
        hooks.pop().remove()
        model(elsewhere)  # as another thread may at this moment

    hooks = [model.register_forward_pre_hook(run_too)]
    [first, *_] = diagnosis.observe(model, torch.ones(12, 2, 3)).trajectories
    assert torch.equal(first.inputs.float(), torch.ones(12, 2, 3))
