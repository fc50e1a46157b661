"""uvicorn's protocol with a limit on what comes before a body: its parser has none, and would keep headers for ever."""

import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service_kit.http.answers import MEDIA_TYPE
from service_kit.http.headers import MOST_BYTES, HeadersTooLarge
from service_kit.problems import InvalidRequest, Problem

# The application refuses what is complete, in words that reach the caller; who sends more than this is cut off.
UNFINISHED = 8 * MOST_BYTES


class LimitedProtocol(HttpToolsProtocol):
    """Refuses a request whose headers don't end, and says in the usual form what can't be understood."""

    _unfinished: int | None = None
    """Bytes since a request began whose headers are not complete; None: there is no such request."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._unfinished is None:
            return
        self._unfinished += len(data)
        if self._unfinished > UNFINISHED and not self.transport.is_closing():
            self._refuse(HeadersTooLarge(limit=MOST_BYTES))

    def on_message_begin(self) -> None:
        self._unfinished = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unfinished = None
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest(reason=msg))

    def _refuse(self, problem: Problem) -> None:
        body = json.dumps(problem.body()).encode()
        headers: dict[str, Any] = {"content-type": MEDIA_TYPE, "content-length": len(body), "connection": "close"}
        lines = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
        self.transport.write(b"".join([STATUS_LINE[problem.status], *lines, b"\r\n", body]))
        self.transport.close()
