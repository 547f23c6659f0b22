"""Runs of the command in a folder of their own."""

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from dvre_learn import command


@dataclass
class Run:
    folder: Path
    failed: bool
    out: str
    err: str

    @property
    def metrics(self):
        return json.loads((self.folder / "metrics.json").read_text())

    @property
    def asked(self):
        return json.loads((self.folder / "query_samples.json").read_text())

    @property
    def indices(self):
        return np.load(self.folder / "query_indices.npy", allow_pickle=False).tolist()


class Learn:
    """The command, with files that are written for it."""

    def __init__(self, folder):
        self.folder = folder
        self._runs = 0

    def file(self, name, content):
        path = self.folder / name
        if isinstance(content, np.ndarray):
            with path.open("wb") as file:
                np.save(file, content)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content)
        else:
            path.write_text(json.dumps(content))
        return path

    def __call__(self, config=None, **options):
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        if config is not None:
            options["config"] = self.file("config.json", config)
        line = []
        for name, value in options.items():
            values = value if isinstance(value, list) else [value]
            line += [f"--{name}", *map(str, values)]
        out, err, failed = io.StringIO(), io.StringIO(), False
        os.chdir(folder)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                command.main(line)
            except SystemExit as end:
                # As Python itself would end with it.
                print(end.code, file=err)
                failed = True
        return Run(folder, failed, out.getvalue(), err.getvalue())

    def works(self, **options):
        run = self(**options)
        assert not run.failed, run.err
        return run

    def refuses(self, *words, **options):
        """One line says what is wrong, and nothing is written."""
        run = self(**options)
        assert run.failed
        assert run.err.startswith("dvre-learn: ") and run.err.count("\n") == 1, run.err
        for word in words:
            assert word in run.err, run.err
        assert list(run.folder.iterdir()) == []
        return run


@pytest.fixture
def learn(tmp_path):
    return Learn(tmp_path)
