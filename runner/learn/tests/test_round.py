"""Rounds."""

import json
import subprocess
import sys

import numpy as np
import pytest
from dvre_learn import data

METRICS = {
    "round": 1,
    "query_strategy": "uncertainty_sampling",
    "query_budget": 10,
    "model_type": "RandomForestClassifier",
    "seed": 0,
    "previous_accuracy": None,
    "evaluated_on": "digits",
    "test_samples": 450,
    "training_samples": 20,
    "labeled_samples": 20,
    "unlabeled_samples": 1327,
    "queried_samples": 10,
}


def test_without_any_data_it_is_about_digits(learn):
    run = learn.works()
    found = run.metrics
    for name in ("accuracy", "precision", "recall", "f1_score"):
        assert 0.5 < found.pop(name) < 0.9
    assert found.pop("training_time") > 0
    assert found == METRICS
    assert [one["original_index"] for one in run.asked] == run.indices
    assert len(set(run.indices)) == 10 and all(0 <= index < 1327 for index in run.indices)
    unsure = [one["uncertainty"] for one in run.asked]
    assert unsure == sorted(unsure, reverse=True) and unsure[-1] > 0.5
    # Small enough to stand in the status of a resource.
    for name in ("metrics.json", "query_samples.json"):
        assert (run.folder / name).stat().st_size < 1024
    assert run.out.startswith("round 1: 20 labelled; uncertainty_sampling chose 10 of 1327; acc")


@pytest.mark.parametrize("model", ["RandomForestClassifier", "LogisticRegression", "SVC"])
def test_a_seed_says_everything(learn, model):
    one, same, other = (
        learn.works(config={"model_type": model, "query_strategy": "random", "seed": seed})
        for seed in (1, 1, 2)
    )

    def outcome(run):
        return {k: v for k, v in run.metrics.items() if k != "training_time"}, run.indices

    assert outcome(one) == outcome(same)
    assert one.indices != other.indices
    assert one.metrics["model_type"] == model
    after = learn.works(model_in=one.folder / "model_out.skops", iteration=2)
    assert after.metrics["previous_accuracy"] == one.metrics["accuracy"]
    assert after.metrics["round"] == 2


def own_data(learn, labelled=20):
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(100, 3))
    labels = np.where(samples.sum(axis=1) > 0, "yes", "no")
    return {
        "labeled_data": learn.file("labelled.npy", samples[:labelled]),
        "labeled_labels": learn.file("labels.npy", labels[:labelled]),
        "unlabeled_data": learn.file("pool.npy", samples[20:60]),
        "test_data": learn.file("test.npy", samples[60:]),
        "test_labels": learn.file("test-labels.npy", labels[60:]),
    }, labels[20:60]


def test_labels_of_earlier_rounds_are_learned_and_not_asked_for_again(learn):
    files, shown = own_data(learn)
    first = learn.works(**files, config={"query_budget": 4})
    found = [{"original_index": i, "final_label": shown[i], "votes": 3} for i in first.indices]
    # No consensus.
    found[3]["final_label"] = None
    answers = [learn.file("one.json", found)]
    second = learn.works(**files, query_labels=answers, config={"query_budget": 30})
    assert second.metrics["round"] == 2
    assert second.metrics["labeled_samples"] == 23
    assert second.metrics["unlabeled_samples"] == 36
    assert second.metrics["evaluated_on"] == "test_data"
    assert set(first.indices).isdisjoint(second.indices)
    rows = "".join(f"{index},{shown[index]}\n" for index in second.indices)
    answers.append(learn.file("two.csv", f"original_index,final_label\n{rows}"))
    third = learn.works(**files, query_labels=answers)
    assert (third.metrics["round"], third.metrics["labeled_samples"]) == (3, 53)
    # The pool has no more to give.
    assert len(third.indices) == 6
    rest = [{"original_index": i, "final_label": shown[i]} for i in third.indices]
    last = learn.works(**files, query_labels=[*answers, learn.file("three.json", rest)])
    assert (last.indices, last.asked) == ([], [])
    assert last.metrics["queried_samples"] == 0


def test_csv_with_names_and_the_label_last(learn):
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(40, 2)).round(3)
    lines = [f"{a},{b},{int(a > 0)}" for a, b in rows]
    labelled = learn.file("labelled.csv", "width,height,kind\n" + "\n".join(lines[:30]))
    pool = learn.file("pool.csv", "width,height\n" + "\n".join(f"{a},{b}" for a, b in rows[30:]))
    run = learn.works(
        labeled_data=labelled,
        unlabeled_data=pool,
        config={"label_space": [0, "1"], "n_queries": "3", "voting_strategy": "majority"},
    )
    assert run.err == ""
    assert len(run.indices) == 3
    assert run.metrics["evaluated_on"] == "validation_split"
    assert (run.metrics["test_samples"], run.metrics["training_samples"]) == (6, 24)
    assert {one["predicted_label"] for one in run.asked} <= {"0", "1"}
    labels = learn.file("labels.csv", "kind\n" + "\n".join(line[-1] for line in lines[:30]))
    features = learn.file("features.csv", "\n".join(f"{a},{b}" for a, b in rows[:30]))
    same = learn.works(
        labeled_data=features, labeled_labels=labels, unlabeled_data=pool, config={"n_queries": 3}
    )
    assert same.indices == run.indices


def test_too_few_samples_to_judge_by(learn):
    files, _ = own_data(learn, labelled=8)
    del files["test_data"], files["test_labels"]
    metrics = learn.works(**files).metrics
    assert metrics["accuracy"] is None and metrics["evaluated_on"] is None
    assert metrics["labeled_samples"] == 8


def test_a_model_alone_chooses(learn):
    files, _ = own_data(learn)
    model = learn.works(**files).folder / "model_out.skops"
    run = learn.works(model_in=model, unlabeled_data=files["unlabeled_data"])
    assert len(run.indices) == 10
    assert run.metrics["labeled_samples"] == 0 and run.metrics["accuracy"] is None


def test_training_alone_asks_nothing(learn):
    files, _ = own_data(learn)
    del files["unlabeled_data"]
    run = learn.works(**files)
    assert run.indices == [] and run.metrics["accuracy"] > 0.6


def test_asking_the_unsure_beats_asking_anybody(learn):
    """Ten rounds of ten queries, from twenty labels."""
    *_, shown = data.digits()

    def accuracy(strategy):
        answers = []
        for _ in range(10):
            earlier = {"query_labels": answers} if answers else {}
            run = learn.works(config={"query_strategy": strategy}, **earlier)
            found = [{"original_index": i, "final_label": shown[i]} for i in run.indices]
            answers.append(learn.file(f"{strategy}-{len(answers)}.json", found))
        assert run.metrics["round"] == 10
        assert run.metrics["labeled_samples"] == 110
        return run.metrics["accuracy"]

    chance = accuracy("random")
    assert accuracy("uncertainty") > chance + 0.03
    assert accuracy("margin") > chance + 0.03


def test_as_a_program(learn):
    program = [sys.executable, "-m", "dvre_learn", "--iteration"]
    wrong, right = (
        subprocess.run([*program, number], cwd=learn.folder, capture_output=True, text=True)
        for number in ("0", "7")
    )
    assert (wrong.returncode, wrong.stderr) == (1, "dvre-learn: iteration must be 1 or more\n")
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.startswith("round 7: ")


def test_unknown_settings_are_named(learn):
    run = learn.works(config={"query_bugdet": 3})
    assert "query_bugdet" in run.err
    assert len(json.loads((run.folder / "query_samples.json").read_text())) == 10
