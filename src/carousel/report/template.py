"""The page's template, style sheet and script, read from the package and put into one file."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any

import jinja2
from markupsafe import Markup

from carousel.report import number_format
from carousel.report.mathml import mathml
from carousel.report.prose import prose


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("carousel.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,  # a name misspelt in the template is an error, not a hole
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plain = (
        number_format.number,
        number_format.count,
        number_format.about,
        number_format.duration,
        number_format.percent,
        number_format.power,
    )
    environment.filters |= {each.__name__: each for each in (*plain, prose, mathml)}
    environment.globals |= {"inline": _inline, "policy": _policy}
    return environment


def _inline(name: str) -> Markup:
    """A style sheet or script of the package, as it is."""
    source, _, _ = jinja2.PackageLoader("carousel.report", "templates").get_source(_environment(), name)
    return Markup(source.replace("\r\n", "\n"))  # as browsers read it, and take its hash


def _policy(*scripts: str) -> Markup:
    """What a page may do: run these scripts of the package, known by their hashes, and fetch nothing.

    A script that came in by a name or a text does not run. Styles stay open: bars carry their widths.
    """
    hashes = [b64encode(sha256(_inline(name).encode()).digest()).decode() for name in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes) or "'none'"
    return Markup(
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def render_template(name: str, **values: Any) -> str:
    """Render a template of the package with these values."""
    return _environment().get_template(name).render(**values)
