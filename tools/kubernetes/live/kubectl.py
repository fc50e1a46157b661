"""The cluster, by way of `kubectl`."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local_stack.errors import StackError
from tools.kubernetes.cluster import Manifest

TIMEOUT_SECONDS = 600


class ClusterError(StackError):
    """The cluster lacks something, or refused a command; the message says which."""


class StepFailed(StackError):
    """A step of the check has found something else than it must."""


@dataclass(frozen=True)
class Kubectl:
    """`command`: the program with its options, such as `kubectl --context kind`."""

    command: tuple[str, ...]

    def run(self, *arguments: str, stdin: str | bytes = b"", timeout: float = TIMEOUT_SECONDS) -> str:
        """Raises: ClusterError."""
        done = self.attempt(*arguments, stdin=stdin, timeout=timeout)
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments[:8])}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def attempt(
        self, *arguments: str, stdin: str | bytes = b"", timeout: float = TIMEOUT_SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        """Raises: ClusterError, if there is no such program, or it takes too long."""
        text = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            done = subprocess.run(
                [*self.command, *arguments], input=text, capture_output=True, timeout=timeout, check=False
            )
        except FileNotFoundError as error:
            raise ClusterError(f"{self.command[0]} was not found: name kubectl by KUBECTL=...") from error
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"kubectl {' '.join(arguments[:8])} took more than {timeout:.0f} s") from error
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def get(self, *arguments: str) -> Any:
        return json.loads(self.run("get", *arguments, "--output=json"))

    def apply(self, manifests: Iterable[Manifest]) -> None:
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self.run("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=body)

    def patch(self, kind: str, namespace: str, name: str, change: Manifest, kind_of_patch: str = "merge") -> None:
        """`strategic` merges lists, such as that of the containers, by name."""
        change_as_json = f"--patch={json.dumps(change)}"
        self.run("--namespace", namespace, "patch", kind, name, f"--type={kind_of_patch}", change_as_json)

    def exec(
        self, namespace: str, pod: str, *command: str, stdin: bytes = b"", timeout: float = TIMEOUT_SECONDS
    ) -> str:
        return self.run(*exec_arguments(namespace, pod, *command), stdin=stdin, timeout=timeout)

    def rolled_out(self, namespace: str, workload: str) -> None:
        """Waits until every pod of the workload's present revision is available. Raises: ClusterError."""
        self.run("--namespace", namespace, "rollout", "status", workload, f"--timeout={TIMEOUT_SECONDS}s")


def exec_arguments(namespace: str, pod: str, *command: str) -> tuple[str, ...]:
    return ("--namespace", namespace, "exec", "--stdin", pod, "--", *command)
