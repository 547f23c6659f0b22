"""One round: train on what is labelled, say how good that is, choose what to label next."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dvre_learn import data, model, query
from dvre_learn.data import Data, Labelled
from dvre_learn.mistake import Mistake
from dvre_learn.settings import Settings

# Splitting fewer would say nothing about a model.
_LEAST_TO_SPLIT = 11


@dataclass(frozen=True)
class Result:
    """What a round has found."""

    model: Any
    indices: np.ndarray
    samples: list[dict[str, Any]]
    metrics: dict[str, Any]


def play(
    settings: Settings, files: data.Files, model_in: Path | None, iteration: int | None
) -> Result:
    """Play a round."""
    number = iteration or len(files.query_labels) + 1
    if number > settings.max_iterations:
        raise Mistake(
            f"this is round {number}, and max_iterations is {settings.max_iterations}: "
            "the project is at its end, unless you raise that"
        )
    have = data.read(files, settings.label_space)
    before = None
    if model_in is not None:
        before = model.load(model_in)
        model.fits(before, model_in, _width(have))
    start = time.monotonic()
    training = have.training
    if training is not None:
        trained = model.train(settings, training)
    elif before is not None:
        trained = before
    else:
        raise Mistake("no sample is labelled: give labeled_data, or a model to choose with")
    seconds = time.monotonic() - start
    test, judged, fitted = _test(settings, have, training, trained)
    indices, samples = _ask(settings, number, have, trained)
    metrics = {
        "round": number,
        "query_strategy": settings.query_strategy,
        "query_budget": settings.query_budget,
        "model_type": settings.model_type,
        "seed": settings.seed,
        **_scores(test, judged),
        # A part of the labelled samples would be no test for a model that has learned from them.
        "previous_accuracy": None
        if have.test is None or before is None
        else _accuracy(have.test, before),
        "evaluated_on": None if test is None else have.test_name,
        "test_samples": 0 if test is None else len(test),
        "training_samples": fitted,
        "labeled_samples": 0 if training is None else len(training),
        "unlabeled_samples": len(have.candidates),
        "queried_samples": len(indices),
        "training_time": round(seconds, 3),
    }
    return Result(trained, indices, samples, metrics)


def _width(have: Data) -> int:
    samples = have.pool if have.labelled is None else have.labelled.samples
    return samples.shape[1]


def _test(
    settings: Settings, have: Data, training: Labelled | None, trained: Any
) -> tuple[Labelled | None, Any, int]:
    """Return samples to judge by, the model that has not seen them, and what that learned from."""
    count = 0 if training is None else len(training)
    if have.test is not None:
        return have.test, trained, count
    if count < _LEAST_TO_SPLIT or settings.validation_split == 0:
        return None, None, count
    from sklearn.model_selection import train_test_split

    _, sizes = np.unique(training.labels, return_counts=True)
    held = round(count * settings.validation_split)
    even = sizes.min() > 1 and min(held, count - held) >= len(sizes)
    first, second, first_labels, second_labels = train_test_split(
        training.samples,
        training.labels,
        test_size=max(held, 1),
        stratify=training.labels if even else None,
        random_state=settings.seed,
    )
    if len(set(first_labels.tolist())) < 2:
        return None, None, count
    # The model that is handed on has learned from all samples, this one only from a part.
    judged = model.train(settings, Labelled(first, first_labels))
    return Labelled(second, second_labels), judged, len(first)


def _scores(test: Labelled | None, judged: Any) -> dict[str, float | None]:
    if test is None:
        return dict.fromkeys(("accuracy", "precision", "recall", "f1_score"))
    from sklearn.metrics import precision_recall_fscore_support

    found = judged.predict(test.samples).astype(str)
    precision, recall, f1, _ = precision_recall_fscore_support(
        test.labels, found, average="weighted", zero_division=0
    )
    return {
        "accuracy": _accuracy(test, judged),
        "precision": round(float(precision), 4),
        "recall": round(float(recall), 4),
        "f1_score": round(float(f1), 4),
    }


def _accuracy(test: Labelled, judged: Any) -> float:
    return round(float(np.mean(judged.predict(test.samples).astype(str) == test.labels)), 4)


def _ask(
    settings: Settings, number: int, have: Data, trained: Any
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    candidates = have.candidates
    if have.pool is None or not len(candidates):
        return candidates, []
    chances = model.probabilities(trained, have.pool[candidates])
    generator = np.random.default_rng([settings.seed, number])
    rows = query.choose(settings.query_strategy, chances, settings.query_budget, generator)
    unsure = query.uncertainty(chances)
    samples = [
        {
            "original_index": int(candidates[row]),
            "uncertainty": round(float(unsure[row]), 4),
            "predicted_label": str(trained.classes_[chances[row].argmax()]),
        }
        for row in rows
    ]
    return candidates[rows], samples
