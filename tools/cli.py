"""`python -m tools …`: commands for the whole shop. Progress goes to stderr, results to stdout."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from local_stack import report
from local_stack.cli import errors, new_shop, output, progress, run, running_shop
from local_stack.parts import SERVICES
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

    made = Demo.with_secrets(secrets, _by_service(url))
    output.print(accounts.table(container_secrets.settings(secrets)))
    output.print(table(made.make(), made.customer.email))
    typer.echo("The demo data is there.")


def _by_service(urls: list[str]) -> dict[str, str]:
    found = dict(each.split("=", 1) for each in urls if "=" in each)
    if found.keys() != {service.name for service in SERVICES}:
        raise typer.BadParameter("--url: give one for each of the five services, such as --url user=http://user:8000")
    return found


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
def check_kubernetes(
    steps: Annotated[list[str] | None, typer.Argument(help="only these steps; by default, all of them")] = None,
    kubectl: Annotated[str, typer.Option(envvar="KUBECTL", help="with its options")] = "",
    load_image: Annotated[str, typer.Option(envvar="LOAD_IMAGE", help="brings images into the cluster")] = "",
    crds: Annotated[str, typer.Option(envvar="CRDS", help="folders with operators' definitions")] = "",
    dns_address: Annotated[str, typer.Option(envvar="DNS_ADDRESS", help="of a name server on the node")] = "",
    file: Annotated[Path | None, typer.Option(help="sales to replay; default: the shipped 500 invoices")] = None,
    build: Annotated[str, typer.Option(envvar="BUILD", help="`no`: the images exist")] = "",
) -> None:
    """Install the overlay `local` in a real cluster, and check it there step by step."""
    from tools.kubernetes.live.kubectl import Kubectl
    from tools.kubernetes.live.run import STEPS, check
    from tools.kubernetes.live.settings import Settings

    chosen = tuple(steps or STEPS)
    if unknown := set(chosen) - STEPS.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(STEPS)}")
    folders = tuple(Path(each) for each in shlex.split(crds))
    command, loading = tuple(shlex.split(kubectl or "kubectl")), tuple(shlex.split(load_image))
    outcomes = check(Settings(Kubectl(command), loading, folders, dns_address, file, build != "no"), chosen)
    for outcome in outcomes:
        typer.echo(outcome.line)
    passed = sum(outcome.passed for outcome in outcomes)
    typer.echo(f"{passed} of {len(chosen)} steps passed")
    raise typer.Exit(0 if passed == len(chosen) else 1)


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
    invoices: Annotated[int | None, typer.Option(min=1, help="only so many of the file's first invoices")] = None,
    tax: Annotated[str, typer.Option(help="`gb`: tax orders to the UK, and reconcile the taxes too")] = "",
    secrets: Annotated[Path | None, typer.Option(help="of services that run elsewhere: see `demo`")] = None,
    url: Annotated[list[str] | None, typer.Option(help="one for each service that runs elsewhere")] = None,
) -> None:
    """Replay a real shop's month and reconcile it; the last line is the result as JSON."""
    from tools.replay.run import Staff, replay, stock_factor
    from tools.replay.sales import DEFAULT_FILE, read
    from tools.replay.terms import known_tax

    factor, sold, taxed = stock_factor(stock), read(file or DEFAULT_FILE), known_tax(tax)
    if (secrets is None) != (not url):
        raise typer.BadParameter(
            "--secrets and --url belong together: both for services that run elsewhere, or neither"
        )
    if secrets and url:
        staff = Staff.with_secrets(secrets, _by_service(url))
    else:
        shop = new_shop()
        if not shop.is_up():
            shop.up()
        staff = Staff.of(shop)
    result = replay(staff, sold.first(invoices) if invoices else sold, factor, errors, taxed)
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
