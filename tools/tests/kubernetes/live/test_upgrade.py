"""How long services are upgraded and back."""

from itertools import islice

from tools.kubernetes.live.traffic import Traffic
from tools.kubernetes.live.upgrade import ORDERS, services
from tools.kubernetes.names import SERVICE_NAMES


def test_each_service_once_although_there_are_enough_orders() -> None:
    assert list(services(Traffic(orders=ORDERS))) == list(SERVICE_NAMES)


def test_again_until_there_are_enough_orders() -> None:
    traffic = Traffic()
    upgraded = services(traffic)
    assert list(islice(upgraded, 7)) == [*SERVICE_NAMES, *SERVICE_NAMES[:2]]
    traffic.orders = ORDERS
    assert list(upgraded) == []


def test_no_longer_than_customers_buy() -> None:
    traffic = Traffic()
    upgraded = services(traffic)
    next(upgraded)
    traffic.replaying = False
    assert list(upgraded) == []
