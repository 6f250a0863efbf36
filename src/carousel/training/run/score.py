"""What the score of any task has."""

from typing import Any, Protocol


class AnyScore(Protocol):
    """How good a model is on a part of the data; the session keeps the weights of the lowest `value`."""

    @property
    def value(self) -> float: ...

    def to_dict(self) -> dict[str, Any]: ...
