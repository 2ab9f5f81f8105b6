"""Load what every task needs in a Celery worker, before it forks the processes that tasks are forked from.

Celery imports this module in the worker's first process, since `config/airflow.cfg` names it among its imports, and
nothing else does: importing it loads pandas and the like. Airflow itself loads a few modules there, and not those of a
task's own process.
"""

from __future__ import annotations

import gc

from skyrail.settings import ExecutionSettings, load
from skyrail.steps.preload import ALWAYS, preload

preload((*ALWAYS, *(name.strip() for name in load(ExecutionSettings).preload.split(",") if name.strip())))
# A collection in a child would write to the pages of each object, and so copy what is shared.
gc.freeze()
