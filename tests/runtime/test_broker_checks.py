"""What `noteledger check` finds about a broker."""

from pathlib import Path

from runtime.broker_checks import broker_findings
from runtime.checks import Level
from runtime.valkey_server import answers
from tests.brokers import operators_broker
from tests.handlers.worker_program import within


def test_the_embedded_one_is_as_it_should_be(broker_url: str) -> None:
    [found] = broker_findings(broker_url)
    assert found.level is Level.RIGHT
    assert found.sentence.startswith("Valkey ")


def test_an_operators_one_that_forgets() -> None:
    with operators_broker("--maxmemory-policy", "allkeys-lru", "--save", "") as url:
        assert within(60, lambda: answers(url))
        right, memory, disk = broker_findings(url)
    assert right.level is Level.RIGHT
    assert (memory.level, disk.level) == (Level.ADVICE, Level.ADVICE)
    assert "noeviction" in memory.fix
    assert "appendonly" in disk.fix


def test_one_that_tells_nothing() -> None:
    options = ("--user", "default", "on", "nopass", "~*", "+@all", "-info")
    with operators_broker(*options) as url:
        assert within(60, lambda: answers(url))
        [found] = broker_findings(url)
    assert found.level is Level.ADVICE
    assert "INFO" in found.fix


def test_one_that_is_away_or_does_not_let_us_in(broker_url: str, tmp_path: Path) -> None:
    for url in (f"unix://{tmp_path}/none?password=s3cret", f"{broker_url}s3cret"):
        [found] = broker_findings(url)
        assert found.level is Level.WRONG
        assert "NOTELEDGER_BROKER_URL" in found.fix
        assert "s3cret" not in found.sentence + found.fix
