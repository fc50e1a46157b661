"""The commands of the README's first order, with other URLs, run in a shell and lead to a paid order."""

import asyncio
import json
import re

from local_stack.environment import ROOT
from tests.system.world import World

PORTS = {"8081": "user", "8003": "product", "8002": "order"}


async def test_the_lines_of_the_readme_end_with_a_paid_order(world: World) -> None:
    await world.product(stock=5, price=339)
    customer = await world.customer()
    code = re.search(r"## A first order\n.*?```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    lines = code[1].strip()
    assert len(lines.splitlines()) == 5
    for port, service in PORTS.items():
        assert f"localhost:{port}" in lines
        lines = lines.replace(f"localhost:{port}", world.url(service).removeprefix("http://"))
    # As a registered customer types them; a password with blanks is quoted in a shell.
    lines = lines.replace("username=EMAIL", f"username={customer.email}")
    lines = lines.replace("-d password=PASSWORD", f"--data-urlencode 'password={customer.form['password']}'")
    shell = await asyncio.create_subprocess_exec("bash", "-c", lines, stdout=asyncio.subprocess.PIPE)
    committed, _ = await shell.communicate()
    # Two responses: the payment, and the order.
    payment, end = json.JSONDecoder().raw_decode(committed.decode())
    order = json.loads(committed.decode()[end:])
    assert (payment["order_id"], order["status"], order["payment_status"]) == (order["id"], "paid", "paid")
