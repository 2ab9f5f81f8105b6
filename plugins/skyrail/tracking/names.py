"""The record's vocabulary in MLflow: tags, experiments and values. What is written here is Skyrail's contract.

An attempt of a step is one MLflow run in the experiment named after its DAG. A comparison and a promotion of a model
are one run each in the experiment `model:<name>`. All of it can be read with MLflow's own pages and clients.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

PREFIX = "skyrail."
"""Of every tag that is the record's own; authors choose others."""

# What a run is: each run that Skyrail writes has this tag.
KIND = "skyrail.kind"
ATTEMPT, COMPARISON, PROMOTION = "attempt", "comparison", "promotion"

# The server's runs and logged models remember by it the id that they had in the step.
LOCAL_ID = "skyrail.local_id"

# Identity of an attempt, from Airflow. ATTEMPT_ID is the task instance's UUID, which is new for each try.
ATTEMPT_ID = "skyrail.attempt_id"
DAG_ID = "skyrail.dag_id"
RUN_ID = "skyrail.run_id"
TASK_ID = "skyrail.task_id"
MAP_INDEX = "skyrail.map_index"  # "-1" when the task is not mapped
TRY_NUMBER = "skyrail.try_number"
LOGICAL_DATE = "skyrail.logical_date"  # ISO 8601, empty when the run has none

# Its version.
COMMIT = "skyrail.commit"  # 40 hex digits, empty outside a git repository
DIRTY = "skyrail.dirty"  # "true" when tracked or untracked files differed from the commit
SOURCE_SHA256 = "skyrail.source_sha256"
ENVIRONMENT_SHA256 = "skyrail.environment_sha256"
PYTHON = "skyrail.python"
VERSION = "skyrail.version"  # one key over the four below: equal keys, equal attempts
VERSION_CODE = "skyrail.version.code"
VERSION_ENVIRONMENT = "skyrail.version.environment"
VERSION_PARAMETERS = "skyrail.version.parameters"
VERSION_DATA = "skyrail.version.data"
VERSION_PARTS = (VERSION_CODE, VERSION_ENVIRONMENT, VERSION_PARAMETERS, VERSION_DATA)
VERSION_RESULTS = "skyrail.version.results"  # the fifth part: outputs and the last value of each metric
PATCH_SHA256 = "skyrail.patch_sha256"  # of what differed from the commit; the artifact skyrail/changes.patch has it
BUNDLE_NAME = "skyrail.bundle_name"  # Airflow's DAG bundle, and its version when it has some
BUNDLE_VERSION = "skyrail.bundle_version"
LOCK_SHA256 = "skyrail.lock_sha256"  # of the lock of the step's own environment, if it has one
COMMAND = "skyrail.command"  # the program that runs instead of the function's body, as JSON
IMAGE = "skyrail.image"  # the image it ran in, by digest where that is known
PLATFORM = "skyrail.platform"
READS = "skyrail.reads"  # ids of the attempts whose results it read, separated by commas
INPUT_PREFIX = "skyrail.input."  # + argument name: the reference of the stored object, as JSON
OUTPUT_PREFIX = "skyrail.output."  # + result name ("return_value"): likewise
VALUE_PREFIX = "skyrail.value."  # + name: the last value, not a number, that a metric line gave, as JSON
VALUE_FILE_PREFIX = "skyrail.value_file."  # + name: the artifact that has it, when it is too long for a tag

# Files of the run, among its artifacts.
FILES = "skyrail"
SOURCE_FILE, PATCH_FILE, ENVIRONMENT_FILE = "source.py", "changes.patch", "environment.txt"
VALUES_FOLDER = "values"

# Its place, and what it used there.
RESOURCE_CLASS = "skyrail.class"
NEEDS = "skyrail.needs"  # what the step asked for, as JSON
PEAK_MEMORY = "skyrail.peak_memory_bytes"
PEAK_MEMORY_OF = "skyrail.peak_memory_of"  # what was measured: "cgroup" or "largest process"
CPU_SECONDS = "skyrail.cpu_seconds"
GPU_SECONDS = "skyrail.gpu_seconds"  # GPUs held, times the seconds they were held

# Its end.
ENDED = "skyrail.ended"
ERROR = "skyrail.error"  # one line, for failed and killed
SECONDS = "skyrail.seconds"
CAPTURE_SECONDS = "skyrail.capture_seconds"  # what recording cost the step before its function ended
NOTICE_PREFIX = "skyrail.notice."  # + topic: something the recorder left out, in a sentence

Ended = Literal["running", "succeeded", "failed", "killed", "skipped"]

# Comparison of a candidate with the champion. Metrics: difference, low, high (of champion minus candidate loss, so
# positive is better), champion_loss, candidate_loss, margin (how much worse the candidate may be: PASS needs low above
# -margin), rows, units. Params: metric, method, confidence, rule.
MODEL = "skyrail.model"
CANDIDATE_VERSION = "skyrail.candidate_version"
CHAMPION_VERSION = "skyrail.champion_version"  # empty: compared with the baseline in BASELINE
BASELINE = "skyrail.baseline"  # what stood in for a champion when there was none, in words
VERDICT = "skyrail.verdict"
REASON = "skyrail.reason"
EVALUATED_ON = "skyrail.evaluated_on"  # the rows' name, such as "2013-02"
BY = "skyrail.by"  # who or what decided: "dag/run/task" or a person

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "ERROR"]

# Promotion: the alias moved. CANDIDATE_VERSION is the version it moved to, CHAMPION_VERSION the one before.
COMPARISON_RUN = "skyrail.comparison_run"  # MLflow run of the comparison that allowed it

# Model versions carry these: the attempt that trained the model and the content of its file.
MODEL_SHA256 = "skyrail.model_sha256"

CHAMPION_ALIAS = "champion"
CANDIDATE_ALIAS = "candidate"


def model_experiment(model: str) -> str:
    """Return the name of the experiment with a model's history."""
    return f"model:{model}"


def airflow_path(tags: dict[str, str]) -> str:
    """Return the path of an attempt's page in Airflow's UI, relative to the api-server's base address."""
    dag, run, task = (quote(tags[part], safe="") for part in (DAG_ID, RUN_ID, TASK_ID))
    path = f"dags/{dag}/runs/{run}/tasks/{task}"
    if tags.get(MAP_INDEX, "-1") != "-1":
        path += f"/mapped/{tags[MAP_INDEX]}"
    return f"{path}?try_number={tags[TRY_NUMBER]}"
