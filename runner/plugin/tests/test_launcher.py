import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("streamflow/__init__.py", "", "No module named 'streamflow.main'"),
        ("streamflow/main.py", "def broken(:", "invalid syntax"),
        ("streamflow/main.py", "from nowhere import x", "No module named 'nowhere'"),
        ("streamflow/main.py", "raise OSError('no\\nlibrary')", "no library"),
        (
            "streamflow/main.py",
            "VERSION, main = '0.3.0', print",
            "its version is 0.3.0, and not of the line 0.2.x",
        ),
    ],
)
def test_an_engine_that_is_not_there_is_told_from_one_that_fails(
    tmp_path: Path, file: str, text: str, why: str
) -> None:
    (tmp_path / "streamflow").mkdir()
    (tmp_path / "streamflow/__init__.py").touch()
    (tmp_path / file).write_text(text)
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"
    process = subprocess.run(
        [sys.executable, "-m", "dvre_streamflow", "run", "streamflow.yml"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 78
    assert process.stdout == ""
    line = process.stderr.strip()
    assert line.startswith(f"dvre-streamflow: StreamFlow is not available: {why}")
    assert "\n" not in line
