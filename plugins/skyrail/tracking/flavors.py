"""Models to files and back, by MLflow's flavors."""

from __future__ import annotations

import contextlib
import importlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from skyrail.errors import TrackingError

FLAVORS = {
    "sklearn": ("sklearn", ("scikit-learn", "numpy", "pandas", "scipy")),
    "xgboost": ("xgboost", ("xgboost", "numpy", "pandas")),
    "lightgbm": ("lightgbm", ("lightgbm", "numpy", "pandas")),
    "catboost": ("catboost", ("catboost", "numpy", "pandas")),
    "torch": ("pytorch", ("torch", "numpy", "pandas")),
    "statsmodels": ("statsmodels", ("statsmodels", "numpy", "pandas")),
}
"""By the package that a model's class comes from: MLflow's flavor, and the distributions that loading it needs."""


def save(model: Any, path: Path, example: Any = None) -> None:
    """Write a model in MLflow's format.

    Raises:
        TrackingError: there is no flavor for it, or it cannot be written.
    """
    package = type(model).__module__.partition(".")[0]
    if package not in FLAVORS:
        raise TrackingError(
            f"A model of type {type(model).__module__}.{type(model).__qualname__} cannot be registered.",
            fix=f"Register a model of one of: {', '.join(sorted(FLAVORS))}.",
        )
    flavor, distributions = FLAVORS[package]
    options: dict[str, Any] = {
        # Said outright: MLflow would otherwise load the model in a child process to find out, which takes seconds.
        "pip_requirements": [f"{name}=={metadata.version(name)}" for name in distributions],
    }
    if flavor == "sklearn":
        # skops, MLflow's default, refuses the C types inside scikit-learn's gradient boosting.
        options["serialization_format"] = "cloudpickle"
        if hasattr(model, "predict_proba"):
            options["pyfunc_predict_fn"] = "predict_proba"
    try:
        if example is not None:
            from mlflow.models import infer_signature

            predict = getattr(model, options.get("pyfunc_predict_fn", "predict"))
            options["signature"] = infer_signature(example, predict(example))
        with _quiet():
            importlib.import_module(f"mlflow.{flavor}").save_model(model, str(path), **options)
    except Exception as error:
        raise TrackingError(
            f"The model ({type(model).__qualname__}) cannot be saved: {type(error).__name__}: {error}",
            fix="A model must be fitted, and made of classes that can be imported where it is loaded.",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's advice about choices that are made on purpose above out of the step's log."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def load_probabilities(client: Any, name: str, version: int) -> Callable[[Any], Any]:
    """Return a function from rows to a registered classifier's probabilities of its last class, shape (rows,).

    Raises:
        TrackingError: the version does not exist or cannot be loaded.
    """
    import mlflow
    import numpy as np

    try:
        source = client.get_model_version_download_uri(name, str(version))
        if source.startswith("models:/m-"):
            source = client.get_logged_model(source.removeprefix("models:/")).artifact_location
        with tempfile.TemporaryDirectory() as folder:
            path = mlflow.artifacts.download_artifacts(source, dst_path=folder, tracking_uri=client.tracking_uri)
            model = mlflow.pyfunc.load_model(path)
    except Exception as error:
        raise TrackingError(
            f"Version {version} of {name!r} cannot be loaded: {type(error).__name__}: {str(error)[:300]}",
            fix="Check that the tracking server answers and that this environment has the model's packages.",
        ) from error

    def probabilities(rows: Any) -> Any:
        scores = np.asarray(model.predict(rows), dtype=float)
        return scores[:, -1] if scores.ndim == 2 else scores

    return probabilities
