"""Query strategies: which samples are worth a human's time."""

import numpy as np


def choose(
    strategy: str, probabilities: np.ndarray, budget: int, generator: np.random.Generator
) -> np.ndarray:
    """Return the rows to ask about, the most wanted first."""
    chance = generator.random(len(probabilities))
    scores = chance if strategy == "random_sampling" else _SCORES[strategy](probabilities)
    # Equal scores are common with forests: chance decides among them, not the order of the file.
    return np.lexsort((chance, -scores))[:budget]


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return how unsure the likeliest label is."""
    return 1 - probabilities.max(axis=1)


def _margin(probabilities: np.ndarray) -> np.ndarray:
    first_two = np.sort(probabilities, axis=1)[:, -2:]
    return first_two[:, 0] - first_two[:, 1]


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    logarithms = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    return -(probabilities * logarithms).sum(axis=1)


_SCORES = {
    "uncertainty_sampling": uncertainty,
    "margin_sampling": _margin,
    "entropy_sampling": _entropy,
}
