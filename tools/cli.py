"""`python -m tools …`: commands for the whole shop. Progress goes to stderr, results to stdout."""

from pathlib import Path
from typing import Annotated

import typer

from local_stack import report
from local_stack.cli import errors, new_shop, output, progress, run, running_shop
from tools import accounts, checks, container_secrets

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def up() -> None:
    """Start everything, with demo data, and print where it is."""
    from tools.demo.run import Demo, table

    shop = new_shop()
    shop.up()
    demo = Demo.of(shop)
    orders = demo.make()
    progress("Demo data: there")
    output.print(report.addresses(shop))
    output.print(accounts.table(shop.settings))
    output.print(table(orders, demo.customer.email))
    typer.echo("The shop is up.")


@app.command()
def demo(
    secrets: Annotated[Path, typer.Option(help="directory with the secrets that `secrets` made")],
    url: Annotated[list[str], typer.Option(help="one for each service, such as user=http://user:8000")],
) -> None:
    """Create the demo data in services that run elsewhere (containers)."""
    from tools.demo.run import Demo, table

    made = Demo.with_secrets(secrets, dict(each.split("=", 1) for each in url))
    output.print(accounts.table(container_secrets.settings(secrets)))
    output.print(table(made.make(), made.customer.email))
    typer.echo("The demo data is there.")


@app.command()
def secrets(
    directory: Annotated[Path, typer.Argument(help="one file for each secret, and a folder for each container")],
    postgres: Annotated[str, typer.Option(help="host:port of the PostgreSQL server")],
) -> None:
    """Create random secrets for the containers of docker-compose.yml; existing ones stay."""
    container_secrets.make_secrets(directory, postgres)
    typer.echo(f"Secrets: in {directory}")


@app.command()
def kubernetes() -> None:
    """Generate the manifests in deploy/kubernetes, and render both overlays with kustomize."""
    from tools.kubernetes import generated, rendering

    generated.write()
    try:
        rendering.render()
    except rendering.NotRendered as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo("Rendered: deploy/kubernetes/rendered")


@app.command()
def kubernetes_secrets(
    directory: Annotated[Path, typer.Option(help="where they are kept")] = Path(".local/kubernetes/secrets"),
) -> None:
    """Random secrets for the overlay `local`, as objects for `kubectl apply -f -`; those that exist stay."""
    from tools.kubernetes import secrets as made

    typer.echo(made.local_as_json(directory))


@app.command()
def check_compose() -> None:
    """Build the images, and check them and docker-compose.yml with Docker: an order, and a container that is killed."""
    from tools import compose

    for sentence in compose.check():
        typer.echo(sentence)


@app.command()
def trail(number: Annotated[int, typer.Argument(help="the order's short number")]) -> None:
    """Show an order's steps in all services: each transition, event and message, and what it waited for."""
    from tools.trail import report as trails

    found = trails.follow(running_shop(), number)
    output.print(trails.table(found))
    for words in found.missing:
        errors.print(words, style="yellow", markup=False)
    if found.trace_url:
        typer.echo(f"Trace: {found.trace_url}")
    typer.echo(trails.summary(found))


@app.command()
def footprint(
    name: Annotated[str, typer.Argument(help="the part, such as console")],
    seconds: Annotated[float, typer.Option(min=1)] = 30,
) -> None:
    """Measure the CPU time and the memory of one part of the running shop."""
    from tools.footprint import measure

    typer.echo(measure(running_shop(), name, seconds))


@app.command()
def replay(
    file: Annotated[Path | None, typer.Argument(help="CSV, gzipped or not; default: the shipped month")] = None,
    stock: Annotated[str, typer.Option(help="factor of the sold quantities to receive first; 0: none")] = "1.0",
) -> None:
    """Replay a real shop's month and reconcile it; the last line is the result as JSON."""
    from tools.replay.run import Staff, replay, stock_factor
    from tools.replay.sales import DEFAULT_FILE, read

    factor, sold = stock_factor(stock), read(file or DEFAULT_FILE)
    shop = new_shop()
    if not shop.is_up():
        shop.up()
    result = replay(Staff.of(shop), sold, factor, errors)
    output.print(result.table())
    if result.mismatches:
        output.print(result.mismatch_table())
    typer.echo(result.json)
    raise typer.Exit(1 if result.mismatches else 0)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run pytest with the given arguments; its summary is the result."""
    passed, summary = checks.run_tests(context.args)
    typer.echo(summary)
    raise typer.Exit(0 if passed else 1)


@app.command()
def check() -> None:
    """Run all checks but the tests: format, lint, types, layers, migrations, lengths, lock, secrets, manifests."""
    failed = checks.run_all(progress)
    typer.echo(f"checks failed: {', '.join(failed)}" if failed else f"all {len(checks.CHECKS)} checks passed")
    raise typer.Exit(1 if failed else 0)


@app.command()
def audit() -> None:
    """Check for known vulnerabilities and secrets, and list all packages. Exit 1: findings; 2: not all was checked."""
    from tools import audit as audits

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
    run(app)
