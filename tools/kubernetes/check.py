"""`make check` of the manifests, without kustomize or a cluster: they are up to date, and break no rule."""

import sys

from tools.kubernetes import generated, rendering
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.names import OVERLAYS
from tools.kubernetes.rules import faults


def manifests_are_sound() -> bool:
    found = [*generated.outdated(), *rendering.outdated()]
    # The rules read the rendered files, which are of no use while they are out of date.
    found = found or [fault for overlay in OVERLAYS for fault in faults(Cluster.of(overlay))]
    for fault in found:
        print(fault, file=sys.stderr)
    return not found
