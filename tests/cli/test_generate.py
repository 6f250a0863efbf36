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

    monkeypatch.setattr(LanguageModel, "stream", pieces)
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


def test_several_texts_are_those_of_their_seeds(carousel, run):
    """Sample k of seed s is the text of seed s + k - 1, under a heading each."""
    arguments = ("generate", run[0], "--prompt", "def ", "--length", 30)
    alone = [carousel(*arguments, "--seed", 5 + k).out for k in range(3)]
    many = carousel(*arguments, "--seed", 5, "--samples", 3)
    assert many.status == 0
    assert many.out == "".join(f"--- {k}\n{text}" for k, text in enumerate(alone, 1))


def test_a_stop_text_ends_it(carousel, run):
    """A line end is written as in a string; the stop itself is left out."""
    for seed in range(20):
        arguments = ("generate", run[0], "--prompt", "def ", "--length", 200, "--seed", seed)
        free = carousel(*arguments).out
        if "\n" in free.removesuffix("\n"):
            break
    assert carousel(*arguments, "--stop", "\\n").out == free.split("\n")[0] + "\n"


def test_beams_write_the_likeliest_texts(carousel, run):
    """As many as beams at most, each with its bits, the likeliest first."""
    done = carousel("generate", run[0], "--prompt", "def ", "--length", 5, "--beams", 3)
    assert done.status == 0
    bits = [float(line.split()[1]) for line in done.out.split("\n") if line.startswith("--- ")]
    assert len(bits) == 3
    assert bits == sorted(bits)
    for option in (("--samples", 2), ("--temperature", 1), ("--top-k", 3), ("--seed", 1), ("--stop", "x")):
        wrong = carousel("generate", run[0], "--beams", 2, *option)
        assert (wrong.status, wrong.out) == (2, "")
        assert f"leave {option[0]} out" in wrong.err
    assert (
        "--length-penalty ranks what --beams finds" in carousel("generate", run[0], "--length-penalty", 1).err
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [(r"A:\n", "A:\n"), (r"\tx", "\tx"), (r"C:\\new", r"C:\new"), ("plain", "plain"), (r"\d", r"\d")],
)
def test_a_prompt_is_read_as_a_stop_is(carousel, run, monkeypatch, given, meant):
    r"""In both, \n is a line end, \t a tab and two backslashes are one."""
    from carousel.models.language_model import LanguageModel

    seen = []

    def pieces(self, prompt, length, **options):
        seen.append((prompt, options["stop"]))
        return iter(())

    monkeypatch.setattr(LanguageModel, "stream", pieces)
    assert carousel("generate", run[0], "--prompt", given, "--stop", given).status == 0
    assert seen == [(meant, [meant])]
