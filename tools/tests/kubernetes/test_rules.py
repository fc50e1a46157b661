"""Each rule finds what it is for, in the rendered overlays themselves with one thing broken, and nothing else."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.names import OVERLAYS
from tools.kubernetes.rules import RULES, faults

Manifest = dict[str, Any]
Break = Callable[[Cluster], None]


@cache
def _read(overlay: str) -> Cluster:
    return Cluster.of(overlay)


def broken(change: Break, overlay: str = "production") -> Cluster:
    cluster = Cluster(overlay, copy.deepcopy(_read(overlay).objects))
    change(cluster)
    return cluster


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_overlays_break_no_rule(overlay: str) -> None:
    assert list(faults(_read(overlay))) == []


def get(cluster: Cluster, kind: str, name: str) -> Manifest:
    [found] = [each for each in cluster.kind(kind) if each["metadata"]["name"] == name]
    return found


def api(cluster: Cluster) -> Manifest:
    return get(cluster, "Deployment", "order-api")


def pod(cluster: Cluster) -> Manifest:
    found: Manifest = api(cluster)["spec"]["template"]["spec"]
    return found


def container(cluster: Cluster) -> Manifest:
    found: Manifest = pod(cluster)["containers"][0]
    return found


def env(name: str, **given: Any) -> Break:
    return lambda cluster: container(cluster)["env"].append({"name": name, **given})


def remove(kind: str, name: str) -> Break:
    return lambda cluster: cluster.objects.remove(get(cluster, kind, name))


def settings(cluster: Cluster) -> Manifest:
    [found] = (each for each in cluster.kind("ConfigMap") if each["metadata"]["name"].startswith("settings"))
    values: Manifest = found["data"]
    return values


def without_rule(policy: str, direction: str, port: int) -> Break:
    """Takes the connections to this port out of a policy."""

    def change(cluster: Cluster) -> None:
        spec = get(cluster, "NetworkPolicy", policy)["spec"]
        kept = [rule for rule in spec[direction] if port not in {each["port"] for each in rule["ports"]}]
        assert len(kept) < len(spec[direction])
        spec[direction] = kept

    return change


def _second_budget(cluster: Cluster) -> None:
    second = copy.deepcopy(get(cluster, "PodDisruptionBudget", "order-api"))
    second["metadata"]["name"] = "another"
    cluster.objects.append(second)


def _open_policy(cluster: Cluster) -> None:
    metadata = {"name": "open", "namespace": "online-mart"}
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    cluster.objects.append(policy)


def _projected_secret(cluster: Cluster) -> None:
    sources = [{"secret": {"name": "user-secrets"}}]
    pod(cluster)["volumes"].append({"name": "more", "projected": {"sources": sources}})


NO_DNS = without_rule("every-service", "egress", 53)

BROKEN: list[tuple[str, str, Break]] = [
    ("objects_fit_their_schema", "replicaz", lambda c: api(c)["spec"].update(replicaz=2)),
    ("objects_fit_their_schema", "minReadySeconds", lambda c: api(c)["spec"].update(minReadySeconds="2")),
    ("objects_fit_their_schema", "has no Deployment in apps/v9", lambda c: api(c).update(apiVersion="apps/v9")),
    ("every_workload_is_there", "order-worker is missing", remove("Deployment", "order-worker")),
    ("service_links_are_off", "order-api", lambda c: pod(c).pop("enableServiceLinks")),
    ("users_are_numeric_and_not_root", "order-api", lambda c: pod(c)["securityContext"].update(runAsUser=0)),
    ("users_are_numeric_and_not_root", "order-api", lambda c: pod(c)["securityContext"].pop("runAsNonRoot")),
    ("users_are_numeric_and_not_root", "overrides", lambda c: container(c)["securityContext"].update(runAsUser=0)),
    (
        "root_file_systems_are_read_only",
        "container service",
        lambda c: container(c)["securityContext"].update(readOnlyRootFilesystem=False),
    ),
    (
        "capabilities_are_dropped",
        "does not drop all",
        lambda c: container(c)["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}),
    ),
    (
        "capabilities_are_dropped",
        "may gain privileges",
        lambda c: container(c)["securityContext"].pop("allowPrivilegeEscalation"),
    ),
    ("seccomp_is_the_runtimes", "order-api", lambda c: pod(c)["securityContext"].pop("seccompProfile")),
    ("no_token_is_mounted", "order-api", lambda c: pod(c).pop("automountServiceAccountToken")),
    ("memory_is_limited_and_cpu_is_not", "no memory limit", lambda c: container(c)["resources"].pop("limits")),
    ("memory_is_limited_and_cpu_is_not", "CPU limit", lambda c: container(c)["resources"]["limits"].update(cpu="1")),
    ("memory_is_limited_and_cpu_is_not", "no cpu", lambda c: container(c)["resources"]["requests"].pop("cpu")),
    (
        "namespaces_are_restricted",
        "does not enforce",
        lambda c: get(c, "Namespace", "online-mart")["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
    ),
    ("namespaces_are_restricted", "is not among", remove("Namespace", "online-mart")),
    ("images_are_pinned", "latest, not", lambda c: container(c).update(image="registry.example.com/a/order:latest")),
    ("images_are_pinned", "neither tag nor digest", lambda c: container(c).update(image="localhost:5000/order")),
    (
        "probes_go_over_http",
        "livenessProbe",
        lambda c: container(c).update(livenessProbe={"exec": {"command": ["true"]}}),
    ),
    ("probes_go_over_http", "startupProbe", lambda c: container(c).pop("startupProbe")),
    (
        "probes_go_over_http",
        "readinessProbe",
        lambda c: container(c)["readinessProbe"]["httpGet"].update(path="/health/live"),
    ),
    (
        "rollouts_keep_all_replicas",
        "maxUnavailable",
        lambda c: api(c)["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
    ),
    ("rollouts_keep_all_replicas", "minReadySeconds", lambda c: api(c)["spec"].pop("minReadySeconds")),
    ("pods_have_time_to_stop", "order-api", lambda c: pod(c).update(terminationGracePeriodSeconds=20)),
    ("pods_are_spread", "topology.kubernetes.io/zone", lambda c: pod(c)["topologySpreadConstraints"].pop(0)),
    ("pods_are_spread", "hostname", lambda c: pod(c)["topologySpreadConstraints"][1].pop("matchLabelKeys")),
    ("disruptions_have_a_budget", "0 budgets", remove("PodDisruptionBudget", "order-api")),
    ("disruptions_have_a_budget", "2 budgets", _second_budget),
    (
        "disruptions_have_a_budget",
        "AlwaysAllow",
        lambda c: get(c, "PodDisruptionBudget", "order-api")["spec"].pop("unhealthyPodEvictionPolicy"),
    ),
    (
        "workers_are_never_scaled_to_zero",
        "may have no pod",
        lambda c: get(c, "ScaledObject", "order-worker")["spec"].pop("minReplicaCount"),
    ),
    (
        "workers_are_never_scaled_to_zero",
        "may have no pod",
        lambda c: get(c, "Deployment", "user-worker")["spec"].update(replicas=0),
    ),
    ("workers_are_never_scaled_to_zero", "neither", remove("ScaledObject", "order-worker")),
    ("workers_are_never_scaled_to_zero", "undo", lambda c: api(c)["spec"].update(replicas=2)),
    ("no_secret_is_in_the_environment", "GATEWAY_API_KEY", env("GATEWAY_API_KEY", value="k")),
    ("no_secret_is_in_the_environment", "ORDER_DATABASE_URL", env("ORDER_DATABASE_URL", value="postgresql://db/o")),
    ("no_secret_is_in_the_environment", "PROXY", env("PROXY", value="https://user:word@proxy")),
    ("no_secret_is_in_the_environment", "SMTP_PASSWORD", lambda c: settings(c).update(SMTP_PASSWORD="word")),
    (
        "no_secret_is_in_the_environment",
        "mount it instead",
        env("ANY", valueFrom={"secretKeyRef": {"name": "order-secrets", "key": "database_url"}}),
    ),
    (
        "no_secret_is_in_the_environment",
        "mount it instead",
        lambda c: container(c)["envFrom"].append({"secretRef": {"name": "order-secrets"}}),
    ),
    (
        "only_own_secrets_are_mounted",
        "mounts order-migration-secrets",
        lambda c: pod(c)["volumes"][0]["secret"].update(secretName="order-migration-secrets"),
    ),
    ("only_own_secrets_are_mounted", "mounts user-secrets", _projected_secret),
    ("only_own_secrets_are_mounted", "does not mount", lambda c: pod(c)["volumes"].pop(0)),
    (
        "only_own_secrets_are_mounted",
        "names database_owner_url",
        env("DATABASE_OWNER_URL_FILE", value="/secrets/database_owner_url"),
    ),
    (
        "references_lead_somewhere",
        "no ConfigMap other",
        lambda c: container(c)["envFrom"][0]["configMapRef"].update(name="other"),
    ),
    ("references_lead_somewhere", "no ServiceAccount", remove("ServiceAccount", "order-service")),
    (
        "references_lead_somewhere",
        "no Deployment other",
        lambda c: get(c, "HorizontalPodAutoscaler", "order-api")["spec"]["scaleTargetRef"].update(name="other"),
    ),
    (
        "references_lead_somewhere",
        "with the port 8000",
        lambda c: get(c, "HTTPRoute", "order")["spec"]["rules"][0]["backendRefs"][0].update(port=8000),
    ),
    (
        "services_select_pods",
        "selects the pods of 0",
        lambda c: get(c, "Service", "order-api")["spec"]["selector"].update({"app.kubernetes.io/name": "orders"}),
    ),
    (
        "services_select_pods",
        "has no port https",
        lambda c: get(c, "Service", "order-api")["spec"]["ports"][0].update(targetPort="https"),
    ),
    ("everything_is_denied_by_default", "online-mart", remove("NetworkPolicy", "default-deny")),
    (
        "everything_is_denied_by_default",
        "online-mart",
        lambda c: get(c, "NetworkPolicy", "default-deny")["spec"].update(policyTypes=["Ingress"]),
    ),
    ("policies_are_those_of_the_table", "NetworkPolicy online-mart/open", _open_policy),
    (
        "policies_are_those_of_the_table",
        "NetworkPolicy online-mart/order-api",
        without_rule("order-api", "egress", 5432),
    ),
    ("policies_are_those_of_the_table", "is missing", remove("NetworkPolicy", "order-migrate")),
    ("needed_connections_are_allowed", "53/UDP (names)", NO_DNS),
    ("needed_connections_are_allowed", "(keys)", without_rule("order-worker", "egress", 8000)),
    ("needed_connections_are_allowed", "(keys)", without_rule("user-api", "ingress", 8000)),
    ("needed_connections_are_allowed", "(the payment gateway)", without_rule("order-api-production", "egress", 443)),
    ("needed_connections_are_allowed", "(the mail server)", without_rule("user-worker-production", "egress", 587)),
    ("needed_connections_are_allowed", "(its database)", without_rule("order-migrate", "egress", 5432)),
    ("needed_connections_are_allowed", "(its database)", without_rule("order-database", "ingress", 5432)),
    ("needed_connections_are_allowed", "(events)", without_rule("order-worker-kafka-strimzi", "egress", 9093)),
    ("needed_connections_are_allowed", "(metrics)", without_rule("order-worker", "ingress", 9000)),
    ("needed_connections_are_allowed", "(requests)", without_rule("order-api", "ingress", 8000)),
    ("needed_connections_are_allowed", "(only gateways and services may)", _open_policy),
]


@pytest.mark.parametrize(("rule", "words", "change"), BROKEN, ids=[f"{rule}-{words}" for rule, words, _ in BROKEN])
def test_a_rule_finds_what_it_is_for(rule: str, words: str, change: Break) -> None:
    found = list(RULES[rule](broken(change)))
    assert any(words in fault for fault in found)


def test_each_rule_is_tried() -> None:
    assert {rule for rule, _, _ in BROKEN} == RULES.keys()


def test_a_digest_pins_an_image() -> None:
    def change(cluster: Cluster) -> None:
        container(cluster).update(image=f"registry.example.com/online-mart/order@sha256:{'0' * 64}")

    assert list(RULES["images_are_pinned"](broken(change))) == []


def test_only_kafkas_image_may_write_its_root() -> None:
    def change(cluster: Cluster) -> None:
        [server] = get(cluster, "StatefulSet", "postgres")["spec"]["template"]["spec"]["containers"]
        server["securityContext"].pop("readOnlyRootFilesystem")

    [fault] = RULES["root_file_systems_are_read_only"](broken(change, "local"))
    assert "postgres" in fault
