"""Models against a real registry: judged once, promoted only when they passed, with their history."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skyrail.errors import TrackingError
from skyrail.tracking import models, names

RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame({"x": RANDOM.normal(0, 1, 3000)})
LABELS = (ROWS.x + RANDOM.normal(0, 1, 3000) > 0).astype(int)
DAYS = np.arange(3000) % 30

GOOD = LogisticRegression().fit(ROWS, LABELS)
SAME = LogisticRegression(C=0.9).fit(ROWS, LABELS)
BAD = LogisticRegression().fit(ROWS, 1 - LABELS)
BASE = DummyClassifier().fit(ROWS, LABELS)


@pytest.fixture(autouse=True)
def server(mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__SERVER", mlflow_server)
    return mlflow_server


@pytest.fixture
def name() -> str:
    return f"model_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(mlflow_server: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=mlflow_server)


def judge(name: str, version: int, **options: Any) -> models.Comparison:
    given = {"rows": ROWS, "labels": LABELS, "units": DAYS, "evaluated_on": "a", "baseline": 0.5, **options}
    return models.compare(name, version, **given)


def history(client: Any, name: str, kind: str) -> list[Any]:
    experiment = client.get_experiment_by_name(names.model_experiment(name))
    return client.search_runs([experiment.experiment_id], f"tags.`{names.KIND}` = '{kind}'")


def champion_of(name: str, model: Any) -> int:
    version = models.register(name, model)
    assert models.promote(judge(name, version))
    return version


@pytest.mark.parametrize(
    ("champion", "candidate", "verdict"),
    [
        pytest.param(None, GOOD, "PASS", id="00 better than the baseline"),
        pytest.param(None, BASE, "INCONCLUSIVE", id="01 the baseline itself"),
        pytest.param(None, BAD, "FAIL", id="02 worse than the baseline"),
        pytest.param(GOOD, SAME, "PASS", id="10 as good as the champion"),
        pytest.param(GOOD, BAD, "FAIL", id="11 worse than the champion"),
    ],
)
def test_a_candidate_is_judged_by_the_champion(name: str, champion: Any, candidate: Any, verdict: str):
    """Better than nothing without a champion; with one, not worse than it by more than the margin."""
    old = champion_of(name, champion) if champion else None
    found = judge(name, models.register(name, candidate), evaluated_on="b")
    assert (found.verdict, found.champion_version, found.rows, found.units) == (verdict, old, 3000, 30)
    assert found.low <= found.difference <= found.high
    assert (found.margin == 0) is (old is None)
    assert found.reason.endswith(".")


def test_a_promotion_moves_the_alias_and_is_written(name: str, client: Any):
    """The champion is who passed; the record says from, to, why and by whom; the candidate is one no more."""
    first = champion_of(name, GOOD)
    second = models.register(name, SAME)
    comparison = judge(name, second, evaluated_on="b")
    assert models.promote(comparison)
    assert models.champion(name) == second
    [latest, _] = history(client, name, names.PROMOTION)
    tags = latest.data.tags
    assert (tags[names.CHAMPION_VERSION], tags[names.CANDIDATE_VERSION]) == (str(first), str(second))
    assert (tags[names.COMPARISON_RUN], tags[names.BY][-8:]) == (comparison.run, " by hand")
    assert names.CANDIDATE_ALIAS not in client.get_registered_model(name).aliases


def test_nothing_is_decided_twice(name: str, client: Any):
    """Repeated by a retry, a registration, a comparison and a promotion find what is there."""
    version = models.register(name, GOOD)
    assert models.register(name, GOOD) == version
    once, twice = judge(name, version), judge(name, version)
    assert once == twice
    assert models.promote(once)
    assert not models.promote(once)
    assert len(history(client, name, names.COMPARISON)) == len(history(client, name, names.PROMOTION)) == 1


def test_a_comparison_repeated_after_its_promotion_stands(name: str, client: Any):
    """The champion is not judged by itself: what made it champion is the answer."""
    version = models.register(name, GOOD)
    first = judge(name, version)
    models.promote(first)
    assert judge(name, version, evaluated_on="later") == first
    assert len(history(client, name, names.COMPARISON)) == 1


def test_a_retried_registration_has_its_alias(name: str, client: Any):
    """Cut off before the alias was set, a registration is completed by its repetition."""
    version = models.register(name, GOOD)
    client.delete_registered_model_alias(name, names.CANDIDATE_ALIAS)
    assert models.register(name, GOOD) == version
    assert client.get_registered_model(name).aliases == {names.CANDIDATE_ALIAS: str(version)}


@pytest.mark.parametrize("name", ["it's", "a b"], ids=["a quote", "a space"])
def test_a_models_name_may_be_odd(name: str):
    """What MLflow takes for a name works."""
    assert models.champion(f"{name} {uuid.uuid4().hex[:6]}") is None
    version = models.register("odd", GOOD)
    assert version >= 1


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE", "ERROR"])
def test_only_who_passed_is_promoted(name: str, verdict: Any):
    """Any other verdict is refused, with its reason."""
    comparison = judge(name, models.register(name, GOOD))
    with pytest.raises(TrackingError, match=f"its comparison says {verdict}"):
        models.promote(replace(comparison, verdict=verdict))
    assert models.champion(name) is None


def test_a_champion_that_changed_meanwhile_stops_a_promotion(name: str, client: Any):
    """A comparison with yesterday's champion promotes nobody."""
    champion_of(name, GOOD)
    comparison = judge(name, models.register(name, SAME), evaluated_on="b")
    other = models.register(name, BASE)
    client.set_registered_model_alias(name, names.CHAMPION_ALIAS, str(other))
    with pytest.raises(TrackingError, match=f"the champion is now version {other}"):
        models.promote(comparison)
    assert models.champion(name) == other


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"rows": ROWS[:0], "labels": LABELS[:0], "units": []}, "There are no rows of a.", id="00 no rows"),
        pytest.param({"units": DAYS % 5}, "Too little to judge by in a: 5 units", id="01 too few units"),
    ],
)
def test_too_little_is_an_error_and_never_a_fail(name: str, options: dict[str, Any], reason: str):
    """Without enough to judge by there is no verdict about the model."""
    found = judge(name, models.register(name, BAD), **options)
    assert found.verdict == "ERROR"
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        pytest.param(lambda name: models.register(name, object()), "cannot be registered", id="00 no model"),
        pytest.param(lambda name: models.register(name, LogisticRegression(), example=ROWS[:3]), "cannot be saved",
                     id="01 a model that was not fitted"),
        pytest.param(lambda name: judge(name, 7), "cannot be loaded", id="10 a version that is not there"),
        pytest.param(lambda name: judge(name, models.register(name, GOOD), baseline=None), "has no champion",
                     id="11 nothing to compare with"),
    ],
)  # fmt: skip
def test_bad_input_is_a_sentence(name: str, act: Any, says: str):
    """What cannot be done says why, and what to do."""
    with pytest.raises(TrackingError, match=says) as error:
        act(name)
    assert error.value.fix


def test_a_server_that_is_away_is_named(name: str, monkeypatch: pytest.MonkeyPatch):
    """A decision needs an answer: without one the step fails, and says that a retry will do."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:9 could not do it") as error:
        models.champion(name)
    assert "retried" in error.value.fix


def test_predictions_are_the_models(name: str):
    """A registered version predicts what the model predicted."""
    version = models.register(name, GOOD, example=ROWS.head())
    np.testing.assert_allclose(models.predict(name, version, ROWS), GOOD.predict_proba(ROWS)[:, 1])
