"""Rules for rendered manifests. Each takes a `Cluster` and yields a sentence for each fault that it finds."""

from collections.abc import Callable, Iterator, Mapping

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.rules import network, pods, references, rollouts, schemas, secrets

Rule = Callable[[Cluster], Iterator[str]]

RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        schemas.objects_fit_their_schema,
        pods.every_workload_is_there,
        pods.service_links_are_off,
        pods.users_are_numeric_and_not_root,
        pods.root_file_systems_are_read_only,
        pods.capabilities_are_dropped,
        pods.seccomp_is_the_runtimes,
        pods.no_token_is_mounted,
        pods.memory_is_limited_and_cpu_is_not,
        pods.namespaces_are_restricted,
        pods.images_are_pinned,
        rollouts.probes_go_over_http,
        rollouts.rollouts_keep_all_replicas,
        rollouts.pods_have_time_to_stop,
        rollouts.pods_are_spread,
        rollouts.disruptions_have_a_budget,
        rollouts.workers_are_never_scaled_to_zero,
        secrets.no_secret_is_in_the_environment,
        secrets.only_own_secrets_are_mounted,
        references.references_lead_somewhere,
        references.services_select_pods,
        network.everything_is_denied_by_default,
        network.policies_are_those_of_the_table,
        network.needed_connections_are_allowed,
    )
}


def faults(cluster: Cluster) -> Iterator[str]:
    """Every fault of an overlay, with the rule that found it."""
    for name, rule in RULES.items():
        yield from (f"{cluster.overlay}: {fault} ({name})" for fault in rule(cluster))
