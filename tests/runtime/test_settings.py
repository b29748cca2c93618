"""The settings: where they come from, what is refused, and the page that is made of them."""

from pathlib import Path

import pytest

from runtime import settings_page
from runtime.checks import Level, settings_findings
from runtime.settings import SettingsAreWrongError, load_settings
from tests.runtime.command_line import CHECKOUT

SECRET = "s3cret-word"
EVERYWHERE = "0.0.0.0"  # noqa: S104 (what is asked about)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_page.variables():
        monkeypatch.delenv(name, raising=False)


def test_the_committed_page_is_the_one_that_is_made() -> None:
    page = (CHECKOUT / "docs/settings.md").read_text()
    assert page == settings_page.markdown(), "noteledger settings --markdown > docs/settings.md"


def test_what_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTELEDGER_PORT", "1")
    monkeypatch.setenv("NOTELEDGER_HOST", "::1")
    settings = load_settings(port=2, host=None)
    assert (settings.port, settings.host) == (2, "::1")


def test_worker_threads_have_connections_for_their_locks_and_their_work() -> None:
    assert load_settings(worker_threads=8).database_connections == 20
    with pytest.raises(SettingsAreWrongError, match=r"DATABASE_CONNECTIONS.* need 22 connections"):
        load_settings(worker_threads=9)
    assert load_settings(worker_threads=9, database_connections=22).worker_threads == 9


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_page.variables():
        monkeypatch.setenv(name, "")
    assert load_settings() == load_settings()
    assert load_settings().port == 8000
    assert load_settings().demo is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", SECRET),
        ("PORT", "65536"),
        ("DEMO", SECRET),
        ("DATABASE_URL", f"postgresql://anna:{SECRET}@host:5432/?no_such=1"),
        ("OWNER_DATABASE_URL", f"postgresql://anna:{SECRET}@host:port:5432/"),
        ("DATABASE_URL", f"postgresql://anna:p@{SECRET}@host/"),
        ("BROKER_URL", f"http://:{SECRET}@host:6379/0"),
        ("BROKER_URL", f"redis://:{SECRET}@host:port/0"),
        ("BROKER_URL", f"redis://:a/{SECRET}@host:6379/0"),
        ("BROKER_URL", f"redis://:{SECRET}#@host:6379/0"),
        ("BROKER_URL", f"redis://:{SECRET}@host/jobs"),
        ("BROKER_URL", f"redis://:{SECRET}@/0"),
        ("BROKER_URL", f"unix://?password={SECRET}"),
        ("ANONYMOUS_ROLE", SECRET),
        ("PUBLIC_URL", SECRET),
        ("TEXT_BYTES_MAX", "0"),
    ],
)
def test_a_wrong_one_is_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"NOTELEDGER_{name}", value)
    with pytest.raises(SettingsAreWrongError) as wrong:
        load_settings()
    assert str(wrong.value).startswith(f"NOTELEDGER_{name}: ")
    assert SECRET not in str(wrong.value)


def test_all_wrong_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTELEDGER_PORT", "x")
    monkeypatch.setenv("NOTELEDGER_FILES_MAX", "x")
    with pytest.raises(SettingsAreWrongError) as wrong:
        load_settings()
    assert len(str(wrong.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("given", "is_demo"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "::1"}, True),
        ({"host": EVERYWHERE}, False),
        ({"host": "example.org"}, False),
        ({"host": EVERYWHERE, "demo": True}, True),
        ({"demo": False}, False),
        ({"database_url": "postgresql://h/d"}, False),
        ({"database_url": "postgresql://h/d", "demo": True}, True),
    ],
)
def test_who_gets_the_demo(given: dict[str, object], is_demo: bool) -> None:
    assert load_settings(**given).is_demo is is_demo


def test_secrets_are_not_shown() -> None:
    settings = load_settings(database_url=f"postgresql://anna:{SECRET}@host/d")
    shown = {name: now for name, now, _ in settings_page.rows(settings)}
    assert shown["NOTELEDGER_DATABASE_URL"] == "(set)"
    assert SECRET not in repr(settings)


def test_a_misspelt_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTELEDGER_DATABSE_URL", "x")
    [finding, right] = settings_findings(load_settings())
    assert finding.level is Level.ADVICE
    assert "NOTELEDGER_DATABSE_URL" in finding.sentence
    assert right.level is Level.RIGHT


def test_other_machines_without_https() -> None:
    levels = [found.level for found in settings_findings(load_settings(host=EVERYWHERE, demo=True))]
    assert levels == [Level.ADVICE, Level.ADVICE, Level.RIGHT]
    behind_a_proxy = load_settings(host=EVERYWHERE, public_url="https://notes.example.org")
    assert [found.level for found in settings_findings(behind_a_proxy)] == [Level.RIGHT]


def test_the_key_file_is_in_the_state_directory_unless_said() -> None:
    assert load_settings(state=Path("s")).key_path == Path("s/keys.json")
    assert load_settings(key_file=Path("k")).key_path == Path("k")
