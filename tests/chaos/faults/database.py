"""PostgreSQL dies under load, with all its backends, and recovers from its log."""

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import kill

FAULTS = (Fault("kill-postgres", ("postgres",), kill),)
