"""The permissions in access tokens, and the built-in roles.

`<resource>:<action>` is for the caller's own resources, or for resources without an owner; `:any` is for everybody's.
"""

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType
from typing import Self


class Role(StrEnum):
    """The built-in roles. Each has all permissions of those below it; `Guest` has those of `User`, and shows that the
    account has no password."""

    ADMIN = "Admin"
    SUB_ADMIN = "SubAdmin"
    USER = "User"
    GUEST = "Guest"


_ADMIN, _USER = Role.ADMIN, Role.USER


class Permission(StrEnum):
    """All permissions, with a description and the lowest built-in role that has it."""

    description: str
    lowest_role: Role

    def __new__(cls, value: str, description: str, lowest_role: Role = Role.SUB_ADMIN) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.description, member.lowest_role = description, lowest_role
        return member

    USERS_READ = "users:read", "See one's own account, addresses and sessions", _USER
    USERS_WRITE = "users:write", "Change one's own account, password and addresses, or erase the account", _USER
    USERS_READ_ANY = "users:read:any", "Search and see every account"
    USERS_MANAGE_ANY = "users:manage:any", "Create, change and disable accounts, and assign roles", _ADMIN
    SESSIONS_MANAGE = "sessions:manage", "See and end the sessions of every account"
    MFA_WRITE = "mfa:write", "Set up, change and remove one's own second factor", _USER
    ROLES_MANAGE = "roles:manage", "Create, change and delete roles", _ADMIN
    API_CLIENTS_MANAGE = "api-clients:manage", "Create, change and delete API clients and their secrets", _ADMIN
    CUSTOMER_GROUPS_MANAGE = (
        "customer-groups:manage",
        "Create, change and delete customer groups, and see and change their members",
    )
    AUDIT_LOG_READ = (
        "audit-log:read",
        "See the audit logs: who changed what in each service",
        _ADMIN,
    )

    PRODUCTS_READ_ANY = "products:read:any", "See drafts and archived products too"
    PRODUCTS_MANAGE = "products:manage", "Create, change, archive and delete products"
    CATEGORIES_MANAGE = "categories:manage", "Create, change, move and delete categories"
    PRICES_MANAGE = "prices:manage", "Schedule and end prices"
    REVIEWS_WRITE = "reviews:write", "Write, change and withdraw one's own reviews", _USER
    REVIEWS_MODERATE = "reviews:moderate", "Publish and reject reviews, and reply to them"

    STOCK_READ = "stock:read", "See stock by warehouse, and the ledger of its movements"
    STOCK_RECEIVE = "stock:receive", "Book stock in from a supplier"
    STOCK_ADJUST = "stock:adjust", "Correct stock after a count, a loss or a find"
    WAREHOUSES_READ = "warehouses:read", "See warehouses"
    WAREHOUSES_MANAGE = "warehouses:manage", "Create and change warehouses"
    SUPPLIERS_READ = "suppliers:read", "See suppliers"
    SUPPLIERS_MANAGE = "suppliers:manage", "Create and change suppliers"
    RESERVATIONS_READ = "reservations:read", "See what orders have reserved"
    SHIPMENTS_READ = "shipments:read", "See every shipment"
    SHIPMENTS_DISPATCH = "shipments:dispatch", "Hand shipments to a carrier"
    SHIPMENTS_DELIVER = "shipments:deliver", "Mark shipments as delivered"
    SHIPMENTS_LOSE = "shipments:lose", "Declare dispatched parcels lost, which refunds their contents"
    RETURNS_RECEIVE = "returns:receive", "Receive returned goods, and close returns that never arrive"

    CARTS_READ = "carts:read", "See one's own cart", _USER
    CARTS_WRITE = "carts:write", "Change one's own cart", _USER
    ORDERS_READ = "orders:read", "See one's own orders and their history", _USER
    ORDERS_WRITE = "orders:write", "Place orders, and change the address of one's own until they are paid", _USER
    ORDERS_CANCEL = "orders:cancel", "Cancel one's own orders", _USER
    ORDERS_READ_ANY = "orders:read:any", "See every order"
    ORDERS_EXPORT_ANY = "orders:export:any", "Export all orders, with their recipients, as CSV"
    ORDERS_WRITE_ANY = "orders:write:any", "Place and change orders for customers"
    ORDERS_CANCEL_ANY = "orders:cancel:any", "Cancel every order"
    ORDERS_AGREE_PRICE = "orders:agree-price", "Place orders at agreed unit prices"
    DRAFTS_MANAGE = "drafts:manage", "Prepare orders for customers as drafts, and place them"
    PAYMENTS_READ = "payments:read", "See the payments and refunds of one's own orders", _USER
    PAYMENTS_WRITE = "payments:write", "Pay one's own orders, and verify those payments", _USER
    PAYMENTS_READ_ANY = "payments:read:any", "See every payment and refund"
    PAYMENTS_WRITE_ANY = "payments:write:any", "Pay orders for customers, and verify every payment"
    PAYMENTS_RECORD_ANY = (
        "payments:record:any",
        "Record bank transfers, and decide their refunds by hand",
    )
    REFUNDS_WRITE_ANY = "refunds:write:any", "Refund payments, in part or in full"
    RETURNS_READ = "returns:read", "See the returns of one's own orders", _USER
    RETURNS_WRITE = "returns:write", "Request and withdraw returns of one's own orders", _USER
    RETURNS_WRITE_ANY = "returns:write:any", "Request and withdraw returns for customers"
    RETURNS_READ_ANY = "returns:read:any", "See every return"
    RETURNS_DECIDE_ANY = "returns:decide:any", "Approve and reject returns"
    TAX_MANAGE = "tax:manage", "See and change tax zones and rates, and see the tax report"
    SHIPPING_METHODS_MANAGE = "shipping-methods:manage", "Create and change shipping zones and methods"
    PROMOTIONS_MANAGE = "promotions:manage", "See, create and end promotions, and make their codes"
    INVOICES_READ = "invoices:read", "See the invoices and credit notes of one's own orders", _USER
    INVOICES_READ_ANY = "invoices:read:any", "See every invoice and credit note, and export them"

    NOTIFICATIONS_READ = "notifications:read", "See one's own notifications and preferences", _USER
    NOTIFICATIONS_WRITE = "notifications:write", "Mark one's own notifications as read, and change preferences", _USER
    NOTIFICATIONS_READ_ANY = "notifications:read:any", "See every user's notifications"
    DELIVERIES_READ = "deliveries:read", "See the log of e-mails to customers"
    DELIVERIES_SEND = "deliveries:send", "Send e-mails to customers again"

    DEAD_LETTERS_MANAGE = "dead-letters:manage", "See, replay and discard events that could not be handled"


ROLES = MappingProxyType(
    {
        Role.ADMIN: frozenset(Permission),
        Role.SUB_ADMIN: frozenset(each for each in Permission if each.lowest_role != Role.ADMIN),
        Role.USER: frozenset(each for each in Permission if each.lowest_role == Role.USER),
        Role.GUEST: frozenset(each for each in Permission if each.lowest_role == Role.USER),
    }
)

SENSITIVE = frozenset(each for each in ROLES[Role.ADMIN] - ROLES[Role.USER] if each.split(":")[1] != "read")
"""Permissions to change more than the caller's own data: money, goods, prices, permissions, accounts. If an account
loses one, services reject it as soon as they receive the event, before its access tokens expire. It is computed, so
that no permission is forgotten; a test compares it with what the operations of all services require."""


def is_known(permission: str) -> bool:
    """Whether this permission exists. Stored roles and clients may have one that was removed since."""
    return permission in Permission._value2member_map_


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """All permissions of these built-in roles. Other roles are ignored."""
    return frozenset(str(permission) for role in roles if role in ROLES for permission in ROLES[Role(role)])
