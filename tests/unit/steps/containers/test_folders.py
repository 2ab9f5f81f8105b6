"""A program finds its arguments as parameters and files, and what it leaves becomes results."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from airflow.sdk.log import mask_secret
from sklearn.linear_model import LinearRegression

from skyrail.errors import StepError
from skyrail.steps.call import Call
from skyrail.steps.containers import outputs
from skyrail.steps.containers.arguments import understand
from skyrail.steps.containers.folders import Folders, fill
from skyrail.steps.containers.runner import filled

FRAME = pd.DataFrame({"a": [1, 2]})


def train(data=None, rate: float = 0.1): ...


def put(call: Call, value: Any) -> Any:
    return call.capture.store.put(value, made_by="dag/run/load/-1/1", attempt="id")


def laid_out(call: Call) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the files below the inputs folder, and the paths by argument, below the parent of the folders."""
    folders = Folders.make(call.folder, in_container=True)
    paths = fill(call, understand(call), folders)
    files = {str(path.relative_to(folders.here)): path for path in folders.here.rglob("*") if path.is_file()}
    return files, paths


@pytest.mark.parametrize(
    ("value", "file", "path"),
    [
        pytest.param(FRAME, "data.parquet", "/data.parquet", id="00 a frame"),
        pytest.param(np.arange(3), "data.npy", "/data.npy", id="01 an array"),
        pytest.param(["x" * 100_000], "data.json", "/data.json", id="02 a large plain value"),
        pytest.param({1, 2}, "data.pickle", "/data.pickle", id="03 anything else"),
    ],
)
def test_a_stored_object_is_a_file(call, value: Any, file: str, path: str):
    """Named by its kind, in a folder named after the argument."""
    step = call(train, ["x"])
    step.kwargs["data"] = put(step, value)
    files, paths = laid_out(step)
    assert set(files) == {f"inputs/data/{file}", "config/parameters.json", "config/inputs.json"}
    assert paths == {"data": f"/skyrail/inputs/data{path}"}
    assert json.loads(files["config/parameters.json"].read_text()) == {"rate": 0.1}
    [described] = json.loads(files["config/inputs.json"].read_text())["data"]["files"]
    assert described == {
        "name": file, "path": f"/skyrail/inputs/data/{file}", "size": files[f"inputs/data/{file}"].stat().st_size
    }  # fmt: skip


def test_the_files_hold_the_values(call):
    """What pandas, numpy and a JSON reader read there is what the earlier step returned."""
    step = call(train, ["x"])
    step.kwargs["data"] = {"frame": put(step, FRAME), "array.npy": put(step, np.arange(3)), "plain": [1]}
    files, paths = laid_out(step)
    assert paths == {"data": "/skyrail/inputs/data"}
    assert pd.read_parquet(files["inputs/data/frame.parquet"]).equals(FRAME)
    assert list(np.load(files["inputs/data/array.npy"])) == [0, 1, 2]
    assert json.loads(files["inputs/data/plain.json"].read_text()) == [1]


def test_a_model_is_a_folder(call):
    """In MLflow's own format, which many programs read."""
    import mlflow.sklearn  # noqa: F401 -- where it is not loaded, a model is a pickle

    step = call(train, ["x"])
    model = put(step, LinearRegression().fit([[0], [1]], [0, 1]))
    assert model.format == "mlflow"
    step.kwargs["data"] = model
    files, paths = laid_out(step)
    assert "inputs/data/model/MLmodel" in files
    assert paths == {"data": "/skyrail/inputs/data/model"}
    assert "inputs/data/model.tar" not in files


def test_files_and_folders_keep_their_names(call, tmp_path: Path):
    """Of this machine or from an earlier step: a file is a file, and a folder a folder."""
    folder = tmp_path / "images"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "1.png").write_bytes(b"cat")
    for source in ("path", "stored"):
        step = call(train, ["x"])
        step.kwargs["data"] = folder if source == "path" else put(step, folder)
        files, paths = laid_out(step)
        assert files["inputs/data/images/cats/1.png"].read_bytes() == b"cat"
        assert paths == {"data": "/skyrail/inputs/data/images"}
        step = call(train, ["x"])
        file = folder / "cats" / "1.png"
        step.kwargs["data"] = file if source == "path" else put(step, file)
        files, paths = laid_out(step)
        assert files["inputs/data/1.png"].read_bytes() == b"cat"
        assert paths == {"data": "/skyrail/inputs/data/1.png"}


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        pytest.param("text", "text", id="00 text"),
        pytest.param({"a": [1, None]}, {"a": [1, None]}, id="01 JSON"),
        pytest.param((1, 2), [1, 2], id="02 a tuple"),
        pytest.param(dt.datetime(2013, 1, 2, tzinfo=dt.UTC), "2013-01-02T00:00:00+00:00", id="10 a date"),
        pytest.param(np.float64(0.5), 0.5, id="11 a number of numpy"),
    ],
)
def test_plain_values_are_parameters(call, value: Any, parameter: Any):
    """With the defaults of the function."""
    assert understand(call(train, ["x"], value)).parameters == {"data": parameter, "rate": 0.1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"data": object()}, "'data' of step 'dag.train' is a object", id="00 neither plain nor stored"),
        pytest.param({"data": [{1}]}, "is a set", id="01 inside a list"),
        pytest.param({"data": Path("/nope")}, "there is nothing on this machine", id="02 a path to nothing"),
        pytest.param({"other": 1}, "unexpected keyword argument 'other'", id="10 an argument of nothing"),
    ],
)
def test_what_a_program_cannot_be_given_is_refused(call, arguments: dict[str, Any], says: str):
    """Before anything is started, by the argument's name."""
    with pytest.raises(StepError) as error:
        understand(call(train, ["x"], **arguments))
    assert says in error.value.message


@pytest.mark.parametrize(
    ("key", "file"),
    [
        pytest.param("../x", None, id="00 upwards"),
        pytest.param("a/../../../x", None, id="01 upwards later"),
        pytest.param("/x", "x.parquet", id="10 as if from the root"),
        pytest.param("..", "...parquet", id="11 dots"),
        pytest.param("a/b", "a/b.parquet", id="20 a folder's"),
    ],
)
def test_nothing_is_written_outside_the_inputs(call, key: str, file: str | None):
    """A key names a file in the argument's folder, or is refused."""
    step = call(train, ["x"])
    step.kwargs["data"] = {key: put(step, FRAME)}
    if file:
        assert f"inputs/data/{file}" in laid_out(step)[0]
        return
    with pytest.raises(StepError, match="cannot be the name of a file"):
        laid_out(step)


def test_parameters_are_for_the_program_alone(call):
    """One of them may be a secret."""
    files, _ = laid_out(call(train, ["x"], "text"))
    assert stat.S_IMODE(files["config/parameters.json"].stat().st_mode) == 0o600


def test_a_secret_is_on_no_command_line(call):
    """Every user of a machine can read those."""
    mask_secret("hunter2-hunter2")
    step = call(train, ["x", "--key={data}"], "hunter2-hunter2")
    with pytest.raises(StepError, match=r"would show a secret, in \{data\}"):
        filled(step, understand(step), {})
    step = call(train, ["x", "--rate={rate}"], "hunter2-hunter2")
    assert filled(step, understand(step), {}) == ["x", "--rate=0.1"]


@pytest.mark.parametrize("value", ["x" * 131_072, "a\0b"])
def test_a_value_that_fits_no_command_line_is_said(call, value: str):
    """It is in a file, too."""
    step = call(train, ["x", "{data}"], value)
    with pytest.raises(StepError, match=r"'{data}' of the command of step 'dag.train' is too long") as error:
        filled(step, understand(step), {})
    assert "parameters.json" in error.value.fix


def test_a_name_that_is_also_a_folder_is_refused(call, tmp_path: Path):
    """Both cannot be."""
    (tmp_path / "a").write_text("x")
    step = call(train, ["x"], {"a": tmp_path / "a", "a/b": tmp_path / "a"})
    with pytest.raises(StepError, match="has a part 'a/b', which cannot be the name of a file"):
        laid_out(step)


# --- outputs ---


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        pytest.param("a.bin", b"x", "file", id="00 a file"),
        pytest.param("empty", b"", "file", id="01 an empty one"),
        pytest.param("a.json", b'{"a": 1}', "json", id="10 JSON"),
        pytest.param("a.json", b"{", "file", id="11 that is none"),
        pytest.param("a.json", b'{"a": 1}\n{"a": 2}', "file", id="12 that is lines of it"),
        pytest.param("a.parquet", b"PAR1", "file", id="20 Parquet that is none"),
        pytest.param("a.npy", b"\x93NUMPY", "npy", id="30 an array"),
        pytest.param("a.npy", b"NUMPY", "file", id="31 that is none"),
        pytest.param("a.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|O', ", "file", id="32 an array of pickles"),
    ],
)
def test_the_format_of_an_output(tmp_path: Path, name: str, content: bytes, form: str):
    """By the suffix, if the file holds what that says: a mistake there must not cost the result."""
    path = tmp_path / name
    path.write_bytes(content)
    with path.open("rb") as file:
        assert outputs.form_of(name, file) == form


def test_outputs_are_results(call, tmp_path: Path):
    """By path; a frame comes back as a frame, an array as an array, JSON as a value, the rest as a local file."""
    step, folder = call(train, ["x"]), tmp_path / "outputs"
    (folder / "plots").mkdir(parents=True)
    FRAME.to_parquet(folder / "rows.parquet")
    np.save(folder / "array.npy", np.arange(3))
    (folder / "scores.json").write_text('{"auc": NaN}')
    (folder / "plots" / "roc.png").write_bytes(b"png")
    (folder / "latest.png").symlink_to("plots/roc.png")
    kept = outputs.keep(step, folder)
    assert kept is not None
    values = {name: step.capture.store.get(reference) for name, reference in kept.items()}
    assert list(values) == ["array.npy", "latest.png", "rows.parquet", "scores.json", "plots/roc.png"]
    assert values["rows.parquet"].equals(FRAME)
    assert list(values["array.npy"]) == [0, 1, 2]
    assert str(values["scores.json"]) == "{'auc': nan}"
    for name in ("plots/roc.png", "latest.png"):
        copy = values[name]
        assert copy.name == Path(name).name
        assert copy.read_bytes() == b"png"
        assert stat.S_IMODE(copy.stat().st_mode) == 0o400


def test_no_outputs_are_no_result(call, tmp_path: Path):
    """Empty folders are none either."""
    (tmp_path / "outputs" / "empty").mkdir(parents=True)
    assert outputs.keep(call(train, ["x"]), tmp_path / "outputs") is None


def test_what_is_no_file_is_left_out(call, tmp_path: Path):
    """A link out of the folder would hand on what the step never made; a pipe would stand still."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    (folder / "good.txt").write_text("x")
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "etc").symlink_to("/etc")
    (folder / "broken").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    kept = outputs.keep(call(train, ["x"]), folder)
    assert kept is not None
    assert list(kept) == ["good.txt"]


@pytest.mark.parametrize(
    "name", [b"a#b", b"a?b", b"a%41", b"a\nb", b"\xff", b"slice", b"d/slice", b"item/3", b"return_value"]
)
def test_an_output_that_has_no_address_is_refused(call, tmp_path: Path, name: bytes):
    """An XCom is found by its key in an address, and would not be found by this one."""
    path = tmp_path / "outputs" / os.fsdecode(name)
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(StepError, match="cannot be handed on by that name"):
        outputs.keep(call(train, ["x"]), tmp_path / "outputs")


def test_thousands_of_files_are_refused(call, tmp_path: Path):
    """Each would be an XCom and a tag of the record."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    for number in range(outputs.MAX_FILES + 1):
        (folder / str(number)).touch()
    with pytest.raises(StepError, match="1001 files"):
        outputs.keep(call(train, ["x"]), folder)
