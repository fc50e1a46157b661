import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local_stack import jars
from local_stack.errors import StackError

PATH = "org/example/thing/1.0/thing-1.0.jar"
CONTENT = b"what the lock says"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A Maven repository that holds one jar."""
    root = tmp_path / "repository"
    (root / PATH).parent.mkdir(parents=True)
    (root / PATH).write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "kafka.lock"
    file.write_text(f"# A comment.\n{hashlib.sha256(CONTENT).hexdigest()}  {PATH}\n")
    return file


def fetch(tmp_path: Path, lock: Path, repository: str) -> list[Path]:
    return jars.fetch(lambda _: None, lock=lock, cache=tmp_path / "cache", repository=repository)


def test_a_jar_is_downloaded_once(tmp_path: Path, lock: Path, repository: str) -> None:
    [jar] = fetch(tmp_path, lock, repository)
    assert jar.read_bytes() == CONTENT
    assert fetch(tmp_path, lock, "http://127.0.0.1:1") == [jar]


def test_a_tampered_jar_of_the_repository_is_rejected_and_not_kept(tmp_path: Path, lock: Path, repository: str) -> None:
    (tmp_path / "repository" / PATH).write_bytes(b"something else")
    with pytest.raises(StackError, match=r"thing-1\.0\.jar is not what kafka\.lock says"):
        fetch(tmp_path, lock, repository)
    assert not list((tmp_path / "cache").iterdir())


def test_a_tampered_jar_of_the_cache_is_replaced(tmp_path: Path, lock: Path, repository: str) -> None:
    [jar] = fetch(tmp_path, lock, repository)
    jar.write_bytes(b"something else")
    assert fetch(tmp_path, lock, repository)[0].read_bytes() == CONTENT


def test_an_unreachable_repository_names_the_setting(tmp_path: Path, lock: Path) -> None:
    with pytest.raises(StackError, match="KAFKA_BOOTSTRAP_SERVERS"):
        fetch(tmp_path, lock, "http://127.0.0.1:1")


def test_the_projects_own_lock_is_complete() -> None:
    locked = jars.read_lock()
    assert len(locked) > 40
    assert all(len(digest) == 64 for digest in locked.values())
    assert jars.kafka_version().startswith("4.")
    assert any("/slf4j-simple/" in path for path in locked)
