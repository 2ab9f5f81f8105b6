"""What an attempt is called, and how it ended."""

from __future__ import annotations

from skyrail.tracking import names

STOPPED = "Stopped from outside: the task was cleared, marked, timed out or shut down."


def how_it_ended(error: BaseException | None) -> tuple[names.Ended, str]:
    """Say how an attempt ended by what its function raised."""
    if error is None:
        return "succeeded", ""
    # By name: importing Airflow's exceptions costs a second where nothing else has loaded them.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "AirflowSkipException" in kinds:
        return "skipped", str(error)
    if isinstance(error, KeyboardInterrupt):
        return "killed", "Interrupted."
    if kinds & {"StoppedError", "StepStoppedError"}:
        return "killed", STOPPED
    if "StepKilledError" in kinds:
        return "killed", str(error).partition("\n")[0]
    if "AirflowTaskTimeout" in kinds:
        return "failed", "Took longer than its execution_timeout."
    first_line = str(error).strip().partition("\n")[0]
    return "failed", f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def run_name(identity: dict[str, str]) -> str:
    """Return the name of an attempt's MLflow run: the task, the date it is for, and what tells it apart."""
    name = identity[names.TASK_ID]
    if identity[names.MAP_INDEX] != "-1":
        name += f"[{identity[names.MAP_INDEX]}]"
    if date := identity[names.LOGICAL_DATE]:
        name += f" {date[:10]}"
    if identity[names.TRY_NUMBER] != "1":
        name += f" (try {identity[names.TRY_NUMBER]})"
    return name
