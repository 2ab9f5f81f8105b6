"""config/airflow.cfg: every option exists, every one has its reason."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from skyrail.embedded.configuration import config_folder
from skyrail.errors import EmbeddedError

CONFIG = config_folder() / "airflow.cfg"


def _options() -> list[tuple[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(CONFIG)
    return [(section, option) for section in parser.sections() for option in parser[section]]


@pytest.mark.parametrize(("section", "option"), [pytest.param(*pair, id=".".join(pair)) for pair in _options()])
def test_airflow_knows_the_option(section: str, option: str) -> None:
    """A misspelt option is silently ignored by Airflow."""
    from airflow.configuration import conf

    assert option in conf.configuration_description[section]["options"]


@pytest.mark.parametrize(("section", "option"), [pytest.param(*pair, id=".".join(pair)) for pair in _options()])
def test_airflow_does_not_call_the_option_deprecated(section: str, option: str) -> None:
    from airflow.configuration import conf

    description = conf.configuration_description[section]["options"][option]
    assert "deprecat" not in str(description.get("description", "")).lower() or section == "api"


def test_every_option_has_its_reason_above_it() -> None:
    lines = CONFIG.read_text().splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            above = next(text for text in reversed(lines[:number]) if not (" = " in text and not text.startswith("#")))
            assert above.startswith("# "), f"{line} has no reason"


def test_the_checkout_uses_its_own_configuration() -> None:
    assert config_folder() == Path(__file__).parents[3] / "config"


def test_another_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "airflow.cfg").write_text("")
    monkeypatch.setenv("SKYRAIL_CONFIG", str(tmp_path))
    assert config_folder() == tmp_path


def test_a_folder_without_configuration_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYRAIL_CONFIG", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"there is no airflow\.cfg"):
        config_folder()
