"""Models that are of the right types, and broken."""

import numpy as np
import pytest
from dvre_learn import data, model
from dvre_learn.mistake import Mistake
from dvre_learn.settings import Settings
from dvre_learn.soundness import sound


def trained(kind):
    labelled, *_ = data.digits()
    return model.train(Settings(model_type=kind), labelled)


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "LogisticRegression", "SVC"])
def test_ours_are_sound(kind):
    assert sound(trained(kind))


@pytest.mark.parametrize(
    ("part", "row", "value"),
    [
        ("left_child", 0, 10_000),
        ("right_child", 0, -7),
        # Round and round.
        ("left_child", 0, 0),
        ("feature", 0, 64),
        ("feature", 0, -3),
    ],
)
def test_a_tree_that_leads_outside(part, row, value, tmp_path):
    forest = trained("RandomForestClassifier")
    tree = forest.estimators_[3].tree_
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    nodes[part][row] = value
    tree.__setstate__({**state, "nodes": nodes})
    assert not sound(forest)
    path = tmp_path / "model.skops"
    model.save(forest, path)
    with pytest.raises(Mistake, match="broken"):
        model.load(path)


def test_a_tree_of_more_nodes_than_it_has():
    forest = trained("RandomForestClassifier")
    tree = forest.estimators_[0].tree_
    tree.__setstate__({**tree.__getstate__(), "node_count": 100_000})
    assert not sound(forest)


def test_a_machine_with_fewer_vectors_than_it_says():
    machine = trained("SVC")
    machine[-1]._dual_coef_ = machine[-1]._dual_coef_[:, :2]
    assert not sound(machine)


def test_others_are_not_ours():
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import make_pipeline

    dummy = DummyClassifier().fit(np.ones((2, 1)), ["a", "b"])
    assert not sound(dummy)
    assert not sound(make_pipeline(dummy))
    assert not sound(None)
