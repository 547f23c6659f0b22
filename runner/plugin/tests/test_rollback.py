from pathlib import Path

from conftest import Engine

ROLLBACK = {"enabled": True, "type": "rollback", "config": {"max_retries": 3, "retry_delay": 1}}


def run_count(engine: Engine, step: str) -> int:
    return len((engine.folder / step).read_text().splitlines())


def test_a_step_that_fails_twice_succeeds_in_the_end(engine: Engine) -> None:
    engine.config["failureManager"] = ROLLBACK
    result = engine.run("recovers.cwl", {"folder": str(engine.folder), "succeeds": 3})
    assert result.code == 0
    assert Path(result.outputs["output"]["path"]).read_text() == "data\n"
    assert (run_count(engine, "steady"), run_count(engine, "moody")) == (1, 3)
    assert [event["exitCode"] for event in result.of("command", step="/moody")] == [3, 3, 0]
    states = [event["status"] for event in result.of("job", step="/moody")]
    assert states.count("ROLLBACK") == 2
    assert states[-1] == "COMPLETED"
    assert [event["status"] for event in result.of("step", step="/moody")] == ["COMPLETED"]
    assert [event["status"] for event in result.of("step", step="/steady")] == ["COMPLETED"]


def test_a_step_that_fails_for_good_fails(engine: Engine) -> None:
    engine.config["failureManager"] = ROLLBACK
    result = engine.run("recovers.cwl", {"folder": str(engine.folder), "succeeds": 9})
    assert result.code == 1
    assert run_count(engine, "moody") == 3
    assert [event["status"] for event in result.of("step", step="/moody")] == ["FAILED"]
    assert result.of("error")[0]["step"] == "/moody"
