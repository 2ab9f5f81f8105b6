"""Each month: train on its flights, judge on the next month's, promote what is not worse than the champion.

Will this flight arrive more than 15 minutes late? The year 2013 is replayed month by month, in order. A run by hand
takes a month, and can spoil the training labels on purpose to see the candidate refused.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pendulum
from airflow.sdk import Asset, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from airflow.timetables.interval import CronDataIntervalTimetable

from flights import data
from skyrail.notifications.notifier import SkyrailNotifier

MODEL = "flight_delay"
CHAMPION = Asset(name=f"{MODEL}_champion", uri=f"skyrail://models/{MODEL}/champion")


@dag(
    dag_id="flights_training",
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
    start_date=pendulum.datetime(2013, 1, 1, tz="UTC"),
    # A model is judged on the month after the one that it learned from, and there are no flights of 2014.
    end_date=pendulum.datetime(2013, 11, 1, tz="UTC"),
    catchup=True,
    # One decision at a time, and in the order of the months.
    max_active_runs=1,
    default_args={
        "owner": "flights",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "on_failure_callback": SkyrailNotifier("{{ ti.dag_id }}.{{ ti.task_id }} failed", link="{{ ti.log_url }}"),
    },
    params={
        "month": Param(
            "", type="string", pattern="^$|^2013-(0[1-9]|1[01])$", description="Such as 2013-03; empty: the run's own."
        ),
        "spoil": Param(
            False, type="boolean", description="Shuffle the training labels: the candidate must be refused."
        ),
    },
    is_paused_upon_creation=False,
    tags=["flights", "example"],
    doc_md=__doc__,
)
def flights_training():
    @task.step
    def choose_month() -> dict[str, str]:
        context = get_current_context()
        start = context.get("data_interval_start")
        month = context["params"]["month"] or (start.strftime("%Y-%m") if start else "")
        if not month.startswith("2013"):
            raise AirflowFailException(
                f"There are flights of 2013 only, and this run is for {month or 'no month'}. "
                'Trigger it with a month, such as {"month": "2013-03"}.'
            )
        return {"train": month, "judge": data.next_month(month)}

    @task.step
    def extract(month: str):
        flights = data.flights(month)
        print(json.dumps({"flights": len(flights)}))
        return flights

    @task.step
    def prepare(flights):
        rows = data.features(flights)
        print(json.dumps({"rows": len(rows), "late_share": float(rows.late.mean()) if len(rows) else None}))
        return rows

    @task.step(cpu=1, memory="1Gi")
    def train(rows, learning_rate: float = 0.1, max_iter: int = 100):
        from sklearn.compose import make_column_transformer
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OrdinalEncoder

        labels = rows.late
        if get_current_context()["params"]["spoil"]:
            labels = labels.sample(frac=1, random_state=0).set_axis(labels.index)
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        model = make_pipeline(
            make_column_transformer((encoder, data.CATEGORIES), remainder="passthrough"),
            HistGradientBoostingClassifier(learning_rate=learning_rate, max_iter=max_iter, random_state=0),
        )
        model.fit(rows[data.FEATURES], labels)
        print(json.dumps({"rows": len(rows), "late_share": float(labels.mean())}))
        return model

    @task.step
    def evaluate(model, rows) -> None:
        if rows.empty:
            print("There are no flights to evaluate on.")
            return
        from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

        belief = model.predict_proba(rows[data.FEATURES])[:, 1]
        print(json.dumps({
            "auc": roc_auc_score(rows.late, belief),
            "brier": brier_score_loss(rows.late, belief),
            "log_loss": log_loss(rows.late, belief),
            "late_share": float(rows.late.mean()),
        }))  # fmt: skip

    @task.step
    def register(model, rows) -> int:
        from skyrail.tracking import models

        return models.register(MODEL, model, example=rows[data.FEATURES].head())

    @task.step
    def compare(version: int, judged_rows, training_rows, months: dict[str, str]) -> dict:
        from dataclasses import asdict

        from skyrail.tracking import models

        comparison = models.compare(
            MODEL,
            version,
            rows=judged_rows[data.FEATURES],
            labels=judged_rows.late,
            units=judged_rows.day,
            evaluated_on=months["judge"],
            baseline=float(training_rows.late.mean()),
        )
        print(json.dumps({"difference": comparison.difference, "verdict": comparison.verdict}))
        print(comparison.reason)
        return asdict(comparison)

    @task.branch
    def decide(comparison: dict) -> str:
        return "promote" if comparison["verdict"] == "PASS" else "alert"

    @task.step(outlets=[CHAMPION])
    def promote(comparison: dict, *, outlet_events) -> None:
        from skyrail.tracking import models

        models.promote(models.Comparison(**comparison))
        outlet_events[CHAMPION].extra = {
            "version": comparison["candidate_version"],
            "evaluated_on": comparison["evaluated_on"],
        }

    @task.step
    def alert(comparison: dict) -> None:
        from skyrail.notifications import notify

        version, verdict = comparison["candidate_version"], comparison["verdict"]
        title = f"{MODEL} version {version} is not promoted: {verdict}"
        notify(title, comparison["reason"], link=f"/skyrail/models/{MODEL}")

    months = choose_month()
    training = prepare.override(task_id="prepare_training")(
        extract.override(task_id="extract_training")(months["train"])
    )
    judged = prepare.override(task_id="prepare_judged")(extract.override(task_id="extract_judged")(months["judge"]))
    model = train(training)
    evaluate(model, judged)
    comparison = compare(register(model, training), judged, training, months)
    decide(comparison) >> [promote(comparison), alert(comparison)]


flights_training()
