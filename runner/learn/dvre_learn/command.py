"""The command line. Names of options are those of the workflows' inputs."""

import argparse
import json
import os
import sys
from pathlib import Path

from dvre_learn import settings
from dvre_learn.mistake import Mistake

_FILES = (
    ("labeled_data", "labelled samples, CSV or npy; the label last, unless given apart"),
    ("labeled_labels", "their labels"),
    ("unlabeled_data", "the pool that is queried"),
    ("config", "settings, a JSON object"),
    ("model_in", "the model of the round before (skops)"),
    ("test_data", "samples that the model is judged by; the label last, likewise"),
    ("test_labels", "their labels"),
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="dvre-learn",
        allow_abbrev=False,
        description="One round of pool-based active learning. Writes model_out.skops, "
        "query_indices.npy, query_samples.json and metrics.json to the current folder. "
        "Without data, it is about scikit-learn's digits.",
    )
    for name, text in _FILES:
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    parser.add_argument(
        "--query_labels",
        type=Path,
        metavar="FILE",
        action="extend",
        nargs="+",
        default=[],
        help="labels found since the first round: JSON, or CSV",
    )
    parser.add_argument("--iteration", type=int, metavar="N", help="number of the round")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Play a round."""
    given = parse(arguments)
    try:
        _round(given)
    except Mistake as mistake:
        sys.exit(f"dvre-learn: {mistake}")


def _round(given: argparse.Namespace) -> None:
    named = [getattr(given, name) for name, _ in _FILES]
    for path in [*filter(None, named), *given.query_labels]:
        if not path.is_file():
            raise Mistake(f"there is no file {path}")
    if given.iteration is not None and given.iteration < 1:
        raise Mistake("iteration must be 1 or more")
    wanted, unknown = settings.read(given.config)
    if unknown:
        print(f"dvre-learn: settings that mean nothing here: {', '.join(unknown)}", file=sys.stderr)
    # Threads would only fight over the few processors of a container.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

    # Late: they take most of the time of a mistake that is found without them.
    import numpy as np
    from dvre_learn import data, model, rounds

    if given.model_in is not None:
        model.check(given.model_in)
    files = data.Files(
        given.labeled_data,
        given.labeled_labels,
        given.unlabeled_data,
        given.test_data,
        given.test_labels,
        given.query_labels,
    )
    result = rounds.play(wanted, files, given.model_in, given.iteration)
    model.save(result.model, Path("model_out.skops"))
    np.save("query_indices.npy", result.indices)
    _write("query_samples.json", result.samples)
    _write("metrics.json", result.metrics)
    print(_summary(result.metrics))


def _write(name: str, document: object) -> None:
    text = json.dumps(document, separators=(",", ":"))
    Path(name).write_text(f"{text}\n", encoding="utf-8")


def _summary(metrics: dict[str, object]) -> str:
    text = (
        "round {round}: {labeled_samples} labelled; {query_strategy} chose {queried_samples} "
        "of {unlabeled_samples}".format_map(metrics)
    )
    if metrics["accuracy"] is not None:
        text += "; accuracy {accuracy} on {test_samples} of {evaluated_on}".format_map(metrics)
    return text
