"""Airflow's own logging with the logs of tasks in a bucket: `[logging] logging_config_class` names `LOGGING`.

`[logging] remote_logging` stays off: with it on, Airflow 3.3 refuses each address whose scheme it does not know itself,
before it asks whether somebody else does.
"""

from __future__ import annotations

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG

from skyrail.logs.bucket import BucketLogs

LOGGING = DEFAULT_LOGGING_CONFIG

REMOTE_TASK_LOG = BucketLogs.from_config()
"""Where Airflow looks for what sends the log of a task, and reads it."""
