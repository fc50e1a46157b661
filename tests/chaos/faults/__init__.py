"""All faults that chaos runs inject, by name."""

from tests.chaos.faults import broker, crashes, database, freezes, kills, network, restarts
from tests.chaos.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for family in (kills, crashes, broker, database, network, freezes, restarts)
    for fault in family.FAULTS
}
