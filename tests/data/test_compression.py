"""The yardstick of a compressor."""

import random
import shutil
import subprocess

import pytest

from carousel import CarouselError
from carousel.data.compression import xz_bits_per_character

RANDOM = "".join(random.Random(0).choices("abcdefgh", k=50_000))  # 3 bits per character, by construction


def test_random_letters_cost_their_entropy() -> None:
    """Nothing compresses uniform letters below 3 bits, and xz comes near."""
    assert 3.0 < xz_bits_per_character([RANDOM]) < 3.4


def test_texts_are_joined_before_they_are_compressed() -> None:
    """The second copy of a text is nearly free."""
    assert xz_bits_per_character([RANDOM, RANDOM]) < 0.55 * xz_bits_per_character([RANDOM])


def test_bits_are_per_character_and_not_per_byte() -> None:
    """A letter of two bytes is one character."""
    umlauts = RANDOM.translate(str.maketrans("abcdefgh", "äöüßéèêë"))
    assert 3.0 < xz_bits_per_character([umlauts]) < 4.5


@pytest.mark.skipif(shutil.which("xz") is None, reason="compares with the xz command, which is not installed")
def test_the_size_is_that_of_the_xz_command() -> None:
    """The figure can be checked at any shell: xz -9 | wc -c."""
    packed = subprocess.run(["xz", "-9"], input=RANDOM.encode(), capture_output=True, check=True).stdout
    # the command streams, and so leaves out the sizes that a block header may carry
    assert xz_bits_per_character([RANDOM]) == pytest.approx(8 * len(packed) / len(RANDOM), rel=1e-3)


def test_nothing_to_compress_is_refused() -> None:
    """There is no bits per character of no character."""
    with pytest.raises(CarouselError, match="at least one character"):
        xz_bits_per_character(["", ""])
