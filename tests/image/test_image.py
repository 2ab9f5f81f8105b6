"""What the images promise: any user, a read-only root, nothing in them that does not belong there."""

from __future__ import annotations

import json
import re
import tomllib
from urllib.parse import unquote

import pytest
from tests.image import engine

# Programs that build, and caches; none is needed to run anything.
SUPERFLUOUS = (
    "command -v gcc cc make pip pip3 || true;"
    " find / -xdev \\( -path '*/.cache/uv' -o -path '/var/lib/apt/lists/*' -o -path '/var/cache/apt/*.bin' \\) -print"
)

# What a secret looks like: private keys, tokens of well-known services, passwords in addresses, our own files.
SECRETS = (
    "-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "(ghp|gho|github_pat|glpat|xox[abp])[-_][A-Za-z0-9_]{20,}",
    "(^|[^A-Za-z0-9+/])AKIA[0-9A-Z]{16}($|[^A-Za-z0-9+/])",
)


@pytest.fixture(params=engine.TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """Return each image in turn."""
    return request.param


def test_the_user_is_nobody_special(target: str):
    assert engine.inspect(target)["Config"]["User"] == "50000:0"
    assert engine.run(target, "id", "-u") == "12345"


def test_tini_is_the_first_process(target: str):
    assert engine.inspect(target)["Config"]["Entrypoint"][0] == "/usr/bin/tini"


def test_health_is_asked_of_the_part(target: str):
    test = engine.inspect(target)["Config"]["Healthcheck"]["Test"]
    assert test in (["CMD", "python", "-m", "skyrail.operations.alive"], ["CMD", "skyrail-store-alive"])


def test_labels_say_what_it_is(target: str):
    labels = engine.inspect(target)["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == engine.VERSION
    assert re.fullmatch("[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_nothing_of_the_building_is_left(target: str):
    assert engine.run(target, "sh", "-c", SUPERFLUOUS, options=engine.ROOT_USER) == ""


def test_only_its_own_folders_can_be_written_by_the_group(target: str):
    """Nothing that is run or read can be changed by the user that runs it, read-only root or not."""
    # Not on a read-only root, where nothing can be written at all.
    command = "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/dev/*' -prune -print 2>/dev/null; true"
    found = engine.docker("run", "--rm", *engine.ANYBODY, engine.name(target), "sh", "-c", command).stdout
    allowed = {"/tmp", "/var/tmp", "/run/lock", "/var/lib/skyrail", "/etc/skyrail", "/opt/airflow", "/dev"}
    assert set(found.splitlines()) <= allowed


def test_no_secret_is_inside(target: str):
    """Neither in files, nor in the variables, nor in how a layer was made. Three packages have examples or patterns."""
    pattern = "|".join(SECRETS)
    places = "/opt /etc /usr/local /var /home /root"
    search = f"grep -rIlE -e '{pattern}' {places} 2>/dev/null || true"
    found = engine.run(target, "sh", "-c", search, options=engine.ROOT_USER).splitlines()
    known = re.compile(r"/site-packages/(botocore|cryptography|google)/")
    assert [file for file in found if not known.search(file)] == []
    config = engine.inspect(target)["Config"]
    history = engine.docker("image", "history", "--no-trunc", "--format", "{{.CreatedBy}}", engine.name(target)).stdout
    for text in (*config["Env"], *history.splitlines()):
        assert not re.search(r"(?i)(password|secret|token|fernet)[A-Z_]*=\S", text), text
        assert not re.search(r"://[^/\s]*:[^/\s]*@", text), text


def test_it_says_what_it_consists_of(target: str):
    """The list has every package of Debian and of Python that is installed."""
    bom = json.loads(engine.run(target, "cat", "/usr/share/sbom/skyrail.cdx.json"))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    listed = {component["purl"].partition("?")[0].lower() for component in bom["components"] if "purl" in component}
    debian = engine.run(target, "dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n")
    installed = {line.split()[1] for line in debian.splitlines() if line.startswith("installed")}
    assert installed == {re.split("[/@]", unquote(purl))[2] for purl in listed if purl.startswith("pkg:deb/")}
    if target == "store":
        return
    code = "import importlib.metadata as m; print(*(d.name.lower().replace('_', '-') for d in m.distributions()))"
    python = set(engine.run(target, "python", "-c", code).split())
    missing = {name for name in python if not any(purl.startswith(f"pkg:pypi/{name}@") for purl in listed)}
    assert missing <= {"skyrail"}  # it comes from no index


@pytest.mark.parametrize("target", ["skyrail", "mlflow"])
def test_packages_are_those_of_the_lock(target: str):
    lock = tomllib.loads((engine.ROOT / "uv.lock").read_text())["package"]
    locked = {(package["name"], package.get("version")) for package in lock}
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    for line in engine.run(target, "python", "-c", code).split():
        name, _, version = line.partition("==")
        assert (re.sub("[-_.]+", "-", name).lower(), version) in locked


@pytest.mark.parametrize("target", ["skyrail", "mlflow"])
def test_bytecode_is_there_for_each_module(target: str):
    """A root that is read-only keeps none that is made later: each task would compile what it imports."""
    code = (
        "import sysconfig, pathlib, importlib.util as u\n"
        "site = pathlib.Path(sysconfig.get_path('purelib'))\n"
        "print(*(f for f in site.rglob('*.py') if not pathlib.Path(u.cache_from_source(f)).exists()), sep='\\n')"
    )
    missing = engine.run(target, "python", "-c", code).splitlines()
    # Templates that are no Python, and modules of other versions of it.
    assert len(missing) < 20, missing


def test_the_parts_find_their_configuration_without_a_home():
    script = (
        "airflow config get-value core auth_manager 2>/dev/null; airflow config get-value core dags_folder 2>/dev/null;"
        " skyrail --help > /dev/null && git --version | cut -c1-3 && uv --version | cut -c1-2; ls -A /opt/airflow"
    )
    said = engine.run("skyrail", "sh", "-c", script).splitlines()
    assert said[:4] == ["skyrail.auth.manager.SkyrailAuthManager", "/opt/skyrail/dags", "git", "uv"]


def test_every_executor_and_bundle_of_the_default_install_is_there():
    modules = (
        "airflow.providers.celery.executors.celery_executor",
        "airflow.providers.cncf.kubernetes.executors.kubernetes_executor",
        "airflow.providers.git.bundles.git",
        "s3fs",
        "uvicorn",
        "mlflow.tracking",
    )
    assert engine.run("skyrail", "python", "-W", "ignore", "-c", f"import {', '.join(modules)}; print('ok')").endswith(
        "ok"
    )


def test_a_login_link_is_printed_beside_an_api_server():
    said = engine.run(
        "skyrail", "skyrail", "login",
        options=("-e", "AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS=/opt/airflow/login", "-e", "AIRFLOW__API__BASE_URL=https://a.example.com/"),
    )  # fmt: skip
    assert re.fullmatch(r"https://a\.example\.com/auth/link\?token=[A-Za-z0-9_-]{43}", said)


def test_what_runs_nothing_of_ours_has_nothing_to_watch():
    said = engine.run("skyrail", "sh", "-c", "python -m skyrail.operations.alive")
    assert said == "This container runs no part of the platform."
