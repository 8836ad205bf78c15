"""An application behind real HTTP on this machine, in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from tests.support.publishing import wait_for


@contextmanager
def serving_app(app: Any, port: int) -> Iterator[None]:
    """Serve it on 127.0.0.1 until the end of the block."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, name="application", daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, "the application listens")
        yield
    finally:
        server.should_exit = True
        thread.join()
