"""`carousel info`: one line for each fact that the library tells of itself."""

from carousel import ops


def test_every_fact_has_its_line(carousel):
    """Names and values of `carousel.ops.info()`, lists with commas."""
    done = carousel("info")
    assert done.status == 0
    for line, (name, value) in zip(done.out.splitlines(), ops.info().items(), strict=True):
        assert line.startswith(name)
        assert line.endswith(", ".join(value) if isinstance(value, list) else str(value))
