"""`@task.step`: Airflow's `@task` whose attempts are recorded and whose results are kept.

    @task.step
    def train(flights, learning_rate=0.1):
        ...
        print(json.dumps({"auc": 0.81}))   # a metric
        return model                       # kept by its content, handed on by reference

Arguments, options and behaviour are those of `@task`. Whoever takes `.step` away has a DAG for Airflow as it comes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk.bases.decorator import TaskDecorator, task_decorator_factory
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from skyrail.errors import StepError
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.capture import Capture
from skyrail.steps.values import pack, pack_elements, unpack
from skyrail.tracking import names


class StepOperator(_PythonDecoratedOperator):
    """Run a function as a step: recorded, with its inputs read from and its results written to the artifact store."""

    custom_operator_name: str = "@task.step"

    _capture: Capture | None = None

    def execute(self, context: Any) -> Any:
        """Run the function and return what goes into the XCom."""
        params = {f"params.{name}": value for name, value in dict(context.get("params") or {}).items()}
        capture = Capture(self.python_callable, identity(context), params)
        self._capture = capture
        try:
            with capture:
                self._bind(capture)
                result = super().execute(context)
                return self._keep(capture, result)
        finally:
            self._capture = None  # its end is written; what Airflow calls from here on changes nothing

    def on_kill(self) -> None:
        """Write down that the attempt is being stopped, for the case that it gets no chance to."""
        if self._capture is not None:
            self._capture.end("killed", "Stopped from outside: the task was cleared, marked, timed out or shut down.")

    def _bind(self, capture: Capture) -> None:
        """Replace references among the arguments by their values, and record the others as parameters."""
        signature = inspect.signature(self.python_callable)
        kinds = [(name, parameter.kind) for name, parameter in signature.parameters.items()]
        positional = [name for name, kind in kinds if kind in (kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD)]
        rest = next((name for name, kind in kinds if kind is kind.VAR_POSITIONAL), "args")
        params = {
            name: parameter.default
            for name, parameter in signature.parameters.items()
            if parameter.default is not parameter.empty and name not in KNOWN_CONTEXT_KEYS
        }

        def take(name: str, value: Any) -> Any:
            read = len(capture.inputs)
            loaded = unpack(value, name, capture.get)
            params.pop(name, None)
            if len(capture.inputs) == read and name not in KNOWN_CONTEXT_KEYS:
                params[name] = loaded
            return loaded

        self.op_args = [
            take(positional[index] if index < len(positional) else f"{rest}.{index - len(positional)}", value)
            for index, value in enumerate(self.op_args)
        ]
        self.op_kwargs = {name: take(name, value) for name, value in self.op_kwargs.items()}
        if params:
            capture.note_params(params)

    def _keep(self, capture: Capture, result: Any) -> Any:
        count = iter(range(1, 1 << 30))

        def put(value: Any) -> Reference:
            number = next(count)
            return capture.put("return_value" if number == 1 else f"return_value.{number}", value)

        inline_bytes = capture.settings.inline_bytes
        if self.multiple_outputs and isinstance(result, dict):  # each key is an XCom of its own
            return {name: pack(value, put, inline_bytes=inline_bytes) for name, value in result.items()}
        if any(True for _ in self.iter_mapped_dependants()):
            if not isinstance(result, list | tuple | dict):
                raise StepError(
                    f"Step {self.task_id!r} is expanded over and returned a {type(result).__name__}.",
                    fix="Return a list or a dict: each element becomes one mapped task.",
                )
            return pack_elements(result, put, inline_bytes=inline_bytes)
        return pack(result, put, inline_bytes=inline_bytes)


def identity(context: Any) -> dict[str, str]:
    """Return who an attempt is, in the record's tags."""
    ti = context["ti"]
    logical_date = context.get("logical_date")
    return {
        names.ATTEMPT_ID: str(ti.id),
        names.DAG_ID: ti.dag_id,
        names.RUN_ID: ti.run_id,
        names.TASK_ID: ti.task_id,
        names.MAP_INDEX: str(-1 if ti.map_index is None else ti.map_index),
        names.TRY_NUMBER: str(ti.try_number),
        names.LOGICAL_DATE: logical_date.isoformat() if logical_date else "",
    }


def step_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool | None = None, **kwargs: Any
) -> TaskDecorator:
    """Wrap a function into a step.

    Args:
        python_callable: the function.
        multiple_outputs: unroll a returned dict into one XCom a key, as for `@task`.
        kwargs: any argument of Airflow's operators.
    """
    # A frame's text in the log helps nobody, and the record has the result.
    kwargs.setdefault("show_return_value_in_logs", False)
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=StepOperator,
        **kwargs,
    )
