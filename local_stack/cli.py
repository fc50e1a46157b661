"""`python -m local_stack …`: the servers of one machine. Progress goes to stderr, results to stdout."""

import shutil
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console

from local_stack import jars, report
from local_stack.errors import StackError
from local_stack.parts import part
from local_stack.shop import Shop
from local_stack.zipkin import LOCK as ZIPKIN_LOCK

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
# Wide enough for the addresses of databases, even in a pipe: they must not be cut off.
output = Console(highlight=False, width=max(130, shutil.get_terminal_size().columns))


def progress(text: str) -> None:
    errors.print(text, style="dim", markup=False)


# The seller on the invoices of a shop that is set up here.
SELLER = {
    "ORDER_SELLER_NAME": "Online Mart",
    "ORDER_SELLER_ADDRESS": "1 Market Street,London EC1A 1BB,United Kingdom",
    "ORDER_SELLER_TAX_ID": "GB 999 9999 73",
}
LANGUAGES = {"PRODUCT_LOCALES": "en,de"}


def new_shop() -> Shop:
    return Shop(progress=progress, settings={**SELLER, **LANGUAGES})


def running_shop() -> Shop:
    shop = new_shop()
    if not shop.supervisor.is_running():
        raise StackError("The shop is down: `make up` starts it.")
    return shop


@app.command()
def up() -> None:
    """Start everything, and print where it is."""
    shop = new_shop()
    shop.up()
    output.print(report.addresses(shop))
    typer.echo("The shop is up.")


@app.command()
def down() -> None:
    """Stop everything; the data stays."""
    new_shop().down()
    typer.echo("The shop is down.")


@app.command()
def status() -> None:
    """Show for each part whether it is up and ready, its consumer lag and the backlog of its outbox."""
    shop = running_shop()
    lines = report.status(shop)
    output.print(report.status_table(lines))
    waiting = [line.title for line in lines if not line.ready]
    typer.echo(f"Not ready: {', '.join(waiting)}." if waiting else "Everything is ready.")
    raise typer.Exit(1 if waiting else 0)


@app.command()
def logs(service: Annotated[str, typer.Argument(help="the part; default: all")] = "") -> None:
    """Follow the logs."""
    shop = new_shop()
    files = [shop.log(part(service).name)] if service else [shop.log(each.name) for each in shop.layout.parts]
    files = [file for file in files if file.exists()]
    if not files:
        raise StackError("Nothing was logged yet: `make up` starts the shop.")
    # With -F, tail continues with the new file when a log is rotated.
    raise typer.Exit(subprocess.run(["tail", "-n", "50", "-F", *map(str, files)], check=False).returncode)


@app.command()
def restart(service: str) -> None:
    """Restart one part with the current settings; the others keep running."""
    shop = running_shop()
    shop.restart(service)
    typer.echo(f"{part(service).title} is ready.")


@app.command()
def traces() -> None:
    """Record the spans of all requests and events, and show them in Zipkin."""
    shop = running_shop()
    jars.fetch(progress, lock=ZIPKIN_LOCK, repository=shop.settings["MAVEN_REPOSITORY"])
    shop.show_traces()
    typer.echo(f"Traces: {shop.url('zipkin')}")


@app.command()
def reset() -> None:
    """Stop everything and delete its data and logs; .env stays."""
    shop = new_shop()
    shop.down()
    shutil.rmtree(shop.layout.local, ignore_errors=True)
    typer.echo("All data of the shop is deleted.")


@app.command()
def kafka_lock(version: Annotated[str, typer.Argument()] = "") -> None:
    """Renew the lock of Kafka's jars (needs Maven)."""
    wanted = version or jars.kafka_version()
    count = jars.renew_lock(wanted, progress)
    typer.echo(f"{jars.LOCK.name}: Apache Kafka {wanted}, {count} jars.")


def run(app: typer.Typer) -> None:
    """Shows a StackError without its traceback, and exits with code 1."""
    try:
        app()
    except StackError as error:
        errors.print(str(error), style="red", markup=False)
        sys.exit(1)


def main() -> None:
    run(app)
