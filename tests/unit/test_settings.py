"""Settings: their defaults are a promise, and a bad value is a sentence."""

from __future__ import annotations

import dataclasses

import pytest

from skyrail.errors import SettingsError
from skyrail.settings import SECTIONS, TrackingSettings, airflow_options, field_docs, load


def test_promised_defaults():
    """Changing a default is a visible act."""
    assert {f"{section.section}.{field.name}": field.default for section in SECTIONS
            for field in dataclasses.fields(section)} == {
        "skyrail_tracking.server": "http://127.0.0.1:5000",
        "skyrail_tracking.browser_url": "",
        "skyrail_tracking.spool": "",
        "skyrail_tracking.store": "",
        "skyrail_tracking.store_key_conn_id": "",
        "skyrail_tracking.inline_bytes": 16384,
        "skyrail_tracking.flush_seconds": 1.0,
        "skyrail_tracking.request_seconds": 10.0,
        "skyrail_auth.login_links": "",
        "skyrail_auth.login_command": "skyrail login",
        "skyrail_notifications.inbox": "",
        "skyrail_notifications.email_to": "",
        "skyrail_notifications.smtp_conn_id": "smtp_default",
        "skyrail_notifications.webhook_conn_id": "",
        "skyrail_execution.preload": "",
        "skyrail_resources.target": "local",
        "skyrail_resources.classes": "",
        "skyrail_resources.pool_cpu": 0.0,
        "skyrail_resources.pool_memory": "",
        "skyrail_resources.pool_gpu": -1,
        "skyrail_resources.cpu_ok": False,
        "skyrail_resources.pod_templates": "/opt/airflow/pod_templates",
        "skyrail_resources.teams": "",
        "skyrail_environments.cache": "",
        "skyrail_environments.keep_gib": 20.0,
        "skyrail_environments.baked": "",
        "skyrail_environments.auto_lock": False,
    }  # fmt: skip


def test_every_setting_has_its_paragraph():
    """Each field says what it is, and Airflow knows it as an option."""
    options = airflow_options()
    for section in SECTIONS:
        names = {field.name for field in dataclasses.fields(section)}
        assert set(field_docs(section)) == names == set(options[section.section]["options"])


def test_a_setting_comes_from_airflows_configuration(monkeypatch: pytest.MonkeyPatch):
    """An option is set as any of Airflow's."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__INLINE_BYTES", "7")
    assert load(TrackingSettings).inline_bytes == 7


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param("many", "'many', which is not of type int", id="00 no number"),
        pytest.param("", "'', which is not of type int", id="01 empty"),
        pytest.param("1.5", "'1.5', which is not of type int", id="02 not a whole number"),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, value: str, says: str):
    """The error names section, option, value and the variable to change."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__INLINE_BYTES", value)
    with pytest.raises(SettingsError, match=r"\[skyrail_tracking\] inline_bytes is") as error:
        load(TrackingSettings)
    assert says in error.value.message
    assert "AIRFLOW__SKYRAIL_TRACKING__INLINE_BYTES" in error.value.fix
