"""Words with indices as a page shows them: `h_t` and `W_{k−1}` become subscripts."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_INDEX = re.compile(r"_(?:\{([^{}]*)\}|(\w+))")


def prose(text: str) -> Markup:
    """The words as HTML, escaped, each index after an underscore lowered.

    Example:
        >>> prose("h_k < h_{k−1}")
        Markup('h<sub>k</sub> &lt; h<sub>k−1</sub>')
    """
    return Markup(_INDEX.sub(lambda found: f"<sub>{found[1] or found[2]}</sub>", str(escape(text))))
