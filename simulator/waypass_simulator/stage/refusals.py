"""What the front door itself says no with: a problem (RFC 9457), or a page where a person looks."""

import json

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from waypass_simulator.stage.templates import render

PAGE_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect", "img", "frame")),
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    ]
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""Of everything that the door answers by itself; the stage may show it in a frame."""

NOT_FRAMED = {
    **HEADERS,
    "Content-Security-Policy": PAGE_POLICY.replace("frame-ancestors 'self'", "frame-ancestors 'none'"),
}
"""Of a page that nobody may show in a frame."""


def problem(status: int, kind: str, detail: str) -> Response:
    """A problem as JSON."""
    title = kind.replace("-", " ")
    document = {"type": f"urn:waypass:stage:{kind}", "title": title, "status": status, "detail": detail}
    text = json.dumps(document)
    return Response(text, status_code=status, media_type="application/problem+json", headers=dict(HEADERS))


def not_running(name: str, request: Request) -> Response:
    """The program of that name does not run (503): a page for people, a problem for programs."""
    if "text/html" not in request.headers.get("accept", ""):
        return problem(503, "not-running", f"{name} is not running")
    page = render("not-running.html", name=name)
    return HTMLResponse(page, status_code=503, headers={**HEADERS, "Retry-After": "2"})
