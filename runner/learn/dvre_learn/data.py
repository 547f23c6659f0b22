"""What a round has to work with: labelled samples, a pool of unlabelled ones, a test set."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from dvre_learn import answers, table
from dvre_learn.mistake import Mistake

# The bundled data are always split in the same way, whatever the seed of a round.
_SPLIT = 0
_DIGITS_LABELLED = 20
_DIGITS_TEST = 450


@dataclass(frozen=True)
class Files:
    """The files of a round."""

    labeled_data: Path | None = None
    labeled_labels: Path | None = None
    unlabeled_data: Path | None = None
    test_data: Path | None = None
    test_labels: Path | None = None
    query_labels: Sequence[Path] = ()


@dataclass(frozen=True)
class Labelled:
    """Samples and their labels."""

    samples: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """What a round has to work with. Indices are places in the unlabelled file, counted from 0."""

    labelled: Labelled | None
    pool: np.ndarray | None
    test: Labelled | None
    test_name: str
    # Samples of the pool that have been asked about, and the labels that were found.
    answers: Mapping[int, str | None] = field(default_factory=dict)

    @property
    def candidates(self) -> np.ndarray:
        """Return the indices that have not been asked about."""
        count = 0 if self.pool is None else len(self.pool)
        return np.setdiff1d(np.arange(count), list(self.answers)).astype(np.int64)

    @property
    def training(self) -> Labelled | None:
        """Return all that is labelled by now."""
        found = {index: label for index, label in sorted(self.answers.items()) if label is not None}
        if self.pool is None or not found:
            return self.labelled
        samples = [self.pool[list(found)]]
        labels = list(found.values())
        if self.labelled is not None:
            samples.insert(0, self.labelled.samples)
            labels = [*self.labelled.labels.tolist(), *labels]
        return Labelled(np.concatenate(samples), np.array(labels, dtype=str))


def read(files: Files, label_space: Sequence[str] = ()) -> Data:
    """Read the files; without any samples, the round is about scikit-learn's digits."""
    if files.labeled_data is None and files.labeled_labels is not None:
        raise Mistake(f"{files.labeled_labels.name} has labels, but labeled_data is not given")
    if files.test_data is None and files.test_labels is not None:
        raise Mistake(f"{files.test_labels.name} has labels, but test_data is not given")
    bundled = files.labeled_data is None and files.unlabeled_data is None
    if bundled:
        labelled, pool, test, _ = digits()
        width, of = pool.shape[1], "scikit-learn's digits, as no other data are given"
    else:
        labelled = _labelled(files.labeled_data, files.labeled_labels)
        pool = None
        if files.unlabeled_data is not None:
            pool = table.samples(files.unlabeled_data).samples
        first = files.labeled_data or files.unlabeled_data
        width = (labelled.samples if labelled is not None else pool).shape[1]
        of, test = first.name, None
        if labelled is not None and pool is not None:
            _same_width(files.unlabeled_data, pool, width, of)
    test_name = "digits" if bundled else "validation_split"
    if files.test_data is not None:
        test, test_name = _labelled(files.test_data, files.test_labels), "test_data"
        _same_width(files.test_data, test.samples, width, of)
    if files.query_labels and pool is None:
        raise Mistake("query_labels are given, but not unlabeled_data, which they are about")
    found = answers.read(files.query_labels, 0 if pool is None else len(pool))
    data = Data(labelled, pool, test, test_name, found)
    if not bundled and label_space:
        _check_labels(data, files, frozenset(label_space))
    return data


def digits() -> tuple[Labelled, np.ndarray, Labelled, np.ndarray]:
    """Return scikit-learn's digits: labelled samples, pool, test set, and what the pool shows."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    samples, labels = load_digits(return_X_y=True)
    samples, test, labels, test_labels = train_test_split(
        samples, labels.astype(str), test_size=_DIGITS_TEST, stratify=labels, random_state=_SPLIT
    )
    first, pool, first_labels, shown = train_test_split(
        samples, labels, train_size=_DIGITS_LABELLED, stratify=labels, random_state=_SPLIT
    )
    return Labelled(first, first_labels), pool, Labelled(test, test_labels), shown


def _labelled(samples: Path | None, labels: Path | None) -> Labelled | None:
    if samples is None:
        return None
    read = table.samples(samples, labelled=labels is None)
    found = read.labels
    if labels is not None:
        found = table.labels(labels, len(read.samples), samples.name)
    if not found:
        raise Mistake(f"{samples.name} has no samples")
    return Labelled(read.samples, np.array(found, dtype=str))


def _same_width(path: Path | None, samples: np.ndarray, width: int, of: str) -> None:
    if path is not None and samples.shape[1] != width:
        hint = ""
        if samples.shape[1] == width + 1:
            hint = "; if the last column is a label, leave it out, or give it as one in both files"
        raise Mistake(
            f"{path.name} has {samples.shape[1]} features a sample, but {of} has {width}{hint}"
        )


def _check_labels(data: Data, files: Files, space: frozenset[str]) -> None:
    names = [(files.labeled_labels or files.labeled_data, data.labelled)]
    names.append((files.test_labels or files.test_data, data.test))
    groups: list[tuple[str, Iterable[str]]] = [
        (path.name, found.labels.tolist())
        for path, found in names
        if path is not None and found is not None
    ]
    groups.append(("query_labels", [label for label in data.answers.values() if label is not None]))
    for name, found in groups:
        if wrong := sorted(set(found) - space):
            raise Mistake(
                f"{name} has the label {wrong[0]!r}, which label_space does not list: "
                f"{', '.join(sorted(space))}"
            )
