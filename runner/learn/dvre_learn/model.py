"""Models: made, saved and read without running what a file says."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from dvre_learn import soundness
from dvre_learn.data import Labelled
from dvre_learn.mistake import Mistake
from dvre_learn.settings import Settings

_SAFE = "give the model_out.skops of a round"


def train(settings: Settings, data: Labelled) -> Any:
    """Return a model that has learned from labelled samples."""
    kinds = sorted(set(data.labels.tolist()))
    if len(kinds) < 2:
        raise Mistake(
            f"all labelled samples have the label {kinds[0]!r}: a model needs two different ones"
        )
    try:
        return _make(settings).fit(data.samples, data.labels)
    except (TypeError, ValueError) as error:
        if settings.training_args:
            words = " ".join(str(error).split())
            raise Mistake(f"training_args: {settings.model_type} says: {words}") from error
        raise


def _make(settings: Settings) -> Any:
    arguments = {"random_state": settings.seed, **settings.training_args}
    if settings.model_type == "RandomForestClassifier":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(**arguments)

    # These two want features of one scale.
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if settings.model_type == "SVC":
        from sklearn.svm import SVC

        return make_pipeline(StandardScaler(), SVC(**arguments))
    from sklearn.linear_model import LogisticRegression

    return make_pipeline(StandardScaler(), LogisticRegression(**{"max_iter": 1000, **arguments}))


def probabilities(model: Any, samples: np.ndarray) -> np.ndarray:
    """Return how likely a model finds each label, a row for each sample."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(samples)
    # A support vector machine has distances only; their order is what matters here.
    scores = model.decision_function(samples)
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1) / 2
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def save(model: Any, path: Path) -> None:
    """Write a model as data."""
    import skops.io

    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)


def check(path: Path) -> None:
    """Refuse what is no model file, before anything else takes time."""
    with path.open("rb") as file:
        begin = file.read(2)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "schema.json" in archive.namelist():
                return
    if begin[:1] == b"\x80" or begin in (b"\x1f\x8b", b"BZ", b"\xfd7", b"x\x9c"):
        raise Mistake(
            f"{path.name} looks like a pickle (a .pkl or .joblib file), which runs code when it "
            f"is read, and is not read here: {_SAFE}"
        )
    raise Mistake(f"{path.name} is no model in the skops format: {_SAFE}")


def load(path: Path) -> Any:
    """Read a model, unless it holds anything that is not known to be harmless."""
    import skops.io

    check(path)
    try:
        foreign = set(skops.io.get_untrusted_types(file=path)) - {soundness.LOOKED_INTO}
        model = None if foreign else skops.io.load(path, trusted=[soundness.LOOKED_INTO])
    except Exception as error:
        # Whatever a broken or malicious archive does to the reader.
        words = " ".join(str(error).split())
        raise Mistake(f"{path.name} cannot be read: {words}; {_SAFE}") from error
    if foreign:
        raise Mistake(
            f"{path.name} holds types that are not trusted, and is not read: "
            f"{', '.join(sorted(foreign)[:5])}; {_SAFE}"
        )
    if not soundness.sound(model):
        raise Mistake(f"{path.name} holds no trained model of a round, or a broken one; {_SAFE}")
    return model


def fits(model: Any, path: Path, width: int) -> None:
    """Refuse a model for other samples."""
    wanted = getattr(model, "n_features_in_", width)
    if wanted != width:
        raise Mistake(
            f"{path.name} was trained on samples of {wanted} features, and these have {width}"
        )
