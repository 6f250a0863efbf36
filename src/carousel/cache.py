"""The cache folder: compiled cells and encoded texts. It may be deleted at any time, since all can be made again."""

import os
import sys
from pathlib import Path


def cache_folder(room: str = "") -> Path:
    """`CAROUSEL_CACHE`, else the user's cache folder, or the folder `room` in it; it may not exist yet."""
    if chosen := os.environ.get("CAROUSEL_CACHE"):
        return Path(chosen) / room
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "carousel" / room
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carousel" / room


def made_cache_folder(room: str = "") -> Path:
    """`cache_folder`, created if missing, for its owner alone whatever the umask is; raises OSError."""
    for folder in (cache_folder(), cache_folder(room)):
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            if not folder.is_dir():
                raise
    return cache_folder(room)
