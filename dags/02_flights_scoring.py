"""Each day, and whenever the champion changes: score a day's flights, and write the model's version into each row.

The calendar of 2013 is replayed: a scheduled run scores the same day of 2013, and a run that a new champion caused
scores the first day after the month that the champion was judged on.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pendulum
from airflow.sdk import Asset, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

from flights import data
from skyrail.notifications.notifier import SkyrailNotifier

MODEL = "flight_delay"
CHAMPION = Asset(name=f"{MODEL}_champion", uri=f"skyrail://models/{MODEL}/champion")


@dag(
    dag_id="flights_scoring",
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 6 * * *", timezone="UTC"), assets=[CHAMPION]),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "flights",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "on_failure_callback": SkyrailNotifier("{{ ti.dag_id }}.{{ ti.task_id }} failed", link="{{ ti.log_url }}"),
    },
    params={
        "day": Param(
            "", type="string", pattern=r"^$|^2013-\d\d-\d\d$", description="Such as 2013-03-01; empty: as above."
        ),
    },
    is_paused_upon_creation=False,
    tags=["flights", "example"],
    doc_md=__doc__,
)
def flights_scoring():
    @task.step
    def choose_day() -> str:
        context = get_current_context()
        if day := context["params"]["day"]:
            return day
        if events := context["triggering_asset_events"].get(CHAMPION):
            judged = events[-1].extra["evaluated_on"]
            if judged == "2013-12":
                raise AirflowSkipException("The new champion was judged on the last month of the data: none is left.")
            return f"{data.next_month(judged)}-01"
        today = context["logical_date"] or context["dag_run"].run_after
        # 2013 has no 29th of February.
        return today.replace(year=2013, day=min(today.day, 28) if today.month == 2 else today.day).strftime("%Y-%m-%d")

    @task.step
    def extract(day: str):
        flights = data.flights(day[:7])
        return flights[flights.day == int(day[8:])]

    @task.step
    def score(flights):
        from skyrail.tracking import models

        version = models.champion(MODEL)
        if version is None:
            raise AirflowSkipException(f"Model {MODEL!r} has no champion yet.")
        rows = data.features(flights)
        predictions = rows[["day", "carrier", "origin", "dest", "hour", "late"]].copy()
        predictions["late_probability"] = models.predict(MODEL, version, rows[data.FEATURES]) if len(rows) else 0.0
        predictions["model_version"] = version
        print(json.dumps({
            "flights": len(predictions),
            "model_version": version,
            "expected_late": float(predictions.late_probability.sum()),
            "late": int(predictions.late.sum()),
        }))  # fmt: skip
        return predictions

    score(extract(choose_day()))


flights_scoring()
