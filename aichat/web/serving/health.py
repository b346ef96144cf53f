"""Health checks: liveness and readiness."""

from __future__ import annotations

from typing import Any

from attrs import asdict
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from aichat.core import Parts
from aichat.web.schemas.parameters import Injected


@get("/health", operation_id="getHealth", tags=["health"], sync_to_thread=False)
def health() -> dict[str, str]:
    """Answer 200 while the process runs, once a typed message can be answered."""
    return {"status": "healthy"}


@get(
    "/health/ready",
    operation_id="getReadiness",
    tags=["health"],
    responses={
        503: ResponseSpec(dict[str, Any], generate_examples=False, description="Not ready.")
    },
    sync_to_thread=False,
)
def ready(parts: Injected[Parts]) -> Response[dict[str, Any]]:
    """List every plug-in with its state; 503 while a part has no ready backend."""
    is_ready = parts.is_ready()
    body = {
        "status": "ready" if is_ready else "starting",
        "parts": [asdict(status) for status in parts.statuses()],
    }
    return Response(body, status_code=200 if is_ready else 503)
