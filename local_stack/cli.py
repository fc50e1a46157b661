"""`python -m local_stack …`: what the Makefile calls. Progress goes to stderr, results to stdout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local_stack import checks, environment, jars, preparation, report
from local_stack.errors import StackError
from local_stack.parts import SERVICES, part
from local_stack.shop import Shop

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
# Wide enough for the addresses of databases, also in a pipe: a password that is cut off helps nobody.
output = Console(highlight=False, width=max(130, shutil.get_terminal_size().columns))


def progress(text: str) -> None:
    errors.print(text, style="dim", markup=False)


def _shop() -> Shop:
    return Shop(progress=progress)


def _running_shop() -> Shop:
    shop = _shop()
    if not shop.supervisor.is_running():
        raise StackError("The shop is down: `make up` starts it.")
    return shop


@app.command()
def up() -> None:
    """Start everything, with demo data, and print where it is."""
    from local_stack.demo.run import Demo, table

    shop = _shop()
    shop.up()
    demo = Demo.of(shop)
    orders = demo.make()
    progress("Demo data: there")
    output.print(report.addresses(shop))
    output.print(report.accounts(shop.settings))
    output.print(table(orders, demo.customer.email))
    typer.echo("The shop is up.")


@app.command()
def down() -> None:
    """Stop everything; the data stays."""
    _shop().down()
    typer.echo("The shop is down.")


@app.command()
def status() -> None:
    """Each part: up, ready, consumer lag, what stands in the outbox."""
    shop = _running_shop()
    lines = report.status(shop)
    output.print(report.status_table(lines))
    waiting = [line.title for line in lines if not line.ready]
    typer.echo(f"Not ready: {', '.join(waiting)}." if waiting else "Everything is ready.")
    raise typer.Exit(1 if waiting else 0)


@app.command()
def logs(service: Annotated[str, typer.Argument(help="one part; all of them without")] = "") -> None:
    """Follow the logs."""
    shop = _shop()
    files = [shop.log(part(service).name)] if service else [shop.log(each.name) for each in shop.layout.parts]
    files = [file for file in files if file.exists()]
    if not files:
        raise StackError("Nothing was logged yet: `make up` starts the shop.")
    # -F goes on with the new file when a log is rotated.
    raise typer.Exit(subprocess.run(["tail", "-n", "50", "-F", *map(str, files)], check=False).returncode)


@app.command()
def restart(service: str) -> None:
    """Restart one part with the settings as they are now; the others go on."""
    shop = _running_shop()
    shop.restart(service)
    typer.echo(f"{part(service).title} is ready.")


@app.command()
def trail(number: Annotated[int, typer.Argument(help="the order's short number")]) -> None:
    """One order's way through all services: each transition, event and message, and what it waited for."""
    from local_stack.trail import report as trails

    found = trails.follow(_running_shop(), number)
    output.print(trails.table(found))
    for words in found.missing:
        errors.print(words, style="yellow", markup=False)
    typer.echo(trails.summary(found))


@app.command()
def reset() -> None:
    """Stop everything and delete its data and logs; .env stays."""
    shop = _shop()
    shop.down()
    shutil.rmtree(shop.layout.local, ignore_errors=True)
    typer.echo("All data of the shop is deleted.")


@app.command()
def setup(
    secrets: Annotated[Path, typer.Option(help="directory for the secrets, one file each")],
    postgres: Annotated[str, typer.Option(help="host:port of the PostgreSQL server")],
    kafka: Annotated[str, typer.Option(help="bootstrap servers of Kafka")] = "",
    topic_prefix: Annotated[str, typer.Option()] = "",
    only_secrets: Annotated[bool, typer.Option(help="stop when the secrets are there")] = False,
    only_servers: Annotated[bool, typer.Option(help="the secrets are there, those that this needs")] = False,
) -> None:
    """Secrets, databases and topics for servers that run elsewhere (containers)."""
    if not only_servers:
        preparation.make_secrets(secrets, postgres)
        progress(f"Secrets: in {secrets}")
    if not only_secrets:
        from local_stack.access import database_tls, kafka_connection

        # A container's settings are its environment: KAFKA_SASL_PASSWORD_FILE and so on.
        brokers, tls = kafka_connection(os.environ, kafka), database_tls(os.environ)
        preparation.prepare_servers(secrets, postgres, tls, brokers, topic_prefix, progress)
    typer.echo("Set up.")


@app.command()
def kafka_acls(
    apply: Annotated[bool, typer.Option(help="put the entries on the brokers' list, as KAFKA_SASL_USERNAME")] = False,
) -> None:
    """What each service may do on the brokers, as arguments of kafka-acls.sh; made from contracts/topics.py."""
    from local_stack import access

    layout = _shop().layout
    principals = access.principals(layout.settings, [each.name for each in SERVICES])
    if apply:
        count = access.allow(layout.kafka_connection, layout.topic_prefix, principals)
        typer.echo(f"{count} entries are on the list.")
    else:
        typer.echo("\n".join(access.commands(layout.topic_prefix, principals)))


@app.command()
def demo(
    secrets: Annotated[Path, typer.Option(help="directory with the secrets that `setup` made")],
    url: Annotated[list[str], typer.Option(help="user=http://user:8081, and so for each service")],
) -> None:
    """The demo data, for services that run elsewhere (containers)."""
    from local_stack.demo.run import Demo, table

    there = Demo.with_secrets(secrets, dict(each.split("=", 1) for each in url))
    output.print(report.accounts(environment.with_secrets(secrets)))
    output.print(table(there.make(), there.customer.email))
    typer.echo("The demo data is there.")


@app.command()
def replay(
    file: Annotated[Path | None, typer.Argument(help="CSV, gzipped or not; without: the shipped month")] = None,
    stock: Annotated[str, typer.Option(help="times what the file sells is received first; 0: nothing")] = "1.0",
) -> None:
    """Replay a real shop's month and reconcile it; the last line is the result as JSON."""
    from local_stack.replay.run import Staff, replay, stock_factor
    from local_stack.replay.sales import DEFAULT_FILE, read

    factor, sold = stock_factor(stock), read(file or DEFAULT_FILE)
    shop = _shop()
    if not shop.is_up():
        shop.up()
    result = replay(Staff.of(shop), sold, factor, errors)
    output.print(result.table())
    if result.mismatches:
        output.print(result.mismatch_table())
    typer.echo(result.json)
    raise typer.Exit(1 if result.mismatches else 0)


@app.command()
def kafka_lock(version: Annotated[str, typer.Argument()] = "") -> None:
    """Renew the lock of Kafka's jars (needs Maven)."""
    wanted = version or jars.kafka_version()
    count = jars.renew_lock(wanted, progress)
    typer.echo(f"{jars.LOCK.name}: Apache Kafka {wanted}, {count} jars.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run pytest with the given arguments; its summary is the result."""
    passed, summary = checks.run_tests(context.args)
    typer.echo(summary)
    raise typer.Exit(0 if passed else 1)


@app.command()
def check() -> None:
    """Everything but the tests: format, lint, types, layers, migrations, lengths, lock."""
    failed = checks.run_all(progress)
    typer.echo(f"checks failed: {', '.join(failed)}" if failed else f"all {len(checks.CHECKS)} checks passed")
    raise typer.Exit(1 if failed else 0)


@app.command()
def audit() -> None:
    """Known vulnerabilities, secrets in the tree, a bill of materials. Exit 1: something found; 2: not all checked."""
    from local_stack import audit as audits

    results = audits.run_all()
    output.print(audits.table(results))
    for result in results:
        for finding in result.findings:
            errors.print(f"{result.name}: {finding}", markup=False)
    code = audits.exit_code(results)
    typer.echo(
        ("Nothing found.", "Something was found: see above.", "NOT all was checked, so nothing is promised.")[code]
    )
    raise typer.Exit(code)


def main() -> None:
    try:
        app()
    except StackError as error:
        errors.print(str(error), style="red", markup=False)
        sys.exit(1)
