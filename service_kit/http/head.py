"""Answers `HEAD` wherever there is a `GET` (RFC 9110, 9.3.2): with the same response, without its content."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRoutes:
    """ASGI middleware that passes a HEAD request to the routes as a GET request, and does not send the body.

    Outside of it the request stays a HEAD request: the server expects no bytes of a body, and HEAD is logged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body"):
                raise _RestNotWanted

        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_head)
        except _RestNotWanted:
            pass
        finally:
            if "route" in as_get:
                scope["route"] = as_get["route"]  # for the metrics


class _RestNotWanted(Exception):
    """Ends a stream whose content is not sent, and which may be endless."""
