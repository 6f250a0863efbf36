"""A corpus with a known answer: words of a cluster share their contexts, and nothing else tells them apart."""

import numpy as np

CLUSTERS, MEMBERS = 8, 6


def planted(sentences: int = 2_500, seed: int = 0) -> list[list[str]]:
    """Each sentence has members of one cluster between context words of that cluster; a member never meets itself."""
    random = np.random.default_rng(seed)
    text = []
    for cluster in random.integers(0, CLUSTERS, sentences):
        members = random.choice(MEMBERS, 2, replace=False)
        contexts = random.integers(0, 10, 6)
        c = [f"context{cluster}x{k}" for k in contexts]
        text.append(
            [c[0], c[1], f"word{cluster}x{members[0]}", c[2], c[3], c[4], f"word{cluster}x{members[1]}", c[5]]
        )
    return text


def recovered(words: list[str], matrix: np.ndarray) -> float:
    """The share of member words whose nearest member word is of their own cluster; by chance about 1 in 9."""
    member = [k for k, word in enumerate(words) if word.startswith("word")]
    assert len(member) == CLUSTERS * MEMBERS
    cluster = np.array([words[k].split("x")[0] for k in member])
    units = matrix[member] / np.linalg.norm(matrix[member], axis=1, keepdims=True)
    near = units @ units.T
    np.fill_diagonal(near, -2)
    return float((cluster[near.argmax(1)] == cluster).mean())
