"""The split of a corpus into train, valid and test: which text is held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from carousel.data.documents import Document
from carousel.data.large import LargeDocument
from carousel.data.part_names import BY_NAME, BY_OPTION, PARTS, SHARE, parts_by_name
from carousel.errors import CarouselError

_LISTED = 3  # of the files of a part


@dataclass(frozen=True)
class Split:
    """The three parts of a corpus, as `load_corpus` and `split` return them."""

    train: list[Document]  # to learn from
    valid: list[Document]  # to choose by
    test: list[Document]  # to report
    # how each part was chosen, in words
    how: dict[str, str] = field(default_factory=dict, compare=False)
    # of a part: documents whose whole text is in another part as well, in words
    copies: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def brought(self) -> bool:
        """Whether all three parts are files of their own, so that nothing was cut."""
        return bool(self.how) and set(self.how.values()) <= {BY_NAME, BY_OPTION}

    def described(self) -> dict[str, str]:
        """Of each part its size, its files, and how it was chosen.

        >>> split([Document("book.txt", "a line of text\\n" * 100)]).described()["test"]
        '75 characters, 1 file (book.txt), the last 5 % of each'
        """
        return {part: self._described(part) for part in PARTS}

    def _described(self, part: str) -> str:
        documents: list[Document] = getattr(self, part)
        names = [document.name for document in documents]
        more = f", and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
        files = "1 file" if len(names) == 1 else f"{len(names):,} files"
        listed = ", ".join(names[:_LISTED]) + more
        how = self.how.get(part, "") + self.copies.get(part, "")
        return f"{_size(documents):,} characters, {files} ({listed}), {how}"


def split(documents: Sequence[Document], valid: float | None = None, test: float | None = None) -> Split:
    """Split `documents` into train, valid and test; `valid` and `test` are shares of the characters, 0.05 by default.

    - If names of documents say train, valid and test (ptb.train.txt), they are the split. If they say train and one
      other part, the third part is cut off train.
    - Otherwise each document goes to one part as a whole. Documents are taken in the order of a hash of their names,
      so that the split depends neither on the machine nor on the order of the files.
    - If there are too few documents for that (a part would be empty, or off its share by more than half), each document
      is cut at line ends: the first 90 % for train, then 5 % for valid and 5 % for test.

    Raises CarouselError for shares that leave a part empty, no documents, or too little text.

    >>> book = Document("book.txt", "a line of text\\n" * 100)
    >>> [len(part[0].text) for part in (split([book]).train, split([book]).valid, split([book]).test)]
    [1350, 75, 75]
    """
    parts = parts_by_name([document.name for document in documents])
    if parts is None:
        return arranged({"train": documents}, "", {"valid": valid, "test": test})
    of_part = {part: [each for each in documents if each.name in names] for part, names in parts.items()}
    return arranged(of_part, BY_NAME, {"valid": valid, "test": test})


def arranged(documents: Mapping[str, Sequence[Document]], how: str, shares: dict[str, float | None]) -> Split:
    """The parts that have documents of their own, and the others cut off the train part."""
    for part in PARTS[1:]:
        if part in documents and shares[part] is not None:
            raise CarouselError(
                f"a part is either cut off or has files of its own; {part} has files and the share {shares[part]}. "
                "Leave one of them out."
            )
    cut = {
        part: 0.0 if part in documents else SHARE if (share := shares[part]) is None else share
        for part in PARTS[1:]
    }
    if not any(cut.values()):
        train, valid, test = (list(documents[part]) for part in PARTS)
        return Split(train, valid, test, dict.fromkeys(PARTS, how), _copies(documents))
    _check_shares(cut, documents)
    pool = documents["train"]
    parts, words = _by_document(pool, **cut), "whole files by a hash of their names"
    if parts is None:
        parts, words = _by_line(pool, **cut), ""
    ends = _ends(cut) if not words else dict.fromkeys(cut, words)
    held = {part: list(documents[part]) if part in documents else parts[part] for part in PARTS[1:]}
    told = {part: how if part in documents else ends[part] for part in PARTS[1:]}
    rest = "what is left" if len(documents) == 1 and not how else f"{how}, what is left"
    copies = _copies({"train": parts["train"], **held} if words else documents)
    return Split(parts["train"], held["valid"], held["test"], {"train": rest, **told}, copies)


def _check_shares(cut: dict[str, float], documents: Mapping[str, Sequence[Document]]) -> None:
    asked = [share for part, share in cut.items() if part not in documents]
    if not (all(share > 0 for share in asked) and sum(asked) < 1):
        raise CarouselError(
            f"valid and test must be shares above 0, together below 1; got {' and '.join(map(str, asked))}. "
            "Pass shares such as 0.05."
        )
    if not documents["train"]:
        raise CarouselError("a corpus must have at least one document; got none. Pass documents with text.")


def _ends(cut: dict[str, float]) -> dict[str, str]:
    """In words, which end of each file is which part."""
    before = f" before the last {100 * cut['test']:g} %" if cut["test"] else ""
    return {
        "valid": f"the last {100 * cut['valid']:g} %{before} of each",
        "test": f"the last {100 * cut['test']:g} % of each",
    }


def _by_document(
    documents: Sequence[Document], valid: float, test: float
) -> dict[str, list[Document]] | None:
    """Whole documents, or None where there are too few of them to come near the shares."""
    total = _size(documents)
    left = sorted(documents, key=lambda document: (_hash(document.name), document.name, document.characters))
    taken_test, left = _take(left, test * total)
    taken_valid, left = _take(left, valid * total)
    for taken, share in ((taken_valid, valid), (taken_test, test)):
        if abs(_size(taken) - share * total) > share * total / 2:
            return None
    by_name = [sorted(part, key=lambda document: document.name) for part in (left, taken_valid, taken_test)]
    return dict(zip(PARTS, by_name, strict=True)) if left else None


def _take(documents: Sequence[Document], target: float) -> tuple[list[Document], list[Document]]:
    """(taken, left): each document, in order, that brings the size of the part nearer to its target."""
    taken: list[Document] = []
    left: list[Document] = []
    missing = target
    for document in documents:
        if abs(missing - document.characters) < abs(missing):
            taken.append(document)
            missing -= document.characters
        else:
            left.append(document)
    return taken, left


def _by_line(documents: Sequence[Document], valid: float, test: float) -> dict[str, list[Document]]:
    parts: dict[str, list[Document]] = {part: [] for part in PARTS}
    for document in documents:
        if isinstance(document, LargeDocument):
            cut = document.cut((1 - valid - test, 1 - test))
        else:
            cut = [Document(document.name, text) for text in _cut(document.text, valid, test)]
        for part, stretch in zip(PARTS, cut, strict=True):
            if stretch.characters:
                parts[part].append(stretch)
    if not all(parts[part] for part, share in (("train", 1), ("valid", valid), ("test", test)) if share):
        raise CarouselError(
            f"a corpus must be long enough for a train, a valid and a test part; got {_size(documents)} characters. "
            "Give more text."
        )
    return parts


def _cut(text: str, valid: float, test: float) -> tuple[str, str, str]:
    """Cut near the shares, after the next line end where one is near, else between two characters."""
    tolerance = int(min(share for share in (valid, test) if share) * len(text) / 2)
    ends = []
    for share in (1 - valid - test, 1 - test):
        at = round(share * len(text))
        line_end = text.find("\n", at - 1, at + tolerance)
        ends.append(line_end + 1 if line_end >= 0 else at)
    return text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :]


def _size(documents: Sequence[Document]) -> int:
    return sum(document.characters for document in documents)


def _copies(documents: Mapping[str, Sequence[Document]]) -> dict[str, str]:
    """Of each held-out part, in words, its documents whose whole text is in a part before it."""
    told: dict[str, str] = {}
    for before, part in (("train", "valid"), ("train", "test"), ("valid", "test")):
        known, held = documents.get(before, ()), documents.get(part, ())
        sizes = {each.characters for each in known} & {each.characters for each in held}
        texts = {_text_hash(each) for each in known if each.characters in sizes}
        names = [each.name for each in held if each.characters in sizes and _text_hash(each) in texts]
        if names:
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            told[part] = told.get(part, "") + f"; the text of {names[0]}{more} is in the {before} part too"
    return told


def _text_hash(document: Document) -> bytes:
    """A hash of the whole text, chunk by chunk; chunks of a text on the disk and in memory differ."""
    digest = blake2b(digest_size=16)
    for chunk in document.chunks():
        digest.update(chunk.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _hash(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
