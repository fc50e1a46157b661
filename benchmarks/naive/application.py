"""The parts that both naive services share: an engine, a session for each request, and the caller."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Header
from jose import JWTError, jwk, jwt
from sqlalchemy import Engine, make_url, text
from sqlmodel import Session, create_engine

from service_kit.http.problem_responses import add_error_handlers
from service_kit.problems import Forbidden, Unauthenticated
from tests.harness.tokens import ISSUER

CONNECTIONS = 8


@cache
def engine() -> Engine:
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
    return create_engine(url, pool_size=CONNECTIONS, max_overflow=0)


def open_session() -> Iterator[Session]:
    with Session(engine()) as session:
        yield session


DbSession = Annotated[Session, Depends(open_session)]


@cache
def _key() -> Any:
    with engine().connect() as connection:
        jwks = connection.execute(text("SELECT jwks FROM verification_keys")).scalar_one()
    return jwk.construct(jwks["keys"][0], "RS256")


class Caller:
    """The caller of a request. The token is verified for each request, without a cache."""

    def __init__(self, authorization: Annotated[str | None, Header()] = None) -> None:
        token = (authorization or "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, _key(), algorithms=["RS256"], audience="online-mart", issuer=ISSUER)
        except JWTError as error:
            raise Unauthenticated from error
        self.user_id = UUID(claims["sub"])
        self._permissions = claims["permissions"]

    def needs(self, permission: str) -> None:
        if permission not in self._permissions:
            raise Forbidden(permission=permission)


SignedIn = Annotated[Caller, Depends()]


def new_application() -> FastAPI:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/health/ready")
    def ready(session: DbSession) -> str:
        session.connection()
        return "ok"

    return app
