"""The campaign against the background work with small numbers; apart, since it takes longest."""

from tests.campaigns.small_runs import RUN_SECONDS_MAX, nothing_left, running


def test_each_job_is_done_once_whatever_is_killed() -> None:
    with (
        nothing_left() as temporary,
        running(temporary, "kill_jobs", "--kills=1", "--job=write-soap-note") as campaign,
    ):
        printed, _ = campaign.communicate(timeout=RUN_SECONDS_MAX)
    assert campaign.returncode == 0, printed
