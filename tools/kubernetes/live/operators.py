"""The overlay `production` against the API server: every object whose kind the cluster knows passes a dry run."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tools.kubernetes.cluster import Cluster, Manifest, title
from tools.kubernetes.live.kubectl import Kubectl, StepFailed

NAMESPACE = "online-mart-dry-run"
"""Of its own: a Job that exists already can't be changed to another release's, not even in a dry run."""
PASSED = "(server dry run)"


def dry_run(kubectl: Kubectl, crds: Iterable[Path]) -> str:
    """Raises: StepFailed, ClusterError."""
    for path in crds:
        kubectl.run("apply", "--server-side", "--force-conflicts", "--recursive", f"--filename={path}")
    kubectl.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    kubectl.apply([namespace])
    try:
        known, unknown = _by_kind(kubectl, Cluster.of("production").objects)
        moved = [_moved(each) for each in known]
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": moved})
        done = kubectl.attempt("apply", "--server-side", "--dry-run=server", "--filename=-", stdin=body)
        passed = done.stdout.count(PASSED)
        if done.returncode or passed != len(known):
            raise StepFailed(f"{passed} of {len(known)} objects pass: {done.stderr.strip()}")
    finally:
        kubectl.run("delete", "namespace", NAMESPACE, "--wait=false")
    left_out = Counter(each["kind"] for each in unknown)
    names = ", ".join(f"{kind} ({count})" for kind, count in sorted(left_out.items())) or "none"
    kinds = len({each["kind"] for each in known})
    return f"{passed} objects of {kinds} kinds pass; not checked, without their CRDs: {names}"


def _by_kind(kubectl: Kubectl, objects: Iterable[Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    """The objects whose kind and version the cluster knows, and the others."""
    known, unknown = list[Manifest](), list[Manifest]()
    served: dict[str, set[str]] = {}
    for each in sorted(objects, key=title):
        version = each["apiVersion"]
        if version not in served:
            served[version] = _kinds(kubectl, version)
        (known if each["kind"] in served[version] else unknown).append(each)
    return known, unknown


def _kinds(kubectl: Kubectl, version: str) -> set[str]:
    found = kubectl.attempt("get", "--raw", f"/apis/{version}" if "/" in version else f"/api/{version}")
    return set() if found.returncode else {each["kind"] for each in json.loads(found.stdout)["resources"]}


def _moved(manifest: Manifest) -> Manifest:
    if "namespace" not in manifest["metadata"]:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}}
