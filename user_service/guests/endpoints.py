"""Guests over HTTP: buying without an account, and what becomes of the orders."""

from typing import Annotated

from fastapi import Response

from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, TooManyRequests
from service_kit.security import PUBLIC
from user_service.accounts.models import GuestAccount
from user_service.audit.endpoints import FromWhere, acting
from user_service.audit.models import Actor
from user_service.auth.schemas import TokensOut
from user_service.base import resource
from user_service.guests import use_cases
from user_service.guests.models import AccountExists, EmailNotVerified, NotAGuest, OtherAddress
from user_service.guests.schemas import Claim, GuestEmail, GuestIn, GuestOrders
from user_service.guests.use_cases import Guests
from user_service.mails.models import TokenNotGood
from user_service.passwords.strength import PasswordTooWeak
from user_service.throttle.use_cases import Throttle

router = Router(tags=["guests"])

UseGuests = Annotated[Guests, resource(Guests)]
UseThrottle = Annotated[Throttle, resource(Throttle)]
Writer = Annotated[Actor, acting("users:write")]


@router.post("/auth/guest", summary="Create a guest", openapi_extra=PUBLIC, responses=problems(TooManyRequests))
async def create(guests: UseGuests, origin: FromWhere, response: Response, body: GuestIn | None = None) -> TokensOut:
    """Returns the tokens of a new account without a password, which has a cart and orders like any other. With an
    e-mail address, it gets mails about its orders, and a link that shows them on other devices. The response is the
    same whether or not another account has the address."""
    response.headers["Cache-Control"] = "no-store"
    return await guests.create(body.email if body else None, origin)


@router.put(
    "/me/guest-email",
    status_code=204,
    summary="Change my e-mail address as a guest",
    responses=problems(NotFound, NotAGuest, TooManyRequests),
)
async def set_email(body: GuestEmail, tx: Session, me: Writer, throttle: UseThrottle) -> None:
    """Sets the address for mails about the guest's orders, and mails a link to it. Links that were mailed to the former
    address become invalid."""
    await use_cases.set_email(tx, throttle, me, body.email)


@router.post(
    "/auth/guest/link",
    status_code=202,
    summary="Request the links to a guest's orders",
    openapi_extra=PUBLIC,
    responses=problems(TooManyRequests),
)
async def request_links(body: GuestEmail, tx: Session, throttle: UseThrottle, origin: FromWhere) -> None:
    """Mails a link and a code to the address for each guest that has it, for the ten newest if there are more. The
    response does not reveal whether there are any."""
    await use_cases.request_links(tx, throttle, body.email, origin)


@router.post(
    "/auth/guest/claim",
    summary="Claim a guest's orders",
    openapi_extra=PUBLIC,
    responses=problems(TokenNotGood, AccountExists, PasswordTooWeak),
)
async def claim(body: Claim, guests: UseGuests, origin: FromWhere, response: Response) -> TokensOut:
    """Send the code of the mail, which is valid once, for a day by default. Returns tokens of the guest, and ends the
    guest's other sessions.

    With a password, the guest becomes a registered account with a confirmed address, and keeps its orders and cart. If
    a registered account has the address already, sign in to it and call `POST /me/guest-orders` instead.
    """
    response.headers["Cache-Control"] = "no-store"
    if body.password is None:
        return await guests.open(body.token, origin)
    return await guests.register(body.token, body.password, origin)


@router.post(
    "/me/guest-orders",
    status_code=204,
    summary="Merge a guest into my account",
    responses=problems(NotFound, TokenNotGood, GuestAccount, EmailNotVerified, OtherAddress),
)
async def merge(body: GuestOrders, tx: Session, me: Writer) -> None:
    """Send the code of the mail, which must have been sent to my account's confirmed address. The guest's orders, cart,
    inbox and addresses are mine a moment later, in all services, and the guest's sessions end."""
    await use_cases.merge(tx, me, body.token)
