"""Facts about the compiled core."""

import os

import torch

import carousel
from carousel import _core


def info() -> dict[str, str | list[str]]:
    """Version, instruction sets built and chosen, threads and the version of torch, for bug reports.

    >>> info()["version"] == carousel.__version__
    True
    """
    return {
        "version": carousel.__version__,
        "instruction sets built": [name for name, _ in _core.built_isas()],
        "instruction sets here": [name for name, here in _core.built_isas() if here],
        "instruction set in use": _core.isa()
        + (" (by CAROUSEL_ISA)" if os.environ.get("CAROUSEL_ISA") else ""),
        "threads": f"{torch.get_num_threads()} ({'torch’s team' if _core.team_kind() == 'openmp' else 'own team'})",
        "torch": torch.__version__,
    }
