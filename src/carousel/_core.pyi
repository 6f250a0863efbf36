"""The compiled core: its functions are bound in csrc, and tools take them as they are called."""

from typing import Any

def __getattr__(name: str) -> Any: ...
