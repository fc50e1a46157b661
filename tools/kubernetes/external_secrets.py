"""ExternalSecrets: what the operator of the same name copies from a store into the Secrets that pods mount.

A database's password stands in the store once. The URLs with it, and what the database itself is told, are made of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local_stack.addresses import serving_role
from local_stack.parts import SERVICES, Part
from tools.kubernetes.names import DATA_NAMESPACE, KAFKA_CLUSTER, NAMESPACE, database_cluster, kafka_user
from tools.kubernetes.secrets import of_servers, serving

Manifest = dict[str, Any]
STORE = {"name": "online-mart", "kind": "ClusterSecretStore"}
CERTIFICATES = {"name": "certificates", "kind": "SecretStore"}


def external_secrets() -> list[Manifest]:
    made: list[Manifest] = []
    for service in SERVICES:
        made += [_serving(service), _migrating(service), *_for_servers(service)]
    keys = {"access_key_id": "backup_access_key_id", "secret_access_key": "backup_secret_access_key"}
    backups = _external_secret("backup-credentials", DATA_NAMESPACE, [_from_store(*each) for each in keys.items()])
    return [*made, backups]


def _serving(service: Part) -> Manifest:
    """What the pods of `order-api` and `order-worker` mount."""
    own = {file: name for file, name in serving(service.name).items() if file != "database_url"}
    own |= {"kafka_sasl_password": f"{service.name}_kafka_password"}
    own |= {name: name for name in of_servers(service.name)}
    data = [_from_store("serving", f"{service.name}_database_serving_password")]
    data += [_from_store(*each) for each in own.items()]
    data += [_database_ca(service), _authority("kafka_ca", f"{KAFKA_CLUSTER}-cluster-ca-cert")]
    files = {file: f"{{{{ .{file} }}}}" for file in (*own, "database_ca", "kafka_ca")}
    files["kafka_sasl_username"] = kafka_user(service.name)
    files["database_url"] = _url(service, serving_role(service.package), "serving")
    return _external_secret(f"{service.name}-secrets", NAMESPACE, data, {"data": files})


def _migrating(service: Part) -> Manifest:
    """What the pod of `order-migrate` mounts."""
    data = [_from_store(role, f"{service.name}_database_{role}_password") for role in ("owner", "serving")]
    files = {
        "database_owner_url": _url(service, service.package, "owner"),
        "database_url": _url(service, serving_role(service.package), "serving"),
        "database_ca": "{{ .database_ca }}",
    }
    data.append(_database_ca(service))
    return _external_secret(f"{service.name}-migration-secrets", NAMESPACE, data, {"data": files})


def _for_servers(service: Part) -> Iterator[Manifest]:
    """The same passwords, for PostgreSQL and Kafka."""
    for role, user in (("owner", service.package), ("serving", serving_role(service.package))):
        template = {
            "type": "kubernetes.io/basic-auth",
            "metadata": {"labels": {"cnpg.io/reload": "true"}},  # a new password is set without a restart
            "data": {"username": user, "password": "{{ .password }}"},
        }
        password = _from_store("password", f"{service.name}_database_{role}_password")
        yield _external_secret(f"{database_cluster(service.name)}-{role}", DATA_NAMESPACE, [password], template)
    password = _from_store("password", f"{service.name}_kafka_password")
    yield _external_secret(f"{kafka_user(service.name)}-password", DATA_NAMESPACE, [password])


def _url(service: Part, role: str, password: str) -> str:
    host = f"{database_cluster(service.name)}-rw.{DATA_NAMESPACE}.svc"
    return f"postgresql://{role}:{{{{ .{password} | urlquery }}}}@{host}:5432/{service.package}"


def _from_store(key: str, name: str) -> Manifest:
    return {"secretKey": key, "remoteRef": {"key": f"online-mart/{name}"}}


def _database_ca(service: Part) -> Manifest:
    return _authority("database_ca", f"{database_cluster(service.name)}-ca")


def _authority(key: str, secret: str) -> Manifest:
    """The certificate that a server's operator signs with, from the Secret that the operator keeps it in."""
    remote = {"key": secret, "property": "ca.crt"}
    return {"secretKey": key, "remoteRef": remote, "sourceRef": {"storeRef": CERTIFICATES}}


def _external_secret(
    name: str, namespace: str, data: list[Manifest], template: Mapping[str, Any] | None = None
) -> Manifest:
    target: Manifest = {"name": name}
    if template:
        target["template"] = {"engineVersion": "v2", **template}
    spec = {"refreshInterval": "5m", "secretStoreRef": STORE, "target": target, "data": data}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata, "spec": spec}
