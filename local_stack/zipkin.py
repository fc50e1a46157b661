"""Zipkin, which shows traces, on the Java that Kafka runs on: `python -m local_stack.zipkin` becomes its process."""

import os
from pathlib import Path

from local_stack import jars
from local_stack.java import java
from local_stack.layout import SHOP, Layout
from local_stack.parts import ZIPKIN

LOCK = Path(__file__).with_name("zipkin.lock")
MOST_SPANS = 200_000
"""It keeps the newest in memory, and nothing on disk."""
JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")


def command(port: int, jar: Path) -> list[str]:
    listening = {"ip": "127.0.0.1", "port": str(port), "protocols[0]": "http"}
    options = [f"-Darmeria.ports[0].{name}={value}" for name, value in listening.items()]
    return [str(java()), *JVM, *options, f"-Dzipkin.storage.mem.max-spans={MOST_SPANS}", "-jar", str(jar)]


def main() -> None:
    layout = Layout(Path(os.environ[SHOP]))
    [jar] = jars.fetch(print, lock=LOCK, repository=layout.settings["MAVEN_REPOSITORY"])
    words = command(layout.port(ZIPKIN), jar)
    os.execv(words[0], words)


if __name__ == "__main__":
    main()
