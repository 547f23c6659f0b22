"""What a user gets wrong, and reads about in one line."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from skops.io._protocol import PROTOCOL

LABELLED = "1,2,a\n2,3,b\n3,4,a\n"


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", ["config.json is no JSON"]),
        ("[]", ["config.json must be a JSON object"]),
        ({"query_budget": 0}, ["query_budget", "whole number from 1", "is 0"]),
        ({"n_queries": 2.5}, ["n_queries", "whole number"]),
        ({"query_budget": float("inf")}, ["query_budget"]),
        ({"query_strategy": "psychic"}, ["uncertainty_sampling, margin_sampling", '"psychic"']),
        ({"query_strategy": 1}, ["query_strategy must be one of"]),
        ({"model_type": "Oracle"}, ["RandomForestClassifier, LogisticRegression, SVC"]),
        ({"validation_split": 1}, ["from 0 to 0.9"]),
        ({"seed": -1}, ["seed"]),
        ({"label_space": "ab"}, ["a list of labels"]),
        ({"training_args": 7}, ["training_args must be an object"]),
        ({"training_args": {"n_estimators": "many"}}, ["training_args: RandomForest", "n_estim"]),
        ({"training_args": {"trees": 3}}, ["training_args", "'trees'"]),
        ({"scenario": "stream_based"}, ["scenario must be pool_based"]),
        ({"max_iterations": 2}, ["round 3", "max_iterations is 2"]),
    ],
)
def test_settings(learn, config, words):
    learn.refuses(*words, config=config, iteration=3)


@pytest.mark.parametrize(
    ("labelled", "pool", "words"),
    [
        ("", "1,2\n", ["labelled is empty"]),
        (LABELLED, "1,2,3\n", ["pool has 3 features", "labelled has 2", "leave it out"]),
        (LABELLED, "1,\n", ["pool, line 1, column 2 is no number", "leave the column out"]),
        ("w,h,l\n", "1,2\n", ["labelled has no samples"]),
        ("w,h,l\n1,x,a\n", "1,2\n", ["labelled, line 2, column 2 is no number: 'x'"]),
        ("1,2,a\n1,2\n", "1,2\n", ["labelled, line 2 has 2 columns, not 3"]),
        ("1,2,a\n1,2,\n", "1,2\n", ["line 2 has no label"]),
        ("1,2,a\n1,2,a\n", "1,2\n", ["all labelled samples have the label 'a'"]),
        ("1,nan,a\n1,2,b\n", "1,2\n", ["labelled: sample 1, feature 2 is not a finite"]),
        (LABELLED, b"\xff\xfe\x00", ["pool is neither npy nor text"]),
        (LABELLED, np.arange(3), ["pool has 1 dimension"]),
        (LABELLED, np.array([["a", "b"]]), ["pool has something else than numbers"]),
        (LABELLED, b"\x93NUMPY\x01\x00", ["pool is a damaged npy"]),
    ],
)
def test_data(learn, labelled, pool, words):
    files = {"labeled_data": learn.file("labelled", labelled)}
    learn.refuses(*words, **files, unlabeled_data=learn.file("pool", pool))


def test_data_that_would_run(learn):
    labelled = learn.file("labelled.csv", LABELLED)
    objects = io.BytesIO()
    np.save(objects, np.array([[Evil()]], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    np.savez(archive, a=np.ones(3))
    for name, content, words in [
        ("pool.npy", objects.getvalue(), "could run code"),
        ("pool.pkl", pickle.dumps(Evil()), "could run code"),
        ("pool.npz", archive.getvalue(), "is an archive"),
    ]:
        pool = learn.file(name, content)
        run = learn.refuses(name, words, labeled_data=labelled, unlabeled_data=pool)
        assert "executed" not in run.out


def test_labels_and_files(learn):
    labelled, pool = learn.file("labelled.csv", "1,2\n3,4\n"), learn.file("pool.csv", "1,2\n")
    labels = learn.file("labels.csv", "a\nb\nc\nd\n")
    own = {"labeled_data": labelled, "unlabeled_data": pool}
    learn.refuses("labels.csv has 4 labels for the 2 samples", **own, labeled_labels=labels)
    learn.refuses("labels.csv", "labeled_data is not given", labeled_labels=labels)
    learn.refuses("labels.csv", "test_data is not given", test_labels=labels)
    learn.refuses("there is no file", labeled_data=learn.folder / "nothing")
    learn.refuses("no sample is labelled", unlabeled_data=pool)
    both = learn.file("both.csv", LABELLED)
    words = ("both.csv has the label 'a'", "label_space", "positive")
    learn.refuses(*words, labeled_data=both, config={"label_space": ["positive", "b"]})
    answers = learn.file("answers.json", [])
    learn.refuses("unlabeled_data", labeled_data=both, query_labels=answers)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ("{}", ["answers is no list", "original_index"]),
        ("[1", ["answers is no JSON"]),
        ([{"original_index": 1}], ["answers, entry 1", "final_label"]),
        ([{"original_index": 2000, "final_label": 1}], ["2000", "1327 unlabelled"]),
        ([{"original_index": -1, "final_label": 1}], ["-1"]),
        ([{"original_index": True, "final_label": 1}], ["true"]),
        ([{"original_index": 1, "final_label": [1]}], ["single label"]),
        ("index,label\n1,2\n", ["answers, entry 1", "columns original_index and final_label"]),
    ],
)
def test_answers(learn, answers, words):
    learn.refuses(*words, query_labels=learn.file("answers", answers))


def zipped(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def foreign():
    """A file as skops writes it, of a type of somebody else."""
    schema = {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"}
    schema |= {"content": None, "protocol": PROTOCOL, "_skops_version": "0", "__id__": 1}
    return zipped(**{"schema.json": json.dumps(schema)})


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.pkl", pickle.dumps(Evil()), ["model.pkl looks like a pickle", "runs code"]),
        ("model.joblib", b"\x1f\x8b\x08\x00", ["looks like a pickle"]),
        ("model.skops", b"hello", ["no model in the skops format"]),
        ("model.skops", b"", ["no model in the skops format"]),
        ("model.skops", zipped(a="b"), ["no model in the skops format"]),
        ("model.skops", zipped(**{"schema.json": "{"}), ["cannot be read"]),
        ("model.skops", foreign(), ["types that are not trusted", "subprocess.Popen"]),
    ],
    ids=["pickle", "joblib", "text", "empty", "archive", "cut", "foreign"],
)
def test_models(learn, name, content, words):
    run = learn.refuses(*words, "model_out.skops", model_in=learn.file(name, content))
    assert "executed" not in run.out


def test_a_model_for_other_samples(learn):
    labelled, pool = learn.file("labelled.csv", LABELLED), learn.file("pool.csv", "1,2\n")
    first = learn.works(labeled_data=labelled, unlabeled_data=pool)
    learn.refuses("2 features", "64", model_in=first.folder / "model_out.skops")
