"""An OpenRouter on this machine, which misbehaves when asked to.

    python tests/support/fake_openrouter.py 8765

The model's name chooses: "good" (and any other) answers word by word, "e429" refuses with that
status, "cut" hangs up, and so on: see BEHAVIOURS. "e500-once" does so for the first request only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.parser import BytesParser
from email.policy import HTTP

import anyio
from anyio.abc import ByteStream
from attrs import Factory, define

WORDS = "Well, that is a fine question. I should say yes, 但 not «always» 🙂 — why do you ask?"


USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8, "cost": 0.00012}


class HungUp(Exception):
    """The server closes the connection in the middle."""


@define
class Request:
    path: str
    headers: dict[str, str]
    body: dict
    """The fields that were sent, as JSON or as a form."""


def _is_form(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").startswith("multipart/form-data")


def read_form(kind: str, body: bytes) -> dict:
    """Read multipart/form-data: texts, and files as bytes."""
    mail = BytesParser(policy=HTTP).parsebytes(f"content-type: {kind}\r\n\r\n".encode() + body)
    return {
        part.get_param("name", header="content-disposition"): (
            part.get_payload(decode=True)
            if part.get_filename()
            else part.get_payload(decode=True).decode()
        )
        for part in mail.iter_parts()
    }


@define
class Wire:
    """One connection: reads requests, writes responses, and notices when the client goes."""

    stream: ByteStream
    buffer: bytes = b""

    async def request(self) -> Request:
        head = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        size = int(headers.get("content-length", 0))
        while len(self.buffer) < size:
            self.buffer += await self.stream.receive()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        fields = read_form(headers["content-type"], body) if _is_form(headers) else body
        read = fields if isinstance(fields, dict) else json.loads(body) if body else {}
        return Request(head[0].split()[1], headers, read)

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self.buffer += await self.stream.receive()
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    async def watch(self, gone: Callable[[], None]) -> None:
        """Call *gone* when the client closes its side."""
        try:
            while True:
                self.buffer += await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            gone()

    async def json(self, status: int, body: object, headers: str = "") -> None:
        data = json.dumps(body).encode()
        await self.stream.send(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}"
            f"content-length: {len(data)}\r\n\r\n".encode()
            + data
        )

    async def begin(self, kind: bytes = b"text/event-stream") -> None:
        await self.stream.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind
        )

    async def raw(self, data: bytes) -> None:
        await self.stream.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def chunk(self, delta: dict, finish: str | None = None, **more: object) -> None:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        await self.data({"choices": choices, **more})

    async def data(self, fields: dict) -> None:
        known = {"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        await self.raw(b"data: " + json.dumps({**known, **fields}).encode() + b"\n\n")

    async def comment(self) -> None:
        await self.raw(b": OPENROUTER PROCESSING\n\n")

    async def end(self) -> None:
        await self.raw(b"data: [DONE]\n\n")
        await self.stream.send(b"0\r\n\r\n")


Behaviour = Callable[["FakeOpenRouter", Wire], Awaitable[None]]


@define
class FakeOpenRouter:
    """What the server has seen, and how it behaves."""

    words: str = WORDS
    lists: str = "models"
    """How it answers when asked for its models; any behaviour."""
    usual: dict[str, Behaviour] = Factory(dict)
    """What it does, by the end of the path, when the model names no behaviour."""
    calls: tuple[tuple[str, list[str]], ...] = (
        ("clock", ["{", "}"]),
        ("dice", ['{"di', 'ce":"d6"}']),
    )
    """The tools that it asks for, and the fragments of their arguments."""
    seconds_per_word: float = 0.0
    port: int = 0
    requests: list[Request] = Factory(list)
    connections: int = 0
    asked: anyio.Event = Factory(anyio.Event)
    hung_up: anyio.Event = Factory(anyio.Event)
    """The client left in the middle of an answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    async def handle(self, stream: ByteStream) -> None:
        self.connections += 1
        wire = Wire(stream)
        async with stream:
            try:
                while True:
                    await self._answer(wire, await wire.request())
            except (HungUp, anyio.EndOfStream, anyio.BrokenResourceError):
                return

    async def _answer(self, wire: Wire, request: Request) -> None:
        self.requests.append(request)
        self.asked.set()
        leaves = False
        async with anyio.create_task_group() as tasks:

            def gone() -> None:
                self.hung_up.set()
                tasks.cancel_scope.cancel()

            tasks.start_soon(wire.watch, gone)
            try:
                is_list = request.path.endswith("/models")
                await self._behave(wire, self.lists if is_list else str(request.body.get("model")))
            except HungUp:
                leaves = True
            except anyio.BrokenResourceError:
                gone()
            tasks.cancel_scope.cancel()
        if leaves:
            raise HungUp

    async def _behave(self, wire: Wire, model: str) -> None:
        model, once, _ = model.partition("-once")
        if once and len(self.requests) > 1:
            model = ""
        if model.startswith("e") and model[1:].isdecimal():
            status = int(model[1:])
            error = {"code": status, "message": "secret-key was used to say: private words"}
            await wire.json(status, {"error": error})
        else:
            path = self.requests[-1].path
            usual = next((one for end, one in self.usual.items() if path.endswith(end)), good)
            await BEHAVIOURS.get(model, usual)(self, wire)

    async def say(self, wire: Wire, words: list[str]) -> None:
        for word in words:
            await wire.chunk({"content": word})
            await anyio.sleep(self.seconds_per_word)

    @property
    def pieces(self) -> list[str]:
        """The words with the spaces behind them."""
        return [word + " " for word in self.words.split(" ")]


async def good(fake: FakeOpenRouter, wire: Wire) -> None:
    """Answer as OpenRouter does: comments, an empty delta, words, usage without choices."""
    await wire.begin()
    await wire.comment()
    await wire.chunk({"role": "assistant", "content": ""})
    await fake.say(wire, fake.pieces)
    await wire.comment()
    await wire.chunk({"content": ""}, "stop")
    await wire.data({"choices": [], "usage": USAGE})
    await wire.end()


async def models(fake: FakeOpenRouter, wire: Wire) -> None:
    """List models as OpenRouter, OpenAI and vLLM do."""
    listed = [
        {
            "id": "maker/large",
            "name": "Maker: Large",
            "context_length": 200_000,
            "pricing": {"prompt": "0.000003", "completion": "0.000015", "image": "0"},
        },
        {"id": "varies", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "small", "object": "model"},
        {"id": "local", "object": "model", "max_model_len": 8_192},
    ]
    await wire.json(200, {"object": "list", "data": listed})


async def reasoning(fake: FakeOpenRouter, wire: Wire) -> None:
    """Think aloud first."""
    await wire.begin()
    for thought in ("Hmm, ", "private thoughts."):
        await wire.chunk({"reasoning": thought, "content": ""})
        await wire.chunk({"reasoning_content": thought, "content": None})
    await fake.say(wire, fake.pieces)
    await wire.chunk({}, "stop")
    await wire.end()


async def thinking(fake: FakeOpenRouter, wire: Wire) -> None:
    """Think aloud in the text, as a local server without a parser does."""
    await wire.begin()
    for piece in ("\n<th", "ink>private ", "tho</thin", "k thoughts", "</think>", "\n\n"):
        await wire.chunk({"content": piece})
    await fake.say(wire, fake.pieces)
    await wire.chunk({}, "stop")
    await wire.end()


async def tools(fake: FakeOpenRouter, wire: Wire) -> None:
    """Ask for two tools, their arguments in fragments; answer when the results are there."""
    body = fake.requests[-1].body
    if not body.get("tools") or body["messages"][-1]["role"] == "tool":
        return await good(fake, wire)
    await wire.begin()
    await wire.chunk({"role": "assistant", "content": "Let me look. "})
    for index, (name, pieces) in enumerate(fake.calls):
        call = {"index": index, "id": f"call_{index}", "type": "function"}
        call |= {"function": {"name": name, "arguments": ""}}
        await wire.chunk({"tool_calls": [call]})
        for piece in pieces:
            await wire.chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    await wire.chunk({}, "tool_calls")
    await wire.data({"choices": [], "usage": USAGE})
    await wire.end()


async def toolless(fake: FakeOpenRouter, wire: Wire) -> None:
    """Refuse tools, as OpenRouter and Ollama do for models that take none."""
    if fake.requests[-1].body.get("tools"):
        error = {"code": 404, "message": "No endpoints found that support tool use."}
        await wire.json(404, {"error": error})
    else:
        await good(fake, wire)


async def dangling(fake: FakeOpenRouter, wire: Wire) -> None:
    """Say all, and that it is all, and then nothing more."""
    await wire.begin()
    await fake.say(wire, fake.pieces)
    await wire.chunk({}, "stop")
    await anyio.sleep_forever()


async def dropped(fake: FakeOpenRouter, wire: Wire) -> None:
    """Say all, and that it is all, and hang up."""
    await wire.begin()
    await fake.say(wire, fake.pieces)
    await wire.chunk({}, "stop")
    raise HungUp


async def busy(fake: FakeOpenRouter, wire: Wire) -> None:
    """Want to be left alone for a minute."""
    await wire.json(429, {"error": {"code": 429, "message": "busy"}}, "retry-after: 60\r\n")


async def nothing(fake: FakeOpenRouter, wire: Wire) -> None:
    """Finish without a word."""
    await wire.begin()
    await wire.chunk({"reasoning": "Hmm."}, "length")
    await wire.end()


async def silent(fake: FakeOpenRouter, wire: Wire) -> None:
    """Accept the request and say nothing."""
    await anyio.sleep_forever()


async def slow(fake: FakeOpenRouter, wire: Wire) -> None:
    """Send comments, but never a word."""
    await wire.begin()
    while True:
        await wire.comment()
        await anyio.sleep(0.02)


async def stall(fake: FakeOpenRouter, wire: Wire) -> None:
    """Stop in the middle, and keep the connection."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    await anyio.sleep_forever()


async def hollow(fake: FakeOpenRouter, wire: Wire) -> None:
    """Stop in the middle, and send chunks with nothing in them."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    while True:
        await wire.chunk({"content": ""})
        await anyio.sleep(0.02)


async def counting(fake: FakeOpenRouter, wire: Wire) -> None:
    """Say all, and that it is all, and count on for ever what it took."""
    await wire.begin()
    await fake.say(wire, fake.pieces)
    await wire.chunk({}, "stop")
    while True:
        await wire.chunk({}, "stop", usage=USAGE)
        await anyio.sleep(0.02)


async def endless(fake: FakeOpenRouter, wire: Wire) -> None:
    """Talk until the client hangs up."""
    await wire.begin()
    while True:
        await fake.say(wire, ["on ", "and "])
        await anyio.sleep(0.002)


async def cut(fake: FakeOpenRouter, wire: Wire) -> None:
    """Hang up in the middle."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    raise HungUp


async def refuse(fake: FakeOpenRouter, wire: Wire) -> None:
    """Hang up before a word."""
    raise HungUp


async def short(fake: FakeOpenRouter, wire: Wire) -> None:
    """End properly, but too early."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    await wire.stream.send(b"0\r\n\r\n")


async def error(fake: FakeOpenRouter, wire: Wire) -> None:
    """Report an error in the middle of the stream."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    broken = {"code": 502, "message": "secret-key was used to say: private words"}
    await wire.chunk({"content": ""}, "error", error=broken)
    await wire.end()


async def early_error(fake: FakeOpenRouter, wire: Wire) -> None:
    """Report an error in the stream before a word."""
    await wire.begin()
    await wire.chunk({"content": ""}, "error", error={"code": 429, "message": "busy"})
    await wire.end()


async def corrupt(fake: FakeOpenRouter, wire: Wire) -> None:
    """Send bytes that are no UTF-8."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    await wire.raw(b'data: {"choices": [{"delta": {"content": "\xff\xfe\x80"}}]}\n\n')
    await wire.end()


async def broken_json(fake: FakeOpenRouter, wire: Wire) -> None:
    """Send half an object."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    await wire.raw(b'data: {"choices": [{"delta": {"content": "priv\n\n')
    await wire.end()


async def odd(fake: FakeOpenRouter, wire: Wire) -> None:
    """Send objects that are no chunks."""
    await wire.begin()
    await fake.say(wire, fake.pieces[:3])
    await wire.raw(b'data: {"choices": [{"delta": null}]}\n\ndata: [1, 2]\n\n')
    await wire.end()


async def unclean(fake: FakeOpenRouter, wire: Wire) -> None:
    """Send letters that no store keeps."""
    await wire.begin()
    await fake.say(wire, ["a\0b ", "\ud83d", "\ude42 ", "\ud83d\ude42"])
    await wire.chunk({}, "stop")
    await wire.end()


async def no_http(fake: FakeOpenRouter, wire: Wire) -> None:
    """Speak another protocol."""
    await wire.stream.send(b"SSH-2.0-OpenSSH_9.9\r\n")
    raise HungUp


async def html(fake: FakeOpenRouter, wire: Wire) -> None:
    """Answer with a page, as a captive portal does."""
    page = b"<html>Log in</html>"
    await wire.stream.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%b"
        % (len(page), page)
    )


async def redirect(fake: FakeOpenRouter, wire: Wire) -> None:
    """Point elsewhere."""
    where = f"location: http://127.0.0.1:{fake.port}/elsewhere\r\n"
    await wire.json(307, {}, where)


BEHAVIOURS: dict[str, Behaviour] = {
    function.__name__: function
    for function in (
        good, models, reasoning, thinking, tools, toolless, dangling, dropped, busy, nothing,
        silent, slow, stall, hollow, counting, endless, cut, refuse, short, error,
        early_error, corrupt, broken_json, odd, unclean, no_http, html, redirect,
    )
}  # fmt: skip


@asynccontextmanager
async def open_fake(port: int = 0) -> AsyncIterator[FakeOpenRouter]:
    """Serve on a free port until the block ends."""
    fake = FakeOpenRouter()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    fake.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, fake.handle)
        yield fake
        tasks.cancel_scope.cancel()


async def main() -> None:
    async with open_fake(int(sys.argv[1]) if sys.argv[1:] else 0) as fake:
        fake.seconds_per_word = 0.05
        print(fake.url, "models:", *BEHAVIOURS, "eNNN", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
