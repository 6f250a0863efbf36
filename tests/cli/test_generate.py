"""`carousel generate`: text as it comes, and refusals before the first character."""

import sys

import pytest


def test_text_follows_the_prompt(carousel, run):
    """The prompt stands first; equal seeds write equal text, other seeds other text."""
    folder, _ = run
    arguments = ("generate", folder, "--prompt", "def ", "--length", 40)
    first, again, other = (carousel(*arguments, "--seed", seed) for seed in (1, 1, 2))
    assert first.status == 0
    assert first.out.startswith("def ")
    assert len(first.out) <= len("def ") + 40 + 1
    assert first.out == again.out != other.out


def test_text_is_printed_as_it_comes(carousel, run, monkeypatch):
    """Each piece is flushed before the next one is drawn."""
    from carousel.models.language_model import LanguageModel

    seen = []

    def pieces(*arguments, **options):
        for piece in "abc":
            seen.append(sys.stdout.getvalue())
            yield piece

    monkeypatch.setattr(LanguageModel, "generate", pieces)
    assert carousel("generate", run[0], "--prompt", ">").out == ">abc\n"
    assert seen == [">", ">a", ">ab"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prompt", "€"], "'€'"),
        (["--temperature", "-1"], "temperature"),
        (["--top-k", "0"], "top_k"),
        (["--top-p", "1.5"], "top_p"),
        (["--length", "-1"], "length"),
    ],
)
def test_bad_options_print_no_text(carousel, run, options, words):
    """Status 2, a message that names the option, and nothing on stdout."""
    done = carousel("generate", run[0], *options)
    assert (done.status, done.out) == (2, "")
    assert words in done.err


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_bad_weights_are_refused(carousel, run, tmp_path, damage):
    """A folder without weights, half a file and a file of something else each end with status 2."""
    path = tmp_path / "weights.safetensors"
    if damage != "missing":
        whole = (run[0] / "weights.safetensors").read_bytes()
        path.write_bytes(
            whole[: len(whole) // 2] if damage == "truncated" else b"PK\x03\x04 not weights at all"
        )
    done = carousel("generate", path)
    assert (done.status, done.out) == (2, "")
    assert str(path) in done.err
