"""Where things are kept that can be made again: compiled cells, texts as numbers. It may be deleted at any time."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """`CAROUSEL_CACHE`, else the user's own cache folder."""
    if chosen := os.environ.get("CAROUSEL_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "carousel"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carousel"
