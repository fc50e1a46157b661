"""Which of some addresses accept a TCP connection. Sent to a pod as text: it imports nothing of ours."""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

SECONDS = 3.0


def connects(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=SECONDS).close()
    except OSError:
        return False
    return True


def main(targets: dict[str, tuple[str, int]]) -> list[str]:
    """The names of the targets that accept a connection."""
    with ThreadPoolExecutor(len(targets)) as threads:
        accepted = threads.map(connects, ((host, port) for host, port in targets.values()))
    return [name for name, accepts in zip(targets, accepted, strict=True) if accepts]


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
