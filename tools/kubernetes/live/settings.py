"""What `make check-kubernetes` needs to know, and whether the cluster has what it needs."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.kubernetes.live.kubectl import ClusterError, Kubectl
from tools.kubernetes.names import DATA_NAMESPACE, NAMESPACE, SANDBOX_NAMESPACE

NAMESPACES = (NAMESPACE, DATA_NAMESPACE, SANDBOX_NAMESPACE)
METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"


@dataclass(frozen=True)
class Settings:
    """`load_image`: the command that brings images of the local engine into the cluster. `crds`: folders and files with
    operators' definitions. `dns_address`: of a name server that is no pod with the label
    `k8s-app=kube-dns`. `file`: the sales to replay."""

    kubectl: Kubectl
    load_image: tuple[str, ...] = ()
    crds: tuple[Path, ...] = ()
    dns_address: str = ""
    file: Path | None = None
    build: bool = True

    def check(self, steps: tuple[str, ...]) -> None:
        """Raises: ClusterError, with what is missing and how to get it."""
        if not self.kubectl.attempt("version").returncode == 0:
            raise ClusterError(
                f"No cluster answers `{' '.join(self.kubectl.command)} version`: "
                'name the cluster by KUBECTL="kubectl --context NAME".'
            )
        self._check_shop(steps)
        if {"install", "upgrade"} & set(steps):
            self._check_tools()
        if "autoscaling" in steps and self.kubectl.attempt("get", "--raw", METRICS).returncode:
            raise ClusterError("The cluster has no metrics-server, which autoscaling needs: install it first.")
        if "operators" in steps:
            self._check_crds()

    def _check_shop(self, steps: tuple[str, ...]) -> None:
        existing = self.kubectl.run("get", "namespaces", *NAMESPACES, "--ignore-not-found", "--output=name").split()
        if existing and "install" in steps:
            raise ClusterError(
                "The check installs a shop of its own, but the cluster has one already. If it may be deleted: "
                f"{' '.join(self.kubectl.command)} delete {' '.join(existing)}"
            )
        if not existing and {"install", "operators"}.isdisjoint(steps):
            raise ClusterError('The cluster has no shop to check: install one first, by STEPS="install ...".')

    def _check_tools(self) -> None:
        if not self.load_image or shutil.which(self.load_image[0]) is None:
            raise ClusterError(
                "LOAD_IMAGE is missing: name the command that brings images of the local engine into the cluster, "
                'such as LOAD_IMAGE="kind load docker-image" or LOAD_IMAGE="minikube image load".'
            )
        if self.build and shutil.which("docker") is None:
            raise ClusterError("docker was not found: the images are built with it. BUILD=no takes existing images.")

    def _check_crds(self) -> None:
        missing = [str(path) for path in self.crds if not path.exists()]
        if missing or not self.crds:
            raise ClusterError(
                f"CRDS: {', '.join(missing) or 'nothing is named'}: name the folders that define the Gateway "
                "API, KEDA and the Prometheus operator (in their releases), separated by spaces."
            )
