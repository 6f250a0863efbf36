"""What a user writes, with every type that tools must see; `test_types.py` checks it, nobody runs it."""

from typing import assert_type, reveal_type

import torch

import carousel
from carousel import CarouselError
from carousel.diagnosis import LightningMonitor

layer = carousel.LSTM(3, 5)
reveal_type(layer)
output, (h, c) = layer(torch.zeros(7, 2, 3))
trained = carousel.train("a.txt", hidden_size=128, minutes=1)
assert_type(trained, carousel.Run)
assert_type(carousel.resume(trained.path, progress=False), carousel.Run)

model = carousel.LanguageModel.load(trained.path)
assert_type(model, carousel.LanguageModel)
assert_type(model.generate("Once ", length=200), str)
assert_type(model.generate("Once ", samples=4), list[str])
for piece in model.stream("Once ", temperature=0.8):
    assert_type(piece, str)
assert_type(model.vocabulary.size, int)
model.save("model.safetensors")

score = carousel.evaluate(model, "b.txt")
assert_type(score, carousel.Score)
assert_type(score.bits_per_character, float)
assert_type(carousel.evaluate(model, texts=["a line"], by="line"), list[carousel.Score])
assert_type(carousel.evaluate(model, texts="a line", by="token")[0][0].bits, float)

forecaster = carousel.SequenceModel("gru", carousel.Forecast(horizon=6), hidden_size=16)
assert_type(carousel.fit(forecaster, [1.0, 2.0], steps=3), carousel.Run)
vectors = carousel.embed(["a b c"], dimension=8).vectors
assert_type(vectors, carousel.Vectors)
nearest: list[str] = [each.word for each in vectors.nearest("a")]
found = carousel.diagnose(torch.nn.LSTM(3, 5), torch.zeros(9, 2, 3))
assert_type(found, carousel.Diagnosis)
found.save("diagnosis.html")
assert_type(carousel.LanguageConfig(hidden_size=8).hidden_size, int)
monitor = LightningMonitor()


class Minimal(carousel.Cell):
    """A cell of the user's own."""

    states = ("h",)


own = carousel.Recurrent(Minimal, 3, 5)
try:
    carousel.GRU(3, 0)
except CarouselError as error:
    print(error)
