"""How well a model predicts a text, counted in bits."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from carousel.errors import CarouselError
from carousel.plain import typed
from carousel.shown import Shown, Table


@dataclass(frozen=True)
class Score(Shown):
    """The bits a model needs for a text of so many tokens and characters.

    The end of each document is predicted, so it counts as a token and as a character too. Bits per character
    compare across levels (char, word, bpe); perplexity is per token and compares within one vocabulary only.

    >>> score = Score(bits=30.0, tokens=10, characters=20)
    >>> score.bits_per_character, score.perplexity
    (1.5, 8.0)
    """

    bits: float
    tokens: int
    characters: int

    @property
    def bits_per_character(self) -> float:
        return self.bits / self.characters

    @property
    def value(self) -> float:
        """What training makes small: bits per character."""
        return self.bits_per_character

    @property
    def nats_per_token(self) -> float:
        """Minus the mean log probability of a token, the figure that papers call the loss."""
        return self.bits * math.log(2) / self.tokens

    @property
    def perplexity(self) -> float:
        """2 to the bits per token; infinite where a float cannot hold it."""
        bits = self.bits / self.tokens
        return 2.0**bits if bits < 1023 else math.inf

    def table(self) -> Table:
        """Bits per character, perplexity and what they are of."""
        return Table(
            ("bits per character", "perplexity per token", "characters", "tokens"),
            [
                (
                    f"{self.bits_per_character:.4f}",
                    f"{self.perplexity:.3f}",
                    f"{self.characters:,}",
                    f"{self.tokens:,}",
                )
            ],
        )

    def __str__(self) -> str:
        return f"{self.bits_per_character:.3f} bits per character, perplexity {self.perplexity:.1f} per token"

    def to_dict(self) -> dict[str, Any]:
        """The three counts, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, counts: dict[str, Any]) -> Self:
        """The score that `to_dict` wrote."""
        score = typed(cls, counts, "score")
        if min(score.tokens, score.characters) < 1:
            raise CarouselError(f"score: it must be of at least one token and character; got {score!r}")
        return score


@dataclass(frozen=True)
class TokenScore:
    """One piece of a text and the bits that a model needed for it."""

    text: str
    bits: float
