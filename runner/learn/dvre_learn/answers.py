"""Labels that were found for samples of the pool since the first round."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvre_learn.mistake import Mistake
from dvre_learn.settings import label

_FORM = (
    'give a JSON list such as [{"original_index": 17, "final_label": "cat"}], '
    "or CSV with the columns original_index and final_label"
)


def read(paths: Iterable[Path], pool: int) -> dict[int, str | None]:
    """Return labels by the sample's index in the pool; later files win, and null is no label."""
    found: dict[int, str | None] = {}
    for path in paths:
        for number, entry in enumerate(_entries(path), 1):
            if not isinstance(entry, dict) or not {"original_index", "final_label"} <= entry.keys():
                raise Mistake(f"{path.name}, entry {number}: {_FORM}")
            index = _index(entry["original_index"])
            if index is None or not 0 <= index < pool:
                text = json.dumps(entry["original_index"])
                raise Mistake(
                    f"{path.name}, entry {number}: original_index is {text}, but must be the "
                    f"place of a sample among the {pool} unlabelled ones, counted from 0"
                )
            value = entry["final_label"]
            if isinstance(value, dict | list):
                raise Mistake(f"{path.name}, entry {number}: final_label must be a single label")
            found[index] = None if value in (None, "") else label(value)
    return found


def _index(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool) or int(value) != float(value) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _entries(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Mistake(f"{path.name} is no text: {_FORM}") from error
    if text.lstrip()[:1] not in ("[", "{"):
        return list(csv.DictReader(io.StringIO(text, newline="")))
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise Mistake(f"{path.name} is no JSON: {error}") from error
    if not isinstance(entries, list):
        raise Mistake(f"{path.name} is no list: {_FORM}")
    return entries
