"""A small language model server that all systems ask, and that remembers what it was asked.

    python bench/real_peers/llm_server.py PORT [--model FOLDER]

It streams chat completions as OpenAI does, under /NAME/v1 for each system, by a model of
CTranslate2. Without one it sends a reply that is written here, at the pace of a model: then what
differs is the systems' own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from itertools import count
from typing import Any

import anyio
import uvicorn
from attrs import asdict, define, field
from litestar import Litestar, get, post
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from aichat.core import Character, Prompt, PromptMessage, closing
from aichat.plugins.ctranslate2 import Ctranslate2

FIRST_TOKEN_SECONDS, TOKEN_SECONDS = 0.2, 0.02
"""How a model of 50 tokens a second begins and goes on."""
MOST_TOKENS = 30
JOE = Character("joe", "Joe", "", temperature=0.0)
REPLIES = (
    "I think so, although nobody can be sure. Tell me more.",
    "That is a good question, and I like it. What do you say?",
    "Well, that depends on the weather. It may rain today.",
    "Yes, I know what you mean. Let us talk about it.",
)


@define
class Asked:
    """One request: who sent it, when, what the user had said, and when the first token left."""

    system: str
    at: float
    said: str
    first_token: float | None = None


@define
class Server:
    """The replies, and the requests of the turn that is measured."""

    model: Ctranslate2 | None = None
    turn: int = 0
    asked: list[Asked] = field(factory=list)
    numbers: Iterator[int] = field(factory=count)

    @asynccontextmanager
    async def lifespan(self, _: Litestar) -> AsyncIterator[None]:
        """Load the model, if there is one."""
        async with self.model or nullcontext():
            yield

    async def begin(self, data: JSONBody[dict[str, int]]) -> None:
        """Forget the requests of the turn before."""
        self.turn = data["number"]
        self.asked = []

    async def requests(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self.asked]

    async def complete(self, system: FromPath[str], data: JSONBody[dict[str, Any]]) -> Stream:
        messages = [(one["role"], _text(one.get("content"))) for one in data["messages"]]
        said = " ".join(text for role, text in messages if role == "user")
        asked = Asked(system, time.monotonic(), said)
        self.asked.append(asked)
        return Stream(self._events(asked, messages), media_type="text/event-stream")

    async def _events(self, asked: Asked, messages: list[tuple[str, str]]) -> AsyncIterator[str]:
        number = next(self.numbers)
        async with closing(self._tokens(messages)) as tokens:
            async for token in tokens:
                asked.first_token = asked.first_token or time.monotonic()
                yield _event(number, {"role": "assistant", "content": token})
        yield _event(number, {}, "stop")
        yield "data: [DONE]\n\n"

    async def _tokens(self, messages: list[tuple[str, str]]) -> AsyncIterator[str]:
        if self.model is None:
            await anyio.sleep(FIRST_TOKEN_SECONDS)
            for at, word in enumerate(REPLIES[self.turn % len(REPLIES)].split(" ")):
                yield f" {word}" if at else word
                await anyio.sleep(TOKEN_SECONDS)
            return
        said = tuple(PromptMessage(role, text) for role, text in messages)
        prompt = Prompt(JOE, (JOE,), said, {"max_tokens": MOST_TOKENS})
        async with closing(self.model.reply(prompt)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield piece


def _text(content: Any) -> str:
    """Return the text of a message, which may come in parts."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _event(number: int, delta: dict[str, str], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {
        "id": f"reply-{number}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": "bench",
        "choices": [choice],
    }
    return f"data: {json.dumps(chunk)}\n\n"


def application(server: Server) -> Litestar:
    return Litestar(
        [
            post("/turn")(server.begin),
            get("/turn")(server.requests),
            post("/{system:str}/v1/chat/completions", status_code=200)(server.complete),
        ],
        lifespan=[server.lifespan],
        openapi_config=None,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--model")
    args = parser.parse_args()
    model = Ctranslate2(args.model) if args.model else None
    uvicorn.run(application(Server(model)), port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
