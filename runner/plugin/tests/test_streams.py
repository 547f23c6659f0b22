from pathlib import Path

from conftest import Engine


def text(file: dict[str, str]) -> str:
    return Path(file["path"]).read_text()


def test_stdout_is_not_spoiled_by_warnings(engine: Engine) -> None:
    result = engine.run("warns.cwl", {"code": 0})
    assert result.code == 0
    assert text(result.outputs["output"]) == "result\n"
    assert [file["basename"] for file in result.outputs["all"]] == ["result.txt"]
    assert "Error output of job /0:\nwarning" in result.log


def test_a_failed_tool_with_stdout_shows_its_errors_only(engine: Engine) -> None:
    result = engine.run("warns.cwl", {"code": 3})
    assert result.of("command")[0]["stderr"] == "warning\n"


def test_a_file_for_stderr_is_left_alone(engine: Engine) -> None:
    result = engine.run("streams.cwl", {"code": 0})
    assert text(result.outputs["output"]) == "result\n"
    assert text(result.outputs["errors"]) == "warning\n"
    failed = engine.run("streams.cwl", {"code": 3})
    assert failed.of("command")[0]["stderr"] == "warning\n"


def test_without_files_both_streams_are_the_error_output(engine: Engine) -> None:
    result = engine.run("talks.cwl", {"code": 3})
    assert result.of("command")[0]["stderr"] == "progress\ntrouble"
