from pathlib import Path

import pytest
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
    assert "stdout" not in result.of("command")[0]


def test_an_output_that_no_file_takes_is_told_beside_the_errors(engine: Engine) -> None:
    tool = (engine.folder / "talks.cwl").read_text()
    (engine.folder / "apart.cwl").write_text(tool + "stderr: errors.txt\n")
    command = engine.run("apart.cwl", {"code": 3}).of("command")[0]
    assert (command["stderr"], command["stdout"]) == ("trouble\n", "progress")


@pytest.mark.parametrize("file", ["talks.cwl", "warns.cwl"])
def test_of_a_long_error_output_the_last_lines_are_told(engine: Engine, file: str) -> None:
    tool = (engine.folder / file).read_text()
    (engine.folder / "floods.cwl").write_text(tool.replace("exit", "seq 200000 >&2; exit"))
    result = engine.run("floods.cwl", {"code": 3})
    lines = result.of("command")[0]["stderr"].split()
    assert lines[-1] == "200000"
    assert lines == [str(number) for number in range(int(lines[0]), 200001)]
    assert 2**20 - 2048 <= len(result.of("command")[0]["stderr"]) <= 2**20
    assert "\n200000" in result.log
    assert len(result.log) < 2**19
