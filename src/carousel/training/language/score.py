"""How well a model predicts a text, counted in bits."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from carousel.errors import CarouselError
from carousel.shown import Shown, Table


@dataclass(frozen=True)
class Score(Shown):
    """The bits that a model needs for a text of so many tokens and characters.

    The model also predicts the end of each document, which counts as a token and as a character. Bits per character
    can be compared across levels (char, word, bpe). Perplexity is per token, so it can be compared within one
    vocabulary only.

    Raises CarouselError for counts below 1.

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
        """What training minimises: bits per character."""
        return self.bits_per_character

    @property
    def nats_per_token(self) -> float:
        """Minus the mean log probability of a token, which papers call the loss."""
        return self.bits * math.log(2) / self.tokens

    @property
    def perplexity(self) -> float:
        """2 to the power of the bits per token; infinite where a float cannot hold the number."""
        bits = self.bits / self.tokens
        return 2.0**bits if bits < 1023 else math.inf

    def __post_init__(self) -> None:
        if min(self.tokens, self.characters) < 1:
            raise CarouselError(f"a score must count at least one token and one character; got {self!r}.")

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


@dataclass(frozen=True)
class TokenScore:
    """One token of a text, and the bits that a model needed for that token."""

    text: str
    bits: float
