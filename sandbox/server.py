"""Runs the HTTP server of the gateway or the mailbox."""

import logging
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI


def serve(app: FastAPI, host: str, port: int, http: Any = "auto") -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests in flight."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("INFO"))
    # aiosmtpd logs every line of every mail, which takes as long as receiving it.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    uvicorn.run(app, host=host, port=port, http=http, access_log=False, log_config=None, timeout_graceful_shutdown=10)
