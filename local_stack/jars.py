"""Jars from Maven Central: lock files with paths and SHA-256, and a cache checked against them."""

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import certifi
import httpx

from local_stack.errors import StackError

LOCK = Path(__file__).with_name("kafka.lock")
INSTEAD = {LOCK.name: "set KAFKA_BOOTSTRAP_SERVERS in .env to a Kafka that runs already"}
MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
SLF4J_VERSION = "1.7.36"  # the version that Kafka 4 is built with; slf4j-simple logs to stderr

Progress = Callable[[str], None]


def cache_directory() -> Path:
    """The user's directory, which all checkouts and test runs share."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "online-mart" / "jars"


def read_lock(lock: Path = LOCK) -> dict[str, str]:
    """Path in the repository → SHA-256."""
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return {path: digest for digest, path in lines}


def kafka_version(lock: Path = LOCK) -> str:
    for path in read_lock(lock):
        if found := re.match(r"org/apache/kafka/kafka_2\.13/([^/]+)/", path):
            return found[1]
    raise StackError(f"{lock} names no Kafka: renew it with `make kafka-lock`.")


def fetch(
    progress: Progress, *, lock: Path = LOCK, cache: Path | None = None, repository: str = MAVEN_CENTRAL
) -> list[Path]:
    """The files of all jars in the lock; missing ones are downloaded. Raises: StackError, for another SHA-256."""
    wanted = read_lock(lock)
    directory = cache or cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    jars = {path: directory / path.rsplit("/", 1)[1] for path in wanted}
    missing = [path for path, jar in jars.items() if not (jar.exists() and _digest(jar) == wanted[path])]
    if missing:
        _download(missing, wanted, jars, repository, progress, lock)
    return list(jars.values())


def _download(
    missing: list[str], wanted: dict[str, str], jars: dict[str, Path], repository: str, progress: Progress, lock: Path
) -> None:
    whose = f"{lock.stem.capitalize()}'s jars"
    with (
        httpx.Client(verify=_certificates(), timeout=60, follow_redirects=True) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        jobs = [
            threads.submit(_store, client, f"{repository}/{path}", jars[path], wanted[path], lock) for path in missing
        ]
        for done, job in enumerate(as_completed(jobs), start=1):
            try:
                job.result()
            except httpx.HTTPError as error:
                threads.shutdown(cancel_futures=True)
                otherwise = f", or {INSTEAD[lock.name]}" if lock.name in INSTEAD else ""
                raise StackError(
                    f"{whose} can't be had from {repository} ({error or type(error).__name__}).\n"
                    f"Give this machine a way there (HTTPS_PROXY, or a mirror in MAVEN_REPOSITORY in .env){otherwise}."
                ) from error
            if done % 10 == 0 or done == len(missing):
                progress(f"{whose} from {repository}: {done} of {len(missing)}")


def _store(client: httpx.Client, url: str, jar: Path, digest: str, lock: Path) -> None:
    for attempt in (1, 2, 3):
        try:
            answer = client.get(url)
            answer.raise_for_status()
            break
        except httpx.TransportError:
            if attempt == 3:
                raise
    found = hashlib.sha256(answer.content).hexdigest()
    if found != digest:
        raise StackError(f"{url} is not what {lock.name} says: SHA-256 {found}, expected {digest}. It was not kept.")
    # Another run may download the same jar now: renaming is atomic, and both files have the same content.
    with tempfile.NamedTemporaryFile(dir=jar.parent, delete=False) as file:
        file.write(answer.content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, jar)


def _certificates() -> ssl.SSLContext:
    """The certificates that the machine trusts, and those of certifi, in case Python does not find the former."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>lock</groupId><artifactId>lock</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{kafka}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{slf4j}</version></dependency>
  </dependencies>
</project>
"""


def renew_lock(version: str, progress: Progress, lock: Path = LOCK) -> int:
    """Locks all jars that Kafka `version` needs at runtime, as Maven resolves them; returns their number."""
    maven = shutil.which("mvn")
    if not maven:
        raise StackError("Renewing the lock needs Maven (`mvn`) on the PATH; using it does not.")
    progress(f"Maven resolves Kafka {version} …")
    with tempfile.TemporaryDirectory() as name:
        repository = Path(name) / "repository"
        (Path(name) / "pom.xml").write_text(POM.format(kafka=version, slf4j=SLF4J_VERSION))
        command = [maven, "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        command += ["-Dmdep.useRepositoryLayout=true", f"-DoutputDirectory={repository}"]
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"Maven could not resolve Kafka {version}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        jars = sorted(repository.rglob("*.jar"))
        lines = [f"{_digest(jar)}  {jar.relative_to(repository).as_posix()}" for jar in jars]
    header = f"# Apache Kafka {version} and what it needs to run, in Maven Central. Renewed by `make kafka-lock`."
    lock.write_text("\n".join([header, *lines, ""]))
    return len(jars)


def _digest(jar: Path) -> str:
    return hashlib.sha256(jar.read_bytes()).hexdigest()
