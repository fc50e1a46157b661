"""Objects for operators, from the contracts: topics and users (Strimzi), databases (CloudNativePG), autoscalers."""

from typing import Any

from contracts.access import grants
from contracts.topics import TOPICS, Topic, all_topics
from local_stack.addresses import serving_role
from local_stack.parts import SERVICES, Part
from tools.kubernetes.names import (
    DATA_NAMESPACE,
    KAFKA_CLUSTER,
    NAMESPACE,
    database_cluster,
    database_label,
    kafka_user,
)

Manifest = dict[str, Any]

_BACKUP_PLUGIN = "barman-cloud.cloudnative-pg.io"
BROKERS = f"{KAFKA_CLUSTER}-kafka-bootstrap.{DATA_NAMESPACE}.svc:9093"


def topics() -> list[Manifest]:
    return [_topic(topic) for topic in all_topics()]


def _topic(topic: Topic) -> Manifest:
    config = {name: int(value) if value.isdigit() else value for name, value in topic.config().items()}
    spec = {"topicName": topic.name, "partitions": topic.partitions, "config": config}
    return _strimzi("KafkaTopic", topic.name.replace("_", "-"), spec)


def users() -> list[Manifest]:
    """A user for each service, which may do what `contracts/access.py` grants it."""
    return [_user(service.name) for service in SERVICES]


def _user(service: str) -> Manifest:
    name = kafka_user(service)
    password = {"secretKeyRef": {"name": f"{name}-password", "key": "password"}}
    acls = [
        {
            "resource": {"type": grant.resource, "name": grant.name, "patternType": "literal"},
            "operations": [grant.operation.capitalize(), "Describe"],
            "host": "*",
        }
        for grant in grants()
        if grant.service == service
    ]
    spec = {
        "authentication": {"type": "scram-sha-512", "password": {"valueFrom": password}},
        "authorization": {"type": "simple", "acls": acls},
    }
    return _strimzi("KafkaUser", name, spec)


def _strimzi(kind: str, name: str, spec: Manifest) -> Manifest:
    labels = {"strimzi.io/cluster": KAFKA_CLUSTER}
    metadata = {"name": name, "namespace": DATA_NAMESPACE, "labels": labels}
    return {"apiVersion": "kafka.strimzi.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def databases() -> list[Manifest]:
    return [made for service in SERVICES for made in (_cluster(service), _serving_role(service), _backup(service))]


def _cluster(service: Part) -> Manifest:
    spec = {
        "instances": 3,
        "imageName": "ghcr.io/cloudnative-pg/postgresql:18",
        "inheritedMetadata": {"labels": {database_label(service.name): "true"}},
        "bootstrap": {
            "initdb": {
                "database": service.package,
                "owner": service.package,
                "secret": {"name": f"{database_cluster(service.name)}-owner"},
                "encoding": "UTF8",
                "localeProvider": "builtin",
                "builtinLocale": "C.UTF-8",
                "dataChecksums": True,
            }
        },
        "postgresql": {
            "parameters": {"max_connections": "400"},
            # A commit waits for one of the two others, so that the loss of one instance loses nothing.
            "synchronous": {"method": "any", "number": 1, "dataDurability": "required"},
        },
        "storage": {"size": "20Gi"},
        "walStorage": {"size": "10Gi"},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "affinity": {"podAntiAffinityType": "preferred", "topologyKey": "topology.kubernetes.io/zone"},
        "plugins": [
            {"name": _BACKUP_PLUGIN, "isWALArchiver": True, "parameters": {"barmanObjectName": "backups"}},
        ],
    }
    return _cnpg("Cluster", database_cluster(service.name), spec)


def _serving_role(service: Part) -> Manifest:
    name = f"{database_cluster(service.name)}-serving"
    spec = {
        "cluster": {"name": database_cluster(service.name)},
        "name": serving_role(service.package),
        "login": True,
        "passwordSecret": {"name": name},
        "databaseRoleReclaimPolicy": "retain",
    }
    return _cnpg("DatabaseRole", name, spec)


def _backup(service: Part) -> Manifest:
    spec = {
        "schedule": "0 0 2 * * *",
        "backupOwnerReference": "self",
        "cluster": {"name": database_cluster(service.name)},
        "method": "plugin",
        "pluginConfiguration": {"name": _BACKUP_PLUGIN},
    }
    return _cnpg("ScheduledBackup", database_cluster(service.name), spec)


def _cnpg(kind: str, name: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": DATA_NAMESPACE}
    return {"apiVersion": "postgresql.cnpg.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def api_autoscalers() -> list[Manifest]:
    return [_autoscaler(service.name) for service in SERVICES]


def _autoscaler(service: str) -> Manifest:
    name = f"{service}-api"
    # One process is one thread, so it uses one core at most.
    usage = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "500m"}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": usage}],
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def worker_autoscalers() -> list[Manifest]:
    """For each service that reads topics: the lag of its whole group, and what KEDA needs to ask the broker for it."""
    reading = [service.name for service in SERVICES if any(service.name in topic.readers for topic in TOPICS)]
    return [made for service in reading for made in (_authentication(service), _scaled_object(service))]


def _authentication(service: str) -> Manifest:
    keys = {"username": "kafka_sasl_username", "password": "kafka_sasl_password", "ca": "kafka_ca"}
    references = [{"parameter": name, "name": f"{service}-secrets", "key": key} for name, key in keys.items()]
    return _keda("TriggerAuthentication", service, {"secretTargetRef": references})


def _scaled_object(service: str) -> Manifest:
    """More workers than partitions would be idle; never fewer than two, for relay and jobs run there too."""
    trigger = {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": BROKERS,
            "consumerGroup": f"{service}_service",
            "lagThreshold": "500",
            "offsetResetPolicy": "earliest",
            "sasl": "scram_sha512",
            "tls": "enable",
        },
        "authenticationRef": {"name": f"{service}-worker"},
    }
    spec = {
        "scaleTargetRef": {"name": f"{service}-worker"},
        "minReplicaCount": 2,
        "maxReplicaCount": max(topic.partitions for topic in TOPICS if service in topic.readers),
        "triggers": [trigger],
    }
    return _keda("ScaledObject", service, spec)


def _keda(kind: str, service: str, spec: Manifest) -> Manifest:
    metadata = {"name": f"{service}-worker", "namespace": NAMESPACE}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
