"""The file of resource classes: read whole, or refused with every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyrail.steps.resources.classes import ResourceClass, load_classes
from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.readers import OPTIONAL, REQUIRED

ROOT = Path(__file__).parents[4]
GIB = 1024**3

WHOLE = """\
classes:
  - name: gpu
    cpu: 7.5
    memory: 60Gi
    gpu: 1
    gpu_type: A100
    disk: 100Gi
    shared_memory: 8000
    price: 2.5
    executor: KubernetesExecutor
    queue: gpus
    pod_template: special.yaml
    identities: [trainer]
    images: ["registry.example.com/team/*"]
    node_selector: {pool: gpus}
    tolerations:
      - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
    retired: false
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "classes.yaml"
    file.write_text(text)
    return file


def test_every_key_is_read(tmp_path: Path):
    """A class with all keys, whole."""
    file = write(tmp_path, WHOLE)
    [one] = load_classes(file)
    assert one == ResourceClass(
        name="gpu",
        cpu=7.5,
        memory=60 * GIB,
        gpu=1,
        gpu_type="a100",
        disk=100 * GIB,
        shared_memory=8000 * 1024**2,
        price=2.5,
        executor="KubernetesExecutor",
        queue="gpus",
        pod_template="special.yaml",
        identities=("trainer",),
        images=("registry.example.com/team/*",),
        node_selector={"pool": "gpus"},
        tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
        retired=False,
    )
    assert one.where == f"{file}:2"


def test_a_class_allows_no_identity_and_no_image_by_itself(tmp_path: Path):
    """What is not allowed in so many words is not."""
    [one] = load_classes(write(tmp_path, "classes: [{name: small, cpu: 1, memory: 2Gi}]"))
    assert one == ResourceClass("small", 1.0, 2 * GIB)
    assert (one.identities, one.images) == ((), ())


ONE = "classes:\n  - name: a\n    cpu: 1\n    memory: 2Gi\n"


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        pytest.param("", ["1:1: The file is empty."], id="00 empty"),
        pytest.param("# only a comment\n", ["1:1: The file is empty."], id="01 empty but for words"),
        pytest.param("- a\n", ["1:1: The file is no mapping of keys to values."], id="02 a list"),
        pytest.param("classes: [\n", ["2:1: This is not YAML: "], id="03 cut off"),
        pytest.param("{}", ["1:1: The key 'classes' is missing."], id="04 no classes"),
        pytest.param("classes: big\n", ["1:10: classes is no list."], id="05 no list of classes"),
        pytest.param("classes: []\n", ["1:1: There is no class that steps could have."], id="06 none"),
        pytest.param("classes: [small]\n", ["1:11: This entry of classes is no mapping"], id="07 a bare name"),
        pytest.param(
            ONE + "    retired: true\n", ["1:1: There is no class that steps could have."], id="08 all retired"
        ),
        pytest.param(ONE + "clases: 1\n", ["5:1: There is no key 'clases': did you mean classes?"], id="09 misspelt"),
        pytest.param(
            ONE + "    memroy: 1\n", ["5:5: There is no key 'memroy': did you mean memory?"], id="10 misspelt"
        ),
        pytest.param(ONE + "    zzz: 1\n", ["5:5: There is no key 'zzz': there are name, cpu,"], id="11 like nothing"),
        pytest.param(ONE + "    cpu: 2\n", ["5:5: The key 'cpu' is there twice, first in line 3."], id="12 twice"),
        pytest.param(ONE + "    ? [x]\n    : 1\n", ["5:7: This key is no text."], id="13 a key of another kind"),
        pytest.param(
            ONE + "    node_selector: {a: x, a: y}\n",
            ["5:27: The key 'a' is there twice, first in line 5."],
            id="14 twice, further in",
        ),
        pytest.param(
            ONE + "  - {name: a, cpu: 2, memory: 4Gi}\n", ["5:6: There is a class 'a' already, at "], id="20 one name"
        ),
        pytest.param(
            "classes: [{name: a}]",
            ["1:11: The key 'cpu' is missing.", "1:11: The key 'memory' is missing."],
            id="21 no size",
        ),
        pytest.param(ONE.replace("2Gi", "2GB"), ["4:13: memory is no quantity that Kubernetes knows"], id="30 memory"),
        pytest.param(ONE.replace("name: a", "name: Big One"), ["2:11: name is no name: write up to 50"], id="31 name"),
        pytest.param(ONE + "    gpu: 1\n", ["5:5: gpu and gpu_type belong together."], id="40 a GPU of no type"),
        pytest.param(ONE + "    gpu_type: t4\n", ["5:5: gpu and gpu_type belong together."], id="41 a type of no GPU"),
        pytest.param(
            ONE + "    shared_memory: 3Gi\n", ["5:5: shared_memory is part of memory"], id="42 a part too large"
        ),
        pytest.param(ONE + "    price: cheap\n", ["5:12: price is no price"], id="43 price"),
        pytest.param(
            ONE + "    executor: LocalExecutor\n",
            ["5:15: executor is no executor that a class can name"],
            id="44 executor",
        ),
        pytest.param(ONE + "    queue: 5\n", ["5:12: queue is no text."], id="45 queue"),
        pytest.param(
            ONE + "    pod_template: ../x.yaml\n", ["5:19: pod_template is no name of a file"], id="46 template"
        ),
        pytest.param(ONE + "    identities: trainer\n", ["5:17: identities is no list of names."], id="47 identities"),
        pytest.param(ONE + "    images: [1]\n", ["5:13: images is no text."], id="48 images"),
        pytest.param(
            ONE + "    node_selector: {gpu: true}\n", ["5:20: node_selector is no mapping of texts"], id="49 labels"
        ),
        pytest.param(ONE + "    tolerations: [{kee: x}]\n", ["5:18: tolerations is no list of tolerations"], id="50"),
        pytest.param(ONE + "    retired: maybe\n", ["5:14: retired is neither true nor false."], id="51 retired"),
        pytest.param(
            ONE + "    queue: !!python/name:os.system\n",
            ["5:12: queue is of a kind that only programs make."],
            id="52 code",
        ),
    ],
)
def test_mistakes_are_named_where_they_are(tmp_path: Path, text: str, mistakes: list[str]):
    """`file:line:column: sentence`, from the top."""
    file = write(tmp_path, text)
    with pytest.raises(ResourceError) as error:
        load_classes(file)
    lines = error.value.message.splitlines()
    assert len(lines) == len(mistakes)
    for line, mistake in zip(lines, mistakes, strict=True):
        assert line.startswith(f"{file}:{mistake}")


def test_all_mistakes_at_once(tmp_path: Path):
    """Each class is looked at, whatever is wrong with the one before."""
    text = "classes:\n  - {name: a, cpu: x, memory: 2Gi}\n  - {name: a, cpu: 1, memory: y, qeue: b}\nfoo: 1\n"
    with pytest.raises(ResourceError) as error:
        load_classes(write(tmp_path, text))
    places = [line.removeprefix(str(tmp_path / "classes.yaml:")) for line in error.value.message.splitlines()]
    assert [place.split(":")[0] for place in places] == ["2", "3", "3", "3", "4"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    """The error says where it was looked for and which option says so."""
    with pytest.raises(ResourceError, match=r"none\.yaml: No such file") as error:
        load_classes(tmp_path / "none.yaml")
    assert "[skyrail_resources] classes" in error.value.fix


def test_an_edit_is_seen(tmp_path: Path):
    """A file is kept in memory only until it changes."""
    file = write(tmp_path, ONE)
    assert [one.name for one in load_classes(file)] == ["a"]
    file.write_text(ONE.replace("name: a", "name: longer"))
    assert [one.name for one in load_classes(file)] == ["longer"]


def test_the_classes_that_come_with_skyrail():
    """Their names and sizes are a promise to whoever writes a DAG against them."""
    shipped = {
        one.name: (one.cpu, one.memory // GIB, one.gpu_type) for one in load_classes(ROOT / "config/classes.yaml")
    }
    assert shipped == {
        "small": (1, 2, ""),
        "medium": (2, 8, ""),
        "large": (4, 16, ""),
        "xlarge": (16, 64, ""),
        "gpu-t4": (3.5, 13, "t4"),
        "gpu-a100": (11, 80, "a100"),
    }


def test_every_key_is_documented():
    """The page has a row for each key of a class."""
    page = (ROOT / "docs" / "resources.md").read_text()
    for key in (*REQUIRED, *OPTIONAL):
        assert f"| `{key}`" in page, key
