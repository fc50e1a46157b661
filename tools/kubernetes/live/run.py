"""The steps of the check, one after the other; a failed one does not keep the others from running."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local_stack.errors import StackError
from tools.kubernetes.live.autoscaling import grow_and_shrink
from tools.kubernetes.live.client import Client
from tools.kubernetes.live.connections import try_all
from tools.kubernetes.live.install import install
from tools.kubernetes.live.operators import dry_run
from tools.kubernetes.live.progress import note, seconds
from tools.kubernetes.live.rollouts import restart_under_load
from tools.kubernetes.live.settings import Settings
from tools.kubernetes.live.upgrade import there_and_back

INVOICES = 500
"""Of the shipped file; a file of one's own is replayed whole."""
Step = Callable[[Settings, Client], str]


@dataclass(frozen=True)
class Outcome:
    step: str
    passed: bool
    seconds: float
    words: str

    @property
    def line(self) -> str:
        return f"{self.step:<12} {'passed' if self.passed else 'FAILED'} {self.seconds:6.1f} s  {self.words}"


def _replay(settings: Settings, client: Client) -> str:
    figures = client.replay(settings.file, invoices=_invoices(settings))
    return (
        f"{figures['orders']} orders of {figures['revenue_minor'] / 100:,.2f} GBP through the cluster, "
        f"{figures['orders_per_second']} per second; {figures['mismatches']} mismatches in the books"
    )


def _invoices(settings: Settings) -> int | None:
    return None if settings.file else INVOICES


STEPS: Mapping[str, Step] = {
    "install": lambda settings, _: install(settings),
    "replay": _replay,
    "connections": lambda settings, _: try_all(settings.kubectl),
    "autoscaling": lambda settings, client: grow_and_shrink(settings.kubectl, client),
    "rollouts": lambda settings, client: restart_under_load(
        settings.kubectl, client, settings.file, _invoices(settings)
    ),
    "upgrade": there_and_back,
    "operators": lambda settings, _: dry_run(settings.kubectl, settings.crds),
}


def check(settings: Settings, steps: tuple[str, ...]) -> list[Outcome]:
    """Raises: ClusterError, if the cluster lacks what these steps need."""
    settings.check(steps)
    client, outcomes = Client(settings.kubectl), list[Outcome]()
    for name in steps:
        note(f"{name} ...")
        began = seconds()
        try:
            if name not in ("install", "operators"):
                client.start()
            passed, words = True, STEPS[name](settings, client)
        except StackError as error:
            passed, words = False, str(error)
        outcomes.append(Outcome(name, passed, seconds() - began, words))
        note(outcomes[-1].line)
        if name == "install" and not passed:
            break
    return outcomes
