import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hpc import Hpc, missing

NO_CONTAINERS = [{"step": "/", "deployment": {"type": "none", "config": {}}}]


@dataclass
class Result:
    code: int
    stdout: str
    log: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str, **fields: object) -> list[dict[str, Any]]:
        found = [event for event in self.events if event["event"] == kind]
        return [e for e in found if all(e.get(k) == v for k, v in fields.items())]

    @property
    def outputs(self) -> dict[str, Any]:
        return json.loads(self.stdout)


@dataclass
class Engine:
    """Runs CWL in a folder of its own, with a socket that collects the events.

    `config` is what streamflow.yml has beside the workflow; without any, steps run locally.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=lambda: {"deployment": "here"})
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def streamflow_file(self) -> dict[str, Any]:
        here = {"type": "local", "workdir": str(self.folder / "scratch"), "config": {}}
        return {
            "version": "v1.0",
            "database": {
                "type": "dvre",
                "config": {"connection": str(self.folder / "streamflow.db")},
            },
            "scheduling": {"scheduler": {"type": "dvre", "config": {}}},
            "deployments": {"here": here},
        } | self.config

    def tool(
        self, file: str, command: list[str], requirements: dict[str, Any] | None = None
    ) -> None:
        tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": command}
        tool |= {"inputs": {}, "outputs": {}, "requirements": requirements or {}}
        (self.folder / file).write_text(json.dumps(tool))

    def start(self, file: str, inputs: dict[str, Any], socket_path: str) -> subprocess.Popen[str]:
        (self.folder / "inputs.json").write_text(json.dumps(inputs))
        cwl = {"file": file, "settings": "inputs.json", "docker": NO_CONTAINERS}
        bindings = [{"step": "/", "target": self.target}]
        workflow = {"type": "cwl", "config": cwl, "bindings": bindings}
        config = self.folder / "streamflow.yml"
        config.write_text(
            json.dumps(self.streamflow_file | {"workflows": {"dvre": workflow}}, indent=1)
        )
        command = [sys.executable, "-m", "dvre_streamflow", "run", "--name", "dvre"]
        return subprocess.Popen(
            [*command, "--outdir", str(self.folder / "outputs"), str(config)],
            env=os.environ
            | {"DVRE_EVENTS": socket_path, "HOME": str(self.folder)}
            | self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        file: str,
        inputs: dict[str, Any],
        stop: Callable[[dict[str, Any]], bool] = lambda _: False,
    ) -> Result:
        events: list[dict[str, Any]] = []
        path = self.folder / "events.sock"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen(1)
            process = self.start(file, inputs, str(path))

            def read() -> None:
                connection, _ = server.accept()
                with connection, connection.makefile() as lines:
                    for line in lines:
                        events.append(json.loads(line))
                        if stop(events[-1]):
                            process.send_signal(signal.SIGTERM)

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            stdout, log = process.communicate(timeout=120)
            reader.join(10)
        path.unlink()
        return Result(process.returncode, stdout, log, events)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    for file in (Path(__file__).parent / "cwl").iterdir():
        shutil.copy(file, tmp_path)
    yield Engine(tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def hpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hpc]:
    if missing():
        pytest.skip(f"not installed: {' '.join(missing())}")
    hpc = Hpc.start(tmp_path_factory.mktemp("hpc"))
    yield hpc
    hpc.close()
