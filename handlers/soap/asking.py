"""One question to a language model's server, within one bound of time and one of size.

The `openai` client's own timeout bounds each read, so a server that sends byte by byte could hold it
for hours. Here the whole conversation, with its repetitions, is one task that is cancelled at the
end of its time: the connection is closed, and no thread stays behind (except one that looks up the
server's name, which the system's resolver bounds).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from handlers.soap_writer import DraftFailed, DraftFailure

ANSWER_BYTES_MAX: Final = 2 << 20
# A connection kept for the second round could be closed by the server just when it is used again.
ONE_USE: Final = httpx2.Limits(max_connections=1, max_keepalive_connections=0)

Answer = TypeVar("Answer")
Ask = Callable[[list[ChatCompletionMessageParam]], Awaitable[str]]


class AnswerTooLargeError(Exception):
    """The server's answer is too large, or compressed."""


class Server:
    """An OpenAI-compatible server. `seconds` bounds a whole conversation, not each read."""

    def __init__(self, *, url: str, key: str, model: str, seconds: float) -> None:
        self.model = model
        self._url = url
        self._key = key
        self._seconds = seconds

    def converse(self, talk: Callable[[Ask], Awaitable[Answer]], schema: dict[str, Any]) -> Answer:
        """Run `talk`, and return its result. Raises `DraftFailed`."""
        try:
            return asyncio.run(self._bounded(talk, schema))
        except openai.APIStatusError as error:
            raise DraftFailed(_by_status(error.status_code)) from None
        except TimeoutError:
            raise DraftFailed(DraftFailure.LLM_TOO_SLOW) from None
        except AnswerTooLargeError:
            raise DraftFailed(DraftFailure.LLM_ANSWER_TOO_LARGE) from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, AnswerTooLargeError):
                raise DraftFailed(DraftFailure.LLM_ANSWER_TOO_LARGE) from None
            raise DraftFailed(DraftFailure.LLM_UNREACHABLE) from None
        except (
            openai.OpenAIError,
            ValueError,
            RecursionError,
        ):  # not JSON, or not the shape of a completion
            raise DraftFailed(DraftFailure.LLM_ANSWER_INVALID) from None

    async def _bounded(
        self, talk: Callable[[Ask], Awaitable[Answer]], schema: dict[str, Any]
    ) -> Answer:
        async with (
            asyncio.timeout(self._seconds),
            httpx2.AsyncClient(
                transport=_Bounded(httpx2.AsyncHTTPTransport(retries=0, limits=ONE_USE)),
                follow_redirects=False,  # words go to the server that was named, to no other
                trust_env=False,  # ... and through no proxy that the environment names
                timeout=None,  # the bound around it all holds
                headers={"Accept-Encoding": "identity"},
            ) as http,
            openai.AsyncOpenAI(
                base_url=self._url, api_key=self._key, max_retries=0, http_client=http
            ) as client,
        ):
            return await talk(lambda messages: self._ask(client, messages, schema))

    async def _ask(
        self,
        client: openai.AsyncOpenAI,
        messages: list[ChatCompletionMessageParam],
        schema: dict[str, Any],
    ) -> str:
        """The text of the server's answer to one request; it was asked for JSON by the schema."""

        async def completion(**options: Any) -> Any:
            return await client.chat.completions.create(
                model=self.model,
                messages=messages,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "soap_note", "strict": True, "schema": schema},
                },
                **options,
            )

        try:
            answer = await completion(temperature=0)
        except openai.BadRequestError as error:
            if error.param != "temperature":  # some models take none but their own
                raise
            answer = await completion()
        try:
            return str(answer.choices[0].message.content or "")
        except (AttributeError, IndexError, TypeError):  # the client does not check shapes
            raise ValueError("no completion") from None


def _by_status(status: int) -> DraftFailure:
    if status == 413:
        return DraftFailure.LLM_TOO_LONG
    if status in {408, 409, 425, 429} or status >= 500:
        return DraftFailure.LLM_BUSY
    return DraftFailure.LLM_REFUSED


class _Bounded(httpx2.AsyncBaseTransport):
    """Stops reading an answer (also an error's) that grows beyond the bound."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.stream.aclose()
            raise AnswerTooLargeError  # asked for uncompressed: its inflated size is unknown
        response.stream = _Counted(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._inner:
            read += len(chunk)
            if read > ANSWER_BYTES_MAX:
                raise AnswerTooLargeError
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
