"""The curve of accuracy over labels."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
# The same results give the same file.
matplotlib.rcParams["svg.hashsalt"] = "curve"

import matplotlib.pyplot as plt  # noqa: E402

STYLES = {"random": {"color": "0.55", "linestyle": "--"}}


def draw(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw the curves as SVG and PNG."""
    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    for strategy, metrics in results.items():
        labels = [one["labeled_samples"] for one in metrics]
        accuracy = [one["accuracy"] for one in metrics]
        name = f"{strategy} ({accuracy[-1]:.3f})"
        axes.plot(
            labels, accuracy, marker="o", markersize=4, label=name, **STYLES.get(strategy, {})
        )
    first = next(iter(results.values()))[0]
    axes.set_xlabel("labelled samples")
    axes.set_ylabel(f"accuracy on {first['test_samples']} test samples")
    axes.set_title(f"Digits, {first['model_type']}, {first['query_budget']} queries a round")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)
    plt.close(figure)
