"""Errors for mistakes in a cell, with the name of its class and the line of its author's code."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, TracebackType

from carousel.equations import language
from carousel.equations.graph import Node
from carousel.equations.parameters import Layout
from carousel.errors import CarouselError

# what Python raises for an unknown name, and for symbols in the place of numbers or tensors
SLIPS = (NameError, TypeError, AttributeError)

CALL = "It is called with x and one vector for each of its states: step(self, x, {})."

WORDS = (
    "A step computes with vectors and numbers, by + - * / and the words of carousel.equations: "
    f"{', '.join(language.__all__)}."
)


@contextmanager
def told(title: str, states: tuple[str, ...], code: CodeType | None) -> Iterator[None]:
    """Around the call of a step: mistakes of its author become CarouselErrors, and other errors get a note."""
    try:
        yield
    except CarouselError as error:
        raise CarouselError(f"{title}.step: {error}{_where(code, error.__traceback__)}") from error
    except SLIPS as error:
        cause = f"{type(error).__name__}: {str(error).rstrip('.')}"
        rule = WORDS if _entered(code, error.__traceback__) else CALL.format(", ".join(states))
        raise CarouselError(f"{title}.step: {cause}. {rule}{_where(code, error.__traceback__)}") from error
    except Exception as error:
        error.add_note(f"{title}.step failed while it was traced.{_where(code, error.__traceback__)}")
        raise


def place(code: CodeType | None, line: int | None) -> str:
    """A line of the author's code as in a traceback; empty if the line is not known."""
    if code is None or line is None:
        return ""
    source = linecache.getline(code.co_filename, line).strip()
    where = f'\n  File "{code.co_filename}", line {line}, in {code.co_qualname}'
    return f"{where}\n    {source}" if source else where


def misfit(states: tuple[str, ...], new_states: tuple[Node, ...], learned: list[Node]) -> Node:
    """The first product or learned vector that does not fit into a layout with those before it."""
    for count in range(1, len(learned)):
        first = learned[:count]
        kinds = [[node for node in first if node.operation == kind] for kind in ("affine", "scale", "param")]
        try:
            Layout(states, new_states, *kinds)
        except CarouselError:
            return first[-1]
    return learned[-1]


def _where(code: CodeType | None, trace: TracebackType | None) -> str:
    """The innermost line in the file of the step; the first line of the step if it was not entered."""
    if code is None:
        return ""
    found, line = code, code.co_firstlineno
    for frame_code, frame_line in _lines(trace):
        if frame_code.co_filename == code.co_filename:
            found, line = frame_code, frame_line
    return place(found, line)


def _entered(code: CodeType | None, trace: TracebackType | None) -> bool:
    return code is None or any(each is code for each, _ in _lines(trace))


def _lines(trace: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next
