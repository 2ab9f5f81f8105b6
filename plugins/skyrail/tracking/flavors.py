"""Models to files and back, by MLflow's flavors."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import pickle
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from skyrail.errors import TrackingError

FLAVORS = {
    ("sklearn", "BaseEstimator"): ("sklearn", ("scikit-learn", "numpy", "pandas", "scipy")),
    ("xgboost", "XGBModel"): ("xgboost", ("xgboost", "numpy", "pandas")),
    ("xgboost", "Booster"): ("xgboost", ("xgboost", "numpy", "pandas")),
    ("lightgbm", "LGBMModel"): ("lightgbm", ("lightgbm", "numpy", "pandas")),
    ("lightgbm", "Booster"): ("lightgbm", ("lightgbm", "numpy", "pandas")),
    ("catboost", "CatBoost"): ("catboost", ("catboost", "numpy", "pandas")),
    ("torch", "Module"): ("pytorch", ("torch", "numpy", "pandas")),
    ("statsmodels", "Results"): ("statsmodels", ("statsmodels", "numpy", "pandas")),
    ("statsmodels", "ResultsWrapper"): ("statsmodels", ("statsmodels", "numpy", "pandas")),
}
"""By the package and name of a class that a model's class is or comes from: MLflow's flavor, and the distributions that
loading it needs."""

PICKLED = "model.pkl"
"""Where the scikit-learn flavor has the model."""


def flavor_of(model: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return MLflow's flavor for a model and the distributions that it needs, or None. Imports nothing."""
    # A class of another library may come from scikit-learn's too: the nearer one knows more.
    for cls in type(model).__mro__:
        if found := FLAVORS.get((cls.__module__.partition(".")[0], cls.__name__)):
            return found
    return None


def save(model: Any, path: Path, example: Any = None) -> None:
    """Write a model in MLflow's format.

    Raises:
        TrackingError: there is no flavor for it, or it cannot be written.
    """
    found = flavor_of(model)
    if found is None:
        raise TrackingError(
            f"A model of type {type(model).__module__}.{type(model).__qualname__} cannot be registered.",
            fix=f"Register a model of one of: {', '.join(sorted({package for package, _ in FLAVORS}))}.",
        )
    flavor, distributions = found
    options: dict[str, Any] = {
        # Said outright: MLflow would otherwise load the model in a child process to find out, which takes seconds.
        "pip_requirements": list(_pinned(distributions)),
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
        library = importlib.import_module(f"mlflow.{flavor}")  # it sets the level of its log when it is loaded
        with _quiet():
            library.save_model(model, str(path), **options)
    except Exception as error:
        raise TrackingError(
            f"The model ({type(model).__qualname__}) cannot be saved: {type(error).__name__}: {error}",
            fix="A model must be fitted, and made of classes that can be imported where it is loaded.",
        ) from error


def _pinned(distributions: tuple[str, ...]) -> Iterator[str]:
    for name in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):  # by another name, such as xgboost-cpu
            yield f"{name}=={metadata.version(name)}"


def load(path: Path) -> Any:
    """Return the model that `save` wrote, of its own class.

    Without MLflow, as in an environment of the step's own, a model of scikit-learn needs its package alone.

    Raises:
        ImportError: its packages are not all here.
    """
    if importlib.util.find_spec("mlflow") is None and (path / PICKLED).is_file():
        with (path / PICKLED).open("rb") as file:
            return pickle.load(file)  # noqa: S301 -- as trusted as the folder
    import mlflow

    flavors = mlflow.models.Model.load(str(path)).flavors
    flavor = next(name for name, _ in FLAVORS.values() if name in flavors)
    library = importlib.import_module(f"mlflow.{flavor}")
    with _quiet():
        return library.load_model(str(path))


def forget_when(path: Path) -> None:
    """Take out of a saved model what only says when it was saved, so that equal models are equal files."""
    description = path / "MLmodel"
    lines = description.read_text().splitlines(keepends=True)
    description.write_text("".join(line for line in lines if not line.startswith(("utc_time_created:", "model_uuid:"))))


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
