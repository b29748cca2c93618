"""A service on a ledger with a gap: it answers, and says which clinic's background work stands still."""

import json
from pathlib import Path
from typing import Any

from tests.databases import Database, owner_of
from tests.runtime.command_line import in_here, on, serving
from tests.runtime.embedded_states import within


def test_it_is_named_in_readyz_metrics_and_check(database: Database, key_file: Path) -> None:
    env = on(database, key_file)
    token = in_here("token", "create", "prometheus", "--role", "administrator", env=env).out.strip()
    for name in ("one", "two"):
        assert in_here("token", "create", name, "--role", "ml", env=env).code == 0
    with owner_of(database.owner_url) as owner:
        owner.execute("CREATE TABLE public.kept AS SELECT * FROM ledger.entries WHERE position = 2")
        owner.execute("DELETE FROM ledger.entries WHERE position = 2")
        with serving(env=env) as service:

            def stopped() -> list[dict[str, Any]]:
                told = json.loads(service.get("/readyz"))
                assert told["status"] == "ready"
                found: list[dict[str, Any]] = told.get("stopped", [])
                return found

            assert within(30, lambda: bool(stopped()))
            assert [(one["clinic_id"], one["position"]) for one in stopped()] == [(1, 2)]
            labels = 'clinic="1",follower="relay",reason="an entry is missing"'
            told = service.get("/metrics", f"prometheus:{token}")
            assert f"noteledger_follower_stopped_position{{{labels}}} 2.0" in told
            checked = in_here("check", env=env)
            assert checked.code == 1
            assert "relay has stopped at position 2 of clinic 1" in checked.out

            owner.execute("INSERT INTO ledger.entries SELECT * FROM public.kept")
            assert within(30, lambda: not stopped())
