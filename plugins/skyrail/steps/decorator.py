"""`@task.step`: Airflow's `@task` whose attempts are recorded and whose results are kept.

    @task.step
    def train(flights, learning_rate=0.1):
        ...
        print(json.dumps({"auc": 0.81}))   # a metric
        return model                       # kept by its content, handed on by reference

Arguments, options and behaviour are those of `@task`, and a step may say what it needs (`cpu`, `memory`, `gpu`, …), its
`packages`, or its `image` and `command`. Whoever takes `.step` and these away has a DAG for Airflow as it comes.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import attr
from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk.bases.decorator import TaskDecorator, _TaskDecorator
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from skyrail.errors import StepError
from skyrail.settings import airflow_home
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.call import Call
from skyrail.steps.capture import Capture
from skyrail.steps.ending import STOPPED
from skyrail.steps.options import StepOptions
from skyrail.steps.stopping import ended_by_sigterm
from skyrail.steps.translation import translate
from skyrail.steps.values import pack, pack_elements, unpack
from skyrail.tracking import names

CUDA = "CUDA_VISIBLE_DEVICES"


class StepOperator(_PythonDecoratedOperator):
    """Run a function as a step: recorded, with its inputs read from and its results written to the artifact store."""

    custom_operator_name: str = "@task.step"

    _capture: Capture | None = None

    def __init__(self, *, step_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.step_options = step_options or {}
        super().__init__(**kwargs)

    @property
    def is_async(self) -> bool:
        """Whether Airflow awaits the function itself; what runs it elsewhere does that there."""
        return runner(self.options) is None and super().is_async

    @property
    def options(self) -> StepOptions:
        """What the step asked for, understood."""
        return StepOptions.from_dict(self.step_options)

    def execute(self, context: Any) -> Any:
        """Run the function and return what goes into the XCom."""
        capture = Capture(self.python_callable, identity(context), run_params(context), self.options)
        self._capture = capture
        try:
            with capture, _gpus(self.options):
                capture.gpus_held()
                self._bind(capture)
                capture.bound()
                result = super().execute(context)
                return self._keep(capture, result)
        finally:
            self._capture = None  # its end is written; what Airflow calls from here on changes nothing

    def execute_callable(self) -> Any:
        """Run the body: in this process, in an environment of its own, or as a program or container."""
        run, step = runner(self.options), f"{self.dag_id}.{self.task_id}"
        if run is None:
            with ended_by_sigterm(step):
                return super().execute_callable()
        assert self._capture is not None  # noqa: S101
        with tempfile.TemporaryDirectory(prefix="skyrail-step-") as folder:
            call = Call(
                step,
                self.python_callable,
                list(self.op_args),
                dict(self.op_kwargs),
                self.options,
                self._capture,
                Path(folder),
            )
            return run(call)

    def on_kill(self) -> None:
        """Write down that the attempt is being stopped, for the case that it gets no chance to."""
        if self._capture is not None:
            self._capture.end("killed", STOPPED)

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

        stored: list[str] = []
        elsewhere = runner(self.options) is not None

        def get(name: str, reference: Reference) -> Any:
            stored.append(name)
            if elsewhere:  # whatever runs the body loads it
                capture.note_input(name, reference)
                return reference
            return capture.get(name, reference)

        def take(name: str, value: Any) -> Any:
            before = len(stored)
            loaded = unpack(value, name, get)
            params.pop(name, None)
            if len(stored) == before and name not in KNOWN_CONTEXT_KEYS:
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
        unrolled = self.multiple_outputs or any(True for _ in self.iter_mapped_dependants())
        if unrolled and isinstance(result, Reference) and result.format == "json":
            result = capture.store.get(result)  # stored whole by a runner, and handed on by its elements
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


def run_params(context: Any) -> dict[str, Any]:
    """Return the parameters of the DAG run, and what its configuration has beside them."""
    params = dict(context.get("params") or {})
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    return {
        **{f"params.{name}": value for name, value in params.items()},
        **{f"conf.{name}": value for name, value in conf.items() if name not in params or params[name] != value},
    }


def identity(context: Any) -> dict[str, str]:
    """Return who an attempt is, in the record's tags."""
    ti = context["ti"]
    logical_date = context.get("logical_date")
    bundle = getattr(ti, "bundle_instance", None)
    return {
        names.ATTEMPT_ID: str(ti.id),
        names.DAG_ID: ti.dag_id,
        names.RUN_ID: ti.run_id,
        names.TASK_ID: ti.task_id,
        names.MAP_INDEX: str(-1 if ti.map_index is None else ti.map_index),
        names.TRY_NUMBER: str(ti.try_number),
        names.LOGICAL_DATE: logical_date.isoformat() if logical_date else "",
        names.BUNDLE_NAME: getattr(bundle, "name", None) or "",
        names.BUNDLE_VERSION: getattr(bundle, "version", None) or "",
    }


def runner(options: StepOptions) -> Callable[[Call], Any] | None:
    """Return what runs the body of a step with these options; None when the task's own process does."""
    if options.image or options.command:
        from skyrail.steps.containers.runner import run as run_container

        return run_container
    if options.packages:
        from skyrail.steps.environments.runner import run as run_in_environment

        return run_in_environment
    return None


@contextlib.contextmanager
def _gpus(options: StepOptions) -> Iterator[None]:
    """Let a step with needs see the GPUs it asked for, and no others. In a pod the cluster has seen to that.

    A step that says nothing of what it needs sees what its process sees.
    """
    if options.target not in ("local", "celery") or not options.needs:
        yield
        return
    from skyrail.steps.resources.gpus import lease

    before = os.environ.get(CUDA)
    with lease(options.gpus, airflow_home() / "gpus") as devices:
        os.environ[CUDA] = ",".join(devices)
        try:
            yield
        finally:
            os.environ.pop(CUDA) if before is None else os.environ.update({CUDA: before})


@attr.define(slots=False)
class StepDecorator(_TaskDecorator[Any, Any, StepOperator]):
    """A function that becomes a step when it is called or expanded: what it needs is translated then.

    Not before, so that `.override(gpu=1)` counts; and not in the operator, which is not made for a mapped step.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make a task."""
        return super(StepDecorator, self._translated()).__call__(*args, **kwargs)

    def _expand(self, expand_input: Any, *, strict: bool) -> Any:
        return super(StepDecorator, self._translated())._expand(expand_input, strict=strict)

    def _translated(self) -> StepDecorator:
        # Not by `override`: the marks of a setup, a teardown or a DAG's result are plain attributes, and stay.
        translated = copy.copy(self)
        translated.kwargs, forced_outputs = translate(self.function, self.kwargs)
        translated.multiple_outputs = self.multiple_outputs or forced_outputs
        return translated


def step_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool | None = None, **kwargs: Any
) -> TaskDecorator:
    """Wrap a function into a step.

    Args:
        python_callable: the function.
        multiple_outputs: unroll a returned dict into one XCom a key, as for `@task`.
        kwargs: what the step needs, see `translation.STEP_ARGUMENTS`, and any argument of Airflow's operators.
    """
    # A frame's text in the log helps nobody, and the record has the result.
    kwargs.setdefault("show_return_value_in_logs", False)
    outputs: Any = attr.NOTHING if multiple_outputs is None else multiple_outputs  # NOTHING: from the annotation

    def decorate(function: Callable[..., Any]) -> StepDecorator:
        return StepDecorator(
            function=function, multiple_outputs=outputs, operator_class=StepOperator, kwargs=dict(kwargs)
        )

    if python_callable is None:
        return cast("TaskDecorator", decorate)
    if not callable(python_callable):
        raise StepError(
            "@task.step takes its options by name.", fix='Write @task.step(cpu=2, memory="4Gi"), for example.'
        )
    return cast("TaskDecorator", decorate(python_callable))
