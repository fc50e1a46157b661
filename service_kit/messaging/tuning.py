"""The parameters of messaging. Some are settings; tests shorten the waits."""

from dataclasses import dataclass
from datetime import timedelta

from service_kit.queue import Backoff


@dataclass(frozen=True)
class Tuning:
    group_size: int = 2000  # rows that the relay publishes and marks together; two such groups may be in flight
    group_bytes: int = 16 * 1024 * 1024
    batch_size: int = 500  # records that a consumer handles together
    backoff: Backoff = Backoff(timedelta(seconds=1), timedelta(minutes=5), attempts=5)  # of events that failed
    lease_seconds: float = 5.0  # after which another relay replaces a killed one
    poll_seconds: float = 1.0  # fallback for a notification that was lost
    send_timeout: float = 20.0
    stalled_seconds: float = 20.0  # after so long with lag and without progress, the client is rebuilt
    unhealthy_seconds: float = 30.0  # after so long with lag or a backlog and without progress: unhealthy
    watch_seconds: float = 5.0  # between two checks of the watchdog
    metadata_seconds: float = 10.0  # after which a consumer finds partitions that were added
    stop_seconds: float = 12.0
