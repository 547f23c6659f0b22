"""The settings of a round, from a JSON document."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dvre_learn.mistake import Mistake

STRATEGIES = {
    "uncertainty": "uncertainty_sampling",
    "margin": "margin_sampling",
    "entropy": "entropy_sampling",
    "random": "random_sampling",
}
MODELS = {
    "random_forest": "RandomForestClassifier",
    "logistic_regression": "LogisticRegression",
    "svm": "SVC",
}
# Other names under which clients of the original server send the same settings.
ALIASES = {
    "queryStrategy": "query_strategy",
    "strategy": "query_strategy",
    "query_batch_size": "query_budget",
    "queryBatchSize": "query_budget",
    "queryBudget": "query_budget",
    "labelingBudget": "query_budget",
    "labeling_budget": "query_budget",
    "n_queries": "query_budget",
    "maxIterations": "max_iterations",
    "modelType": "model_type",
    "trainingArgs": "training_args",
    "labelSpace": "label_space",
    "validationSplit": "validation_split",
    "random_seed": "seed",
    "randomSeed": "seed",
    "random_state": "seed",
    "AL_scenario": "al_scenario",
    "alScenario": "al_scenario",
    "scenario": "al_scenario",
}
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
# They are for those who label, and change nothing here.
ELSEWHERE = ("consensus_threshold", "voting_strategy", "voting_timeout_seconds")


@dataclass(frozen=True)
class Settings:
    """How a round is played."""

    query_strategy: str = "uncertainty_sampling"
    query_budget: int = 10
    max_iterations: int = 50
    model_type: str = "RandomForestClassifier"
    training_args: dict[str, Any] = field(default_factory=dict)
    # Labels that may occur; empty: whatever the data have.
    label_space: tuple[str, ...] = ()
    # Part of the labelled samples that a model is judged by when there is no test set.
    validation_split: float = 0.2
    seed: int = 0
    al_scenario: str = "pool_based"


def read(path: Path | None) -> tuple[Settings, list[str]]:
    """Return the settings in a file, and names in it that mean nothing."""
    if path is None:
        return Settings(), []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Mistake(f"{path.name} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise Mistake(f'{path.name} must be a JSON object, such as {{"query_budget": 10}}')
    known = {one.name for one in fields(Settings)}
    values: dict[str, Any] = {}
    unknown = []
    # A setting's own name wins over its other ones.
    for given, value in sorted(document.items(), key=lambda item: item[0] in known):
        name = ALIASES.get(given, given)
        if name not in known:
            unknown.extend([given] if given not in ELSEWHERE else [])
        elif value is not None:
            values[name] = _checked(path.name, given, name, value)
    return Settings(**values), unknown


def _checked(file: str, given: str, name: str, value: Any) -> Any:
    try:
        return _CHECKS[name](value)
    except (TypeError, ValueError) as error:
        why = str(error)
        raise Mistake(f"{file}: {given} must be {why}, and is {json.dumps(value)}") from error


def _whole(low: int, high: int = 2**32 - 1) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        number = _number(value)
        if number is None or number != int(number) or not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(number)

    return check


def _fraction(value: Any) -> float:
    number = _number(value)
    if number is None or not 0 <= number <= 0.9:
        raise ValueError("a number from 0 to 0.9")
    return number


def _number(value: Any) -> float | None:
    """Return a number, also one that a form has sent as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _one_of(names: dict[str, str]) -> Callable[[Any], str]:
    full = {name.lower(): name for name in names.values()}
    full |= names

    def check(value: Any) -> str:
        try:
            return full[value.lower()]
        except (AttributeError, KeyError):
            raise ValueError(f"one of {', '.join(names.values())}") from None

    return check


def _arguments(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object of arguments of the model")
    return value


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str | int | float) for one in value):
        raise TypeError("a list of labels")
    return tuple(label(one) for one in value)


def _pool_based(value: Any) -> str:
    if value != "pool_based":
        raise ValueError("pool_based, as there are no others")
    return value


def label(value: Any) -> str:
    """Spell a label: 1, 1.0 and "1" are the same, whatever file they come from."""
    return _WHOLE.sub(r"\1", str(value).strip())


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "query_strategy": _one_of(STRATEGIES),
    "query_budget": _whole(1, 1_000_000),
    "max_iterations": _whole(1, 1_000_000),
    "model_type": _one_of(MODELS),
    "training_args": _arguments,
    "label_space": _labels,
    "validation_split": _fraction,
    "seed": _whole(0),
    "al_scenario": _pool_based,
}
