"""Who else computes these cells: each file has `prepare(problem, threads)`, a call or None if it cannot."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from types import ModuleType

# name in the tables -> (file, distribution whose version is reported)
PEERS = {
    "torch.nn": ("torch_nn", "torch"),
    "torch loop": ("torch_loop", "torch"),
    "jax.lax.scan": ("jax_scan", "jax"),
    "ONNX Runtime": ("onnx_runtime", "onnxruntime"),
}


def load_peers(names: list[str]) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The peers that are installed, and for each of the others the reason."""
    found: dict[str, ModuleType] = {}
    absent: dict[str, str] = {}
    for name in names:
        try:
            found[name] = import_module(f"bench.peers.{PEERS[name][0]}")
        except ImportError as error:
            absent[name] = f"not installed ({error.name or error}); pip install '.[bench]' brings it"
    return found, absent


def versions(names: list[str]) -> dict[str, str]:
    """Distribution -> version, torch always."""
    distributions = dict.fromkeys(["torch", *(PEERS[name][1] for name in names)])
    return {distribution: version(distribution) for distribution in distributions}
