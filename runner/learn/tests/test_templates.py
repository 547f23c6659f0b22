"""Templates say the same as the command."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from dvre_learn import command, settings

FOLDER = Path(__file__).parents[3] / "templates"


def read(name):
    folder = FOLDER / name
    template = yaml.safe_load((folder / "template.yaml").read_text())
    return template, yaml.safe_load((folder / template["cwl"]).read_text())


def test_the_step_of_train_query_is_modal_run():
    _, tool = read("modal_run")
    _, workflow = read("train_query")
    step = workflow["steps"]["al_step"]
    assert {"cwlVersion": "v1.2", **step["run"]} == tool
    assert list(workflow["inputs"]) == list(tool["inputs"]) == list(step["in"])
    assert list(workflow["outputs"]) == list(tool["outputs"]) == step["out"]
    for name, kind in workflow["inputs"].items():
        assert tool["inputs"][name]["type"] == kind


def test_inputs_are_options():
    _, tool = read("modal_run")
    options = {f"--{name}" for name in vars(command.parse([]))}
    assert {one["inputBinding"]["prefix"] for one in tool["inputs"].values()} == options


@pytest.mark.parametrize("name", ["train_query", "modal_run"])
def test_settings_are_those_of_the_command(name):
    template, tool = read(name)
    assert template["name"] == name
    assert template["outputs"] == list(tool["outputs"])
    config = template["config"]
    assert config["input"] in tool["inputs"]
    own = {k: v for k, v in config["defaults"].items() if k not in settings.ELSEWHERE}
    assert own == {**asdict(settings.Settings()), "label_space": []}
    pairs = {(alias, to) for to, aliases in config["aliases"].items() for alias in aliases}
    assert pairs == set(settings.ALIASES.items())
    for setting, names in (
        ("query_strategy", settings.STRATEGIES),
        ("model_type", settings.MODELS),
    ):
        assert config["choices"][setting] == [*names.values(), *names]
