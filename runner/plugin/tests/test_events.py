import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Engine, Result


def statuses(result: Result, job: str) -> list[str]:
    return [event["status"] for event in result.of("job", job=job)]


def test_a_tool_alone_is_the_root_step(engine: Engine) -> None:
    result = engine.run("echo.cwl", {"message": "hello"})
    assert result.code == 0
    assert Path(result.outputs["output"]["path"]).read_text() == "hello\n"
    assert result.events[0]["event"] == "workflow"
    assert result.events[0]["steps"] == ["/"]
    assert statuses(result, "/0") == ["SCHEDULED", "RUNNING", "COMPLETED"]
    assert [event["exitCode"] for event in result.of("command")] == [0]
    assert "stderr" not in result.of("command")[0]
    assert result.events[-1] | {"time": 0} == {
        "event": "step", "step": "/", "status": "COMPLETED", "time": 0,
    }  # fmt: skip
    assert not result.of("error")


def test_a_chain_runs_in_order(engine: Engine) -> None:
    (engine.folder / "data.txt").write_text("b\na\nb\n")
    result = engine.run("chain.cwl", {"data": {"class": "File", "path": "data.txt"}})
    assert result.code == 0
    assert Path(result.outputs["count"]["path"]).read_text().strip() == "2"
    assert result.of("workflow")[0]["steps"] == ["/sort", "/unique", "/count"]
    completed = [event["step"] for event in result.of("step", status="COMPLETED")]
    assert completed == ["/sort", "/unique", "/count"]
    times = [event["time"] for event in result.events]
    assert times == sorted(times)


def test_a_scatter_counts_its_jobs(engine: Engine) -> None:
    result = engine.run("scatter.cwl", {"words": ["a", "b", "c", "d"]})
    assert result.code == 0
    jobs = {event["job"] for event in result.of("job", status="COMPLETED")}
    assert jobs == {f"/say/0.{index}" for index in range(4)}
    assert {event["step"] for event in result.of("job")} == {"/say"}
    assert max(event["total"] for event in result.of("job")) == 4
    assert len(result.of("command", exitCode=0)) == 4
    assert len(result.of("step")) == 1


def test_a_failed_tool_tells_its_exit_code_and_its_errors(engine: Engine) -> None:
    result = engine.run("fails.cwl", {"code": 7})
    assert result.code == 1
    command = result.of("command", step="/before")[0]
    assert (command["exitCode"], command["stderr"]) == (7, "no such gene\n")
    assert statuses(result, "/before/0")[-1] == "FAILED"
    error = result.of("error")[0]
    assert (error["kind"], error["step"]) == ("StepFailed", "/before")
    assert "no such gene" in error["message"]
    assert "no such gene" in result.log
    assert result.of("step", step="/before")[0]["status"] == "FAILED"
    assert result.of("step", step="/after")[0]["status"] == "CANCELLED"


def test_a_death_by_signal_counts_as_in_a_shell(engine: Engine) -> None:
    tool = (engine.folder / "talks.cwl").read_text()
    (engine.folder / "dies.cwl").write_text(tool.replace('exit "$0"', "kill -9 $$"))
    result = engine.run("dies.cwl", {"code": 0})
    assert result.of("command")[0]["exitCode"] == 137


@pytest.mark.parametrize(
    ("file", "inputs", "kind", "message"),
    [
        ("echo.cwl", {}, "InvalidInputs", "message"),
        ("reads.cwl", {"data": {"class": "File", "path": "none.txt"}}, "InvalidInputs", "none.txt"),
        ("broken.cwl", {"message": "x"}, "InvalidWorkflow", "strnig"),
        ("absent.cwl", {}, "InvalidWorkflow", "absent.cwl"),
        ("packed.cwl", {"message": "x"}, "InvalidWorkflow", "#twice"),
        ("forgets.cwl", {}, "StepFailed", "no File for output table"),
        ("greedy.cwl", {}, "UnsupportedRequirement", "asks for 4096 cores"),
    ],
)
def test_the_first_error_says_what_is_wrong(
    engine: Engine, file: str, inputs: dict[str, object], kind: str, message: str
) -> None:
    result = engine.run(file, inputs)
    assert result.code == 1
    assert result.of("error")[0]["kind"] == kind
    assert message in result.of("error")[0]["message"]
    assert len(result.of("error")[0]["message"]) <= 1024


def test_a_step_whose_condition_is_false_is_skipped(engine: Engine) -> None:
    result = engine.run("skips.cwl", {"message": "always"})
    assert result.code == 0
    assert result.of("step")[0]["status"] == "SKIPPED"
    assert not result.of("job")


@pytest.mark.parametrize(("entry", "steps"), [("twice", ["/first", "/second"]), ("say", ["/"])])
def test_an_entry_point_is_chosen_by_its_id(engine: Engine, entry: str, steps: list[str]) -> None:
    result = engine.run(f"packed.cwl#{entry}", {"message": "hello"})
    assert result.code == 0
    assert result.of("workflow")[0]["steps"] == steps


def test_a_terminated_run_ends_its_steps(engine: Engine) -> None:
    result = engine.run("sleeps.cwl", {}, lambda event: event.get("status") == "RUNNING")
    assert result.code == 130
    assert result.of("step")[0]["status"] == "CANCELLED"


def test_nobody_has_to_listen(engine: Engine) -> None:
    for path in ("", str(engine.folder / "absent.sock")):
        process = engine.start("echo.cwl", {"message": "hello"}, path)
        stdout, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "output.txt" in stdout


def test_the_plain_command_reports_the_same(engine: Engine) -> None:
    engine.run("echo.cwl", {"message": "hello"})
    command = Path(sys.executable).with_name("streamflow")
    process = subprocess.run(
        [command, "run", "--outdir", "outputs", "streamflow.yml"],
        env=os.environ | {"HOME": str(engine.folder)},
        cwd=engine.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "output.txt" in process.stdout
