"""Handlers get the application's state as typed arguments."""

from __future__ import annotations

from typing import get_type_hints

import httpx
import litestar
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from aichat.core import Parts, hookimpl, load_plugins
from aichat.web.app import Setup, create_app
from aichat.web.application_state import ApplicationState
from support.chat import Given
from support.in_process_server import a_server

TYPES = {"app": ApplicationState, **get_type_hints(ApplicationState)}


def test_every_handler_names_the_type_of_what_it_is_given() -> None:
    given = Given()
    app = create_app(Setup(given.config(), load_plugins(extra=[given])))
    offered = {name: TYPES[name] for name in app.dependencies}
    seen = set()
    for route in app.routes:
        handlers = getattr(route, "route_handlers", None) or [getattr(route, "route_handler", None)]
        for handler in filter(None, handlers):
            for name, argument in handler.parsed_fn_signature.parameters.items():
                if name in offered:
                    assert argument.annotation is offered[name], handler
                    seen.add(name)
    assert seen == set(offered)


def test_a_route_of_a_plugin_may_take_the_parts() -> None:
    @litestar.get("/engines", sync_to_thread=False)
    def engines(parts: NamedDependency[SkipValidation[Parts]]) -> list[str]:
        return [one.name for one in parts.statuses() if one.part == "llm"]

    class Routes:
        @hookimpl
        def web_routes(self) -> list[object]:
            return [engines]

    with a_server(plugins=[Routes()]) as server:
        assert httpx.get(f"{server.url}/engines", trust_env=False).json() == ["given"]
