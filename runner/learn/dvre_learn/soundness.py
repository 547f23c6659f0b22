"""Whether a model that was read is one of ours, and whole.

scikit-learn's compiled parts follow the numbers in a model without looking whether they lead out of
it; skops looks at types only.
"""

from typing import Any

import numpy as np

# What skops has to be told: it cannot look into a tree, and `sound` does.
LOOKED_INTO = "sklearn.tree._tree.Tree"


def sound(model: Any) -> bool:
    """Return whether a model may be asked."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    try:
        if type(model) is RandomForestClassifier:
            return _forest(model)
        if type(model) is not Pipeline:
            return False
        scaler, last = (part for _, part in model.steps)
        if type(scaler) is not StandardScaler or type(last) not in (LogisticRegression, SVC):
            return False
        return len(last.classes_) > 1 and (type(last) is not SVC or _machine(last))
    except (AttributeError, IndexError, TypeError, ValueError):
        # Parts that are missing, or of another sort.
        return False


def _forest(model: Any) -> bool:
    from sklearn.tree import DecisionTreeClassifier

    count = len(model.classes_)
    return (
        count > 1
        and model.n_outputs_ == 1
        and len(model.estimators_) > 0
        and all(type(tree) is DecisionTreeClassifier for tree in model.estimators_)
        and all(_tree(one.tree_, model.n_features_in_, count) for one in model.estimators_)
    )


def _tree(tree: Any, features: int, classes: int) -> bool:
    count = tree.node_count
    if not 1 <= count <= tree.capacity:
        return False
    if (tree.n_features, tree.n_outputs, tree.max_n_classes) != (features, 1, classes):
        return False
    here = np.arange(count)
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != -1
    # Children come after their parent, so that every way through a tree ends.
    onward = (here < left) & (left < count) & (here < right) & (right < count)
    return bool(np.all(onward[inner] & (feature[inner] >= 0) & (feature[inner] < features)))


def _machine(model: Any) -> bool:
    count, vectors = len(model.classes_), len(model.support_vectors_)
    pairs = count * (count - 1) // 2
    return (
        model.support_vectors_.shape == (vectors, model.n_features_in_)
        and model.support_.shape == (vectors,)
        and model._n_support.shape == (count,)
        and bool(np.all(model._n_support >= 0))
        and int(model._n_support.sum()) == vectors
        and model._dual_coef_.shape == (count - 1, vectors)
        and model._intercept_.shape == (pairs,)
        and len(model._probA) in (0, pairs)
        and len(model._probB) in (0, pairs)
    )
