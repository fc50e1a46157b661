"""Release N, the upgrade to N+1 and the way back, service by service, while customers buy."""

import copy
import itertools
from collections.abc import Iterator

from tools.kubernetes.cluster import Cluster, Manifest, where
from tools.kubernetes.live import releases
from tools.kubernetes.live.client import Client
from tools.kubernetes.live.install import completed, run
from tools.kubernetes.live.kubectl import Kubectl, StepFailed
from tools.kubernetes.live.progress import note
from tools.kubernetes.live.releases import FORMER, NEXT
from tools.kubernetes.live.settings import Settings
from tools.kubernetes.live.traffic import Traffic, during
from tools.kubernetes.names import DATA_NAMESPACE, NAMESPACE, SERVICE_NAMES

ORDERS = 5_000
SERVING = ("api", "worker")
_IN_EVENTS = 'SELECT count(*) FROM outbox WHERE position(\'"release":"next"\'::bytea IN value) > 0'


def there_and_back(settings: Settings, client: Client) -> str:
    """Raises: StepFailed, ClusterError."""
    kubectl = settings.kubectl
    if settings.build:
        releases.build()
        note("images of both releases built")
    run(*settings.load_image, *releases.IMAGES)
    note("images of both releases loaded")
    for service in SERVICE_NAMES:
        _images(kubectl, service, FORMER)
    _rolled_out(kubectl, *SERVICE_NAMES)
    note("release N serves")
    upgrades: list[str] = []

    def upgrade(traffic: Traffic) -> None:
        for service in services(traffic):
            _migrate(kubectl, service)
            _images(kubectl, service, NEXT)
            _rolled_out(kubectl, service)
            _images(kubectl, service, FORMER)
            _rolled_out(kubectl, service)
            upgrades.append(service)
            note(f"{service}: migrated, upgraded and back")

    traffic = during(client, upgrade, file=settings.file, invoices=None)
    written = ", ".join(_written(kubectl))
    return f"{len(upgrades)} upgrades and ways back; {traffic.verdict()}; by release N+1: {written}"


def services(traffic: Traffic) -> Iterator[str]:
    """Each service once, and then in the same order again until there are enough orders."""
    for number, service in enumerate(itertools.cycle(SERVICE_NAMES)):
        if not traffic.replaying or (number >= len(SERVICE_NAMES) and traffic.orders >= ORDERS):
            return
        yield service


def _migrate(kubectl: Kubectl, service: str) -> None:
    job = next(each for each in Cluster.of("local").kind("Job") if where(each)[1].startswith(f"{service}-migrate"))
    kubectl.apply([_of_next(job, f"{service}-migrate-{NEXT}", releases.image(service, NEXT))])
    completed(kubectl, NAMESPACE, f"{service}-migrate-{NEXT}")


def _of_next(job: Manifest, name: str, image: str) -> Manifest:
    made = copy.deepcopy(job)
    made["metadata"]["name"] = name
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return made


def _images(kubectl: Kubectl, service: str, tag: str) -> None:
    """Replaces the images, and sets the new setting, which stays on the way back: then only images are replaced."""
    container: Manifest = {"name": "service", "image": releases.image(service, tag)}
    if tag == NEXT:
        container["env"] = [{"name": "RELEASE", "value": NEXT}]
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    for component in SERVING:
        kubectl.patch("deployment", NAMESPACE, f"{service}-{component}", change, kind_of_patch="strategic")


def _rolled_out(kubectl: Kubectl, *services: str) -> None:
    for service in services:
        for component in SERVING:
            kubectl.rolled_out(NAMESPACE, f"deployment/{service}-{component}")


def _written(kubectl: Kubectl) -> Iterator[str]:
    """What shows that release N+1 has served. Raises: StepFailed, if it has not."""
    for service, table in releases.TABLES.items():
        rows = _count(kubectl, service, f"SELECT count(*) FROM {table} WHERE release = '{NEXT}'")
        events = _count(kubectl, service, _IN_EVENTS)
        yield f"{rows:,} {table}" + (f" and {events:,} events" if events else "")
        if not rows and service in ("order", "inventory", "notification"):
            raise StepFailed(f"Release N+1 of {service} has written nothing")


def _count(kubectl: Kubectl, service: str, query: str) -> int:
    psql = ("psql", "--username=postgres", f"--dbname={service}_service", "--tuples-only", "--command", query)
    return int(kubectl.exec(DATA_NAMESPACE, "postgres-0", *psql))
