"""Samples and labels in files: CSV, or NumPy's npy. Nothing in them is ever executed."""

import csv
import io
import math
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dvre_learn.mistake import Mistake
from dvre_learn.settings import label

_NPY = b"\x93NUMPY"
# How a pickle of protocol 2 or later begins.
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_PICKLED = "is or holds a pickle, which could run code when it is read: give CSV, or npy of numbers"


@dataclass(frozen=True)
class Table:
    """Samples, a row each, perhaps with a label in the last column."""

    file: str
    samples: np.ndarray
    labels: list[str] | None = None


def samples(path: Path, labelled: bool = False) -> Table:
    """Read samples; with `labelled`, the last column is the label."""
    if _is_npy(path):
        values = _load(path)
        labels = None
        if values.ndim < 2:
            raise Mistake(
                f"{path.name} has {values.ndim} dimension(s): give samples and their features"
            )
        if labelled:
            if values.ndim != 2 or values.shape[1] < 2:
                raise Mistake(
                    f"{path.name} needs the label as last column: or give labels in a file apart"
                )
            values, labels = values[:, :-1], [label(value) for value in values[:, -1].tolist()]
        try:
            # An image is a sample, too.
            values = values.reshape(len(values), math.prod(values.shape[1:])).astype(float)
        except ValueError as error:
            raise Mistake(f"{path.name} has something else than numbers: {error}") from error
        table = Table(path.name, values, labels)
    else:
        table = _csv_samples(path, labelled)
    wrong = np.argwhere(~np.isfinite(table.samples))
    if len(wrong):
        row, column = wrong[0] + 1
        raise Mistake(f"{path.name}: sample {row}, feature {column} is not a finite number")
    return table


def labels(path: Path, count: int, of: str) -> list[str]:
    """Read the labels of as many samples, those in file `of`."""
    if _is_npy(path):
        values = _load(path)
        if values.ndim == 2:
            values = values[:, -1]
        found = [label(value) for value in values.reshape(-1).tolist()]
    else:
        rows = _rows(path)
        # A line more than samples is the one with names.
        if len(rows) == count + 1:
            rows = rows[1:]
        found = [label(row[-1]) for row in rows]
    if len(found) != count:
        raise Mistake(f"{path.name} has {len(found)} labels for the {count} samples in {of}")
    if "" in found:
        raise Mistake(f"{path.name}: label {found.index('') + 1} is empty")
    return found


def _is_npy(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(len(_NPY))
    if _PICKLE.match(begin):
        raise Mistake(f"{path.name} {_PICKLED}")
    if zipfile.is_zipfile(path):
        raise Mistake(f"{path.name} is an archive (npz, xlsx?): give CSV, or npy with one array")
    return begin == _NPY


def _load(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        if "allow_pickle" in str(error):
            raise Mistake(f"{path.name} {_PICKLED}") from error
        raise Mistake(f"{path.name} is a damaged npy file: {error}") from error
    if values.dtype.kind not in "biufUS":
        raise Mistake(f"{path.name} has elements of type {values.dtype}: give numbers or text")
    if values.ndim == 0:
        raise Mistake(f"{path.name} is a single value: give an array")
    return values.astype(str) if values.dtype.kind == "S" else values


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Mistake(f"{path.name} is neither npy nor text in UTF-8: {error}") from error
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise Mistake(f"{path.name} is no CSV: {error}") from error
    if not rows:
        raise Mistake(f"{path.name} is empty")
    return rows


def _csv_samples(path: Path, labelled: bool) -> Table:
    rows = _rows(path)
    width = len(rows[0]) - (1 if labelled else 0)
    if width < 1:
        raise Mistake(f"{path.name} has one column only: give features, and the label as the last")
    first = 1
    if not any(_is_number(cell) for cell in rows[0][:width]):
        # Names of columns.
        rows, first = rows[1:], 2
    values = np.empty((len(rows), width))
    for number, row in enumerate(rows):
        where = f"{path.name}, line {number + first}"
        if len(row) != width + labelled:
            raise Mistake(f"{where} has {len(row)} columns, not {width + labelled} as the first")
        for column, cell in enumerate(row[:width]):
            try:
                values[number, column] = float(cell)
            except ValueError:
                raise Mistake(_not_a_number(where, column, width, cell, labelled)) from None
        if labelled and not row[-1].strip():
            raise Mistake(f"{where} has no label: labels stand in the last column")
    return Table(path.name, values, [label(row[-1]) for row in rows] if labelled else None)


def _not_a_number(where: str, column: int, width: int, cell: str, labelled: bool) -> str:
    text = f"{where}, column {column + 1} is no number: {cell[:40]!r}"
    if column + 1 == width and not labelled:
        return f"{text}; if these are labels, leave the column out"
    return text


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
