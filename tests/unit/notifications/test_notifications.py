"""One message, every configured target, and nobody's failure stops another's message."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.fakes.sinks import Sink, http_sink, smtp_sink

from skyrail.errors import SkyrailError
from skyrail.notifications import SkyrailNotifier, notify
from skyrail.notifications.message import Message
from skyrail.notifications.send import send
from skyrail.settings import NotificationSettings

MESSAGE = Message.make(
    "Version 4 was not\npromoted", "Worse: -0.012 <b>&\n{{ 1 / 0 }}", severity="critical", link="/skyrail/models/m"
)


def connection(kind: str, sink: Sink, **extra: object) -> str:
    host = "127.0.0.1" if kind == "smtp" else f"http://127.0.0.1:{sink.port}/hook"
    return json.dumps(
        {"conn_type": kind, "host": host, "extra": extra} | ({"port": sink.port} if kind == "smtp" else {})
    )


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with smtp_sink() as sink:
        extra = {"from_email": "skyrail@example.org", "disable_tls": True, "disable_ssl": True, "retry_limit": 1}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection("smtp", sink, **extra))
        yield sink


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with http_sink() as sink:
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", connection("http", sink))
        yield sink


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "messages" / "notifications.jsonl"


def lines(inbox: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in inbox.read_text().splitlines()]


def test_a_message_reaches_every_target(inbox: Path, mails: Sink, hooks: Sink, monkeypatch: pytest.MonkeyPatch):
    """File, mail and webhook get the same message, and its text is never read as a template or as HTML."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://skyrail.example.org/")
    send(
        MESSAGE,
        NotificationSettings(inbox=str(inbox), email_to="ada@example.org, bob@example.org", webhook_conn_id="chat"),
    )
    assert lines(inbox) == [
        {
            "at": MESSAGE.at,
            "severity": "critical",
            "title": "Version 4 was not promoted",
            "message": "Worse: -0.012 <b>&\n{{ 1 / 0 }}",
            "link": "/skyrail/models/m",
        }
    ]
    [mail] = mails.got
    assert mail["subject"] == "[Skyrail, critical] Version 4 was not promoted"
    assert (mail["from"], mail["to"]) == ("skyrail@example.org", "ada@example.org, bob@example.org")
    text = mail.get_body(("html",)).get_content()
    assert "Worse: -0.012 &lt;b&gt;&amp;" in text
    assert "{{ 1 / 0 }}" in text
    assert 'href="https://skyrail.example.org/skyrail/models/m"' in text
    [(path, body)] = hooks.got
    assert path == "/hook"
    assert body == lines(inbox)[0] | {
        "link": "https://skyrail.example.org/skyrail/models/m",
        "text": "Version 4 was not promoted\nWorse: -0.012 <b>&\n{{ 1 / 0 }}\n"
        "https://skyrail.example.org/skyrail/models/m",
    }


def test_one_target_that_fails_does_not_stop_the_others(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The failure is logged with what to do."""
    with http_sink(status=500) as broken:
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", connection("http", broken))
        with caplog.at_level(logging.ERROR, logger="skyrail"):
            send(MESSAGE, NotificationSettings(inbox=str(inbox), webhook_conn_id="chat"))
    assert len(lines(inbox)) == 1
    assert "did not reach webhook" in caplog.text
    assert "Check the Airflow connection 'chat'" in caplog.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"inbox": "/dev/null/inbox"}, "inbox failed with FileExistsError", id="00 no such folder"),
        pytest.param({"inbox": "/dev/full"}, "No space left on device", id="10 a full disk"),
        pytest.param({"webhook_conn_id": "nobody_made_this"}, "nobody_made_this", id="20 no such connection"),
        pytest.param(
            {"email_to": "ada@example.org", "smtp_conn_id": "nor_this"}, "nor_this", id="30 nor of a mail server"
        ),
    ],
)
def test_a_message_that_reaches_nobody_is_an_error(settings: dict[str, str], words: str):
    """It names each target, why, and what to do."""
    with pytest.raises(SkyrailError, match=words) as caught:
        send(MESSAGE, NotificationSettings(**settings))
    assert "reached nobody" in caught.value.message
    assert caught.value.fix.startswith("Check ")


def test_a_mail_server_that_refuses_is_named(mails: Sink, monkeypatch: pytest.MonkeyPatch):
    """The refusal is in the error."""
    with smtp_sink(refuse="550 no such user") as refusing:
        extra = {"from_email": "skyrail@example.org", "disable_tls": True, "disable_ssl": True, "retry_limit": 1}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection("smtp", refusing, **extra))
        with pytest.raises(SkyrailError, match="no such user"):
            send(MESSAGE, NotificationSettings(email_to="nobody@example.org"))


def test_without_a_target_a_warning_says_where_to_set_one(caplog: pytest.LogCaptureFixture):
    """A step does not fail because nobody wants its messages."""
    with caplog.at_level(logging.WARNING, logger="skyrail"):
        send(MESSAGE, NotificationSettings())
    assert "has nowhere to go" in caplog.text


def test_many_writers_keep_their_lines_whole(inbox: Path):
    """Messages of several processes and threads do not mix."""
    settings = NotificationSettings(inbox=str(inbox))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: send(Message.make(f"{i}", "x" * 5000), settings), range(100)))
    assert sorted(int(line["title"]) for line in lines(inbox)) == list(range(100))
    assert inbox.stat().st_mode & 0o777 == 0o600


def test_a_step_sends_with_one_call(inbox: Path, monkeypatch: pytest.MonkeyPatch):
    """`notify` reads the settings as every process of Airflow does."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_NOTIFICATIONS__INBOX", str(inbox))
    notify("Drift in dep_delay", "PSI 0.31", severity="info", link="https://example.org")
    assert [(line["severity"], line["title"], line["link"]) for line in lines(inbox)] == [
        ("info", "Drift in dep_delay", "https://example.org")
    ]


def test_the_notifier_fills_in_what_failed(inbox: Path, monkeypatch: pytest.MonkeyPatch):
    """As callback its texts are templates of the task's context."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_NOTIFICATIONS__INBOX", str(inbox))
    SkyrailNotifier("{{ what }} failed", "because of {{ why }}", severity="critical", link="{{ url }}")(
        {"what": "train", "why": "<weather>", "url": "/dags/flights"}
    )
    assert [(line["title"], line["message"], line["link"]) for line in lines(inbox)] == [
        ("train failed", "because of <weather>", "/dags/flights")
    ]


def test_a_wrong_severity_shows_when_the_dag_is_parsed():
    """Not on the day when something has failed."""
    with pytest.raises(SkyrailError, match=r"severity 'urgent'.*\nUse one of info, warning, critical"):
        SkyrailNotifier("title", severity="urgent")
