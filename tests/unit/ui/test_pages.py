"""The pages as a browser gets them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.fakes.airflow_process import AirflowServer, airflow_server
from tests.fakes.record import MODEL, Written
from tests.fakes.sinks import Sink, http_sink


class Page(HTMLParser):
    """What a page consists of: its words, its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.html = html
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep words."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """Return the words, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a kind."""
        return [attrs for name, attrs in self.elements if name == tag]


def page(server: AirflowServer, path: str, status: int = 200) -> Page:
    with server.signed_in() as browser:
        answer = browser.get(path, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return Page(answer.text)


def test_runs_show_each_attempt_and_how_it_ended(server: AirflowServer, written: Written):
    """All that was recorded is on the page, in words."""
    runs = page(server, "/skyrail/runs")
    for words in ("flights_train · train", "map index 3", "try 2", "✓ succeeded", "✕ failed", "✕ killed", "↷ skipped"):
        assert words in runs.text
    assert "ValueError: no weather for EWR" in runs.text
    assert "9f3c1e0 modified" in runs.text
    assert "learning_rate 0.1" in runs.text
    assert f"{MODEL} v4" in runs.text


def test_runs_of_dags_that_may_not_be_read_are_missing(server: AirflowServer, written: Written):
    """Airflow does not know that DAG, so nobody may read it."""
    assert "secret_dag" not in page(server, "/skyrail/runs").text
    assert "hidden_step" not in page(server, "/skyrail/runs?dag_id=secret_dag").text


def test_what_a_step_recorded_is_text_and_never_markup(server: AirflowServer, written: Written):
    """A parameter can hold a script; the page shows it."""
    runs = page(server, "/skyrail/runs")
    assert "<script>alert('x')</script>" in runs.text
    assert all(script.get("src", "").startswith("/skyrail/static/") for script in runs.all("script"))
    assert not any(name.startswith("on") for _, attrs in runs.elements for name in attrs)


def test_links_lead_to_airflow_and_to_mlflow(server: AirflowServer, mlflow_server: str, written: Written):
    """They are marked for the frame around the page, which a sandboxed frame cannot navigate by itself."""
    links = [link for link in page(server, "/skyrail/runs").all("a") if "data-top" in link]
    addresses = {link["href"] for link in links}
    assert any(re.match(r"/dags/flights_score/runs/.*/tasks/score/mapped/3\?try_number=2", a or "") for a in addresses)
    assert any((a or "").startswith(f"{mlflow_server}/#/experiments/") for a in addresses)


def test_a_filter_with_nothing_says_what_will_appear(server: AirflowServer, written: Written):
    """An empty page explains itself."""
    assert "Nothing recorded for never_ran yet" in page(server, "/skyrail/runs?dag_id=never_ran").text
    assert "Nothing recorded for <b> yet" in page(server, "/skyrail/runs?dag_id=%3Cb%3E").text
    assert 'No run matches "<i>" . Show all' in page(server, "/skyrail/runs?filter=%22%3Ci%3E%22").text


@pytest.mark.parametrize(
    ("question", "words", "missing"),
    [
        pytest.param("filter=extract", "extract", "hostile", id="00 text"),
        pytest.param("filter=auc > 0.725", "0.7273", "0.7213", id="10 a metric"),
        pytest.param("filter=ended = killed", "publish", "extract", id="20 how it ended"),
        pytest.param("filter=p.seed = 7, auc < 0.722", "0.7213", "0.7273", id="30 both must hold"),
        pytest.param("filter=score, started > 2999-01-01", "No run matches", "flights_score · score", id="40 nothing"),
        pytest.param(
            "dag_id=flights_train&filter=train", "auc log_loss train_rows", "Parameters", id="50 columns of a DAG"
        ),
        pytest.param("dag_id=flights_train&columns=p.seed,m.auc", "seed auc", "Parameters", id="60 chosen columns"),
        pytest.param("columns=p.seed&columns=class", "seed class", "Parameters", id="70 chosen by boxes"),
        pytest.param("columns=", "Ended Commit", "Parameters", id="80 no columns"),
    ],
)
def test_the_table_shows_what_its_address_says(
    server: AirflowServer, written: Written, question: str, words: str, missing: str
):
    """Filter, columns and order are in the address, and nowhere else."""
    found = page(server, f"/skyrail/runs?{question}")
    text = re.sub(r"How to filter .* as text\.|(?<=Columns ).*Default columns|Others", "", found.text)
    table = text[text.find("Attempts of steps") :] if "Attempts of steps" in text else text
    assert words in table
    assert missing not in table


def test_a_table_is_sorted_by_the_head_of_a_column(server: AirflowServer, written: Written):
    """The largest first, at the second click the smallest; the order is told to those who do not see the arrow."""
    path = "/skyrail/runs?dag_id=flights_train&filter=train&columns=m.auc"
    first = page(server, path)
    [head] = [str(link["href"]) for link in first.all("a") if "sort=-m.auc" in str(link["href"])]
    down = page(server, head)
    assert [each["aria-sort"] for each in down.all("th") if "aria-sort" in each] == ["descending"]
    values = [float(text) for text in re.findall(r"0\.7\d\d\d", down.text)]
    assert values == sorted(values, reverse=True)
    assert len(values) == 4
    [again] = [str(link["href"]) for link in down.all("a") if "sort=m.auc" in str(link["href"])]
    assert [float(text) for text in re.findall(r"0\.7\d\d\d", page(server, again).text)] == sorted(values)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        pytest.param("filter=auc >> 3", "auc >> 3 is not a condition. Write, for example: auc > 0.9", id="00 filter"),
        pytest.param("columns=<b>", "Nothing can be called '<b>'", id="10 columns"),
        pytest.param("sort=p.seed", "Runs cannot be sorted by p.seed", id="20 order"),
        pytest.param("page=next", "There is no such page", id="30 page"),
    ],
)
def test_an_address_that_cannot_be_understood_says_so(
    server: AirflowServer, written: Written, question: str, words: str
):
    """In a sentence, with what was written still in the form."""
    found = page(server, f"/skyrail/runs?{question}", status=400)
    assert words in found.text
    assert "Attempts of steps" not in found.text
    assert [each.get("name") for each in found.all("input")][:1] == ["filter"]


def test_the_history_shows_every_comparison_and_promotion(server: AirflowServer, written: Written):
    """With verdict, interval, reason, and who or what decided."""
    model = page(server, f"/skyrail/models/{MODEL}")
    assert "The champion is version 2 ." in model.text
    for words in (
        "✕ FAIL",
        "? INCONCLUSIVE",
        "✓ PASS",
        "Version 4 compared with version 2 on 2013-05",
        "There was no champion. Baseline: the share of late flights in training.",
        "Champion: version 1 → version 2",
        "flights_train · promote",
        "paired bootstrap",
        "26,401 rows",
    ):
        assert words in model.text
    pictures = [svg for svg in model.all("svg") if svg.get("role") == "img"]
    assert [picture["aria-label"] for picture in pictures][-1] == (
        "Difference +0.0312, interval from +0.0281 to +0.0345, lower bound for a pass \N{MINUS SIGN}0.001"
    )


def test_the_models_are_listed_with_their_champions(server: AirflowServer, written: Written):
    """One line a model."""
    assert f"{MODEL} version 2 4" in page(server, "/skyrail/models").text


def test_a_model_that_does_not_exist_is_a_page_too(server: AirflowServer):
    """It says what may have happened."""
    assert "No model is called “nothing”" in page(server, "/skyrail/models/nothing", status=404).text


def test_messages_are_shown_newest_first(server: AirflowServer, inbox: Path, written: Written):
    """The newest is in sight, the others one click away."""
    lines = [{"at": "2026-01-01T00:00:00+00:00", "severity": "info", "title": "older"}]
    lines += [{"at": "2026-01-02T00:00:00+00:00", "severity": "warning", "title": "<i>newer</i>", "message": "Why."}]
    inbox.write_text("".join(json.dumps(line) + "\n" for line in lines))
    runs = page(server, "/skyrail/runs").text
    assert "! warning <i>newer</i> and 1 more" in runs
    inbox.unlink()
    assert "No messages." in page(server, "/skyrail/runs").text


def test_a_page_loads_nothing_from_elsewhere_and_no_other_site_frames_it(server: AirflowServer):
    """The policy allows files of this server alone."""
    with server.signed_in() as browser:
        for path in ("/skyrail/runs", "/skyrail/models", "/skyrail/models/nothing"):
            answer = browser.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'self'" in policy
            assert "unsafe" not in policy
            found = Page(answer.text)
            for address in [*found.all("script"), *found.all("link")]:
                assert browser.get(str(address.get("src") or address["href"])).status_code == 200


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AirflowServer, Sink]]:
    """Return an api-server whose tracking server has nothing, and that tracking server."""
    home = tmp_path_factory.mktemp("new")
    message = {"severity": "critical", "title": "Look here"}
    (home / "inbox.jsonl").write_text(json.dumps(message) + "\n")
    with (
        http_sink() as empty,
        airflow_server(
            home,
            AIRFLOW__SKYRAIL_TRACKING__SERVER=f"http://127.0.0.1:{empty.port}",
            AIRFLOW__SKYRAIL_NOTIFICATIONS__INBOX=str(home / "inbox.jsonl"),
        ) as server,
    ):
        yield server, empty


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("/skyrail/runs", "Nothing recorded yet.", id="00 runs"),
        pytest.param("/skyrail/models", "No model is registered yet.", id="10 models"),
    ],
)
def test_a_new_installation_says_what_to_do(new: tuple[AirflowServer, Sink], path: str, words: str):
    """Before the first run, each page says what will appear and how."""
    text = page(new[0], path).text
    assert words in text
    assert "Go to the DAGs" in text


@pytest.mark.parametrize("path", ["/skyrail/runs", "/skyrail/models", f"/skyrail/models/{MODEL}"])
def test_without_mlflow_the_page_says_so_and_still_shows_messages(new: tuple[AirflowServer, Sink], path: str):
    """Never an error page: what is wrong, what happens meanwhile, and what to do."""
    server, tracking = new
    tracking.away = True
    try:
        text = page(server, path).text
    finally:
        tracking.away = False
    assert f"The tracking server at http://127.0.0.1:{tracking.port} does not answer" in text
    assert "check that MLflow runs" in text
    assert "Look here" in text
