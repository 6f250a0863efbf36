"""Files of runs that lie about a size, a type or a number: the exact error, before anything is used."""

import json
import resource
import shutil

import pytest
import torch

import carousel
from carousel.errors import CarouselError
from carousel.training import resume
from tests.training.hostile import store, stored


@pytest.mark.parametrize("moment", ["exp_avg", "exp_avg_sq", "step"])
def test_moments_of_another_shape_are_refused(runs, moment, tmp_path):
    """torch's fused optimizers write beyond a moment that is shorter than its weights."""
    shutil.copytree(runs / "char-half", tmp_path / "char")
    path = tmp_path / "char" / "checkpoint.safetensors"
    tensors, about = stored(path)
    right = tensors[f"optimizer.2.{moment}"].shape
    store(path, {**tensors, f"optimizer.2.{moment}": torch.zeros(3)}, about)
    with pytest.raises(CarouselError) as caught:
        resume(tmp_path / "char")
    assert f"optimizer.2.{moment} must be torch.float32 of shape {tuple(right)}" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 20_000}, r"must be torch.float32 of shape \(\d+, 20000\); got"),
        ({"hidden_size": 2**62}, "does not hold the weights"),
        ({"num_layers": 100_000}, "num_layers must be at most 256"),
        ({"vocabulary_size": 2**31 - 1}, "must be torch.float32 of shape"),
        ({"embedding": 2**31 - 1}, "must be torch.float32 of shape"),
        ({"tie": "yes"}, "tie must be true or false; got 'yes'"),
        ({"dropout": "much"}, "dropout must be a finite number; got 'much'"),
    ],
)
def test_a_small_file_asks_for_no_large_model(runs, options, message, tmp_path):
    """Shapes are compared before memory is asked for."""
    tensors, about = stored(runs / "char" / "weights.safetensors")
    store(tmp_path / "w.safetensors", tensors, about | {"model": about["model"] | options})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CarouselError, match=message):
        carousel.models.LanguageModel.load(tmp_path / "w.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("number", [2**31 - 1, 300, -1])
def test_numbers_of_symbols_have_no_gaps(runs, number):
    """A symbol numbered 2^31 - 1 would make a table of gigabytes."""
    data = json.loads((runs / "bpe" / "vocabulary.json").read_text())
    numbers = data["tokenizer"]["model"]["vocab"]
    numbers[max(numbers, key=numbers.get)] = number
    with pytest.raises(CarouselError, match="number its symbols from 0"):
        carousel.data.vocabularies.vocabulary_from_json(data)


def test_weights_that_are_no_numbers_choose_nothing(runs, tmp_path):
    """With NaN in the weights nothing is drawn, searched or predicted."""
    for name in ("char", "classify"):
        tensors, about = stored(runs / name / "weights.safetensors")
        spoiled = {key: each * float("nan") for key, each in tensors.items()}
        store(tmp_path / f"{name}.safetensors", spoiled, about)
    model = carousel.load(tmp_path / "char.safetensors")
    for temperature in (0.0, 1.0):
        with pytest.raises(CarouselError, match="must be finite numbers"):
            model.generate("the", 2, temperature=temperature)
    with pytest.raises(CarouselError, match="must be finite numbers"):
        model.beam_search("the", 2)
    with pytest.raises(CarouselError, match="must be finite numbers"):
        carousel.SequenceModel.load(tmp_path / "classify.safetensors").predict([[[1.0, 1.0]]])
