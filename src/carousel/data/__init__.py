"""From files to batches: corpora, vocabularies, streams of symbols, windows.

Text passes through this room in this order:

    split = load_corpus(paths)                                  # files -> documents -> train, valid, test
    vocabulary = fit_vocabulary("char", split.train)            # what a symbol is
    ids = stream(split.train, vocabulary)                       # one long array of symbols
    for inputs, targets in Windows(ids, batch=32, length=100):  # (T, B), (T, B)
        ...

The names are imported when they are first used, since `data.files` and `data.part_names` are used without torch.
"""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.data.corpora import load_corpus, read
    from carousel.data.documents import Document
    from carousel.data.files import find_files, standard_library
    from carousel.data.splitting import Split, split
    from carousel.data.streams import stream
    from carousel.data.vocabularies import Vocabulary, fit_vocabulary, load_vocabulary
    from carousel.data.windows import Windows
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "Document",
    "Split",
    "Vocabulary",
    "Windows",
    "find_files",
    "fit_vocabulary",
    "load_corpus",
    "load_vocabulary",
    "read",
    "split",
    "standard_library",
    "stream",
]
