"""The tools a model may call: retrieve, find, grep and read, over the indexes of the turn."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from channels.db import database_sync_to_async

from chat.errors import CarrelError, Invalid, NotFound
from chat.models import Document
from chat.models.threads import in_thread
from chat.providers.base import Call, Excerpt, ToolSpec
from chat.retrieval import reading
from chat.retrieval.base import Passage, Query
from chat.retrieval.search import search
from chat.retrieval.shapes import passage_json

from .citations import Shown

logger = logging.getLogger(__name__)

TOP_K = 10
CONTENT_CHARS = 1_200  # of one passage in an event
READ_CHARS = 6_000  # of one read
GREP_MATCHES = 20
FIND_FILES = 50


def _object(required: Sequence[str], **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


_INDEX = {"type": "string", "description": "Id of one of the indexes of this turn"}
_FILE = {"type": "string", "description": "Id of a file (dfl-…), from retrieve or find"}
TOOLS = (
    ToolSpec(
        "retrieve",
        "Search the documents by meaning and by words. Gives numbered passages, best first.",
        _object(
            ["query"],
            query={"type": "string", "description": "What to look for, complete in itself"},
            index_ids={"type": "array", "items": {"type": "string"}, "description": "Default: all"},
            top_k={"type": "integer", "minimum": 1, "maximum": 30},
        ),
    ),
    ToolSpec(
        "find",
        "List the files of an index whose name contains some text.",
        _object(
            ["index_id", "file_name_contains"],
            index_id=_INDEX,
            file_name_contains={"type": "string"},
        ),
    ),
    ToolSpec(
        "grep",
        "Find places in one file by a regular expression (RE2 syntax).",
        _object(
            ["index_id", "file_id", "pattern"],
            index_id=_INDEX,
            file_id=_FILE,
            pattern={"type": "string"},
            context_chars={"type": "integer", "minimum": 0, "maximum": 2000},
        ),
    ),
    ToolSpec(
        "read",
        "Read part of one file, from a character offset.",
        _object(
            ["index_id", "file_id"],
            index_id=_INDEX,
            file_id=_FILE,
            offset={"type": "integer", "minimum": 0},
            max_length={"type": "integer", "minimum": 1},
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A tool's result for the log and the model, and the passages in it as values."""

    result: dict[str, Any]
    excerpts: tuple[Excerpt, ...] = ()
    numbers: Collection[int] = ()  # of the passages in it, those that the model is told
    failed: CarrelError | None = None


class Toolbox:
    """The tools of one turn. It remembers, under their numbers, the passages they have found."""

    def __init__(self, index_names: Mapping[str, str]):
        self.index_names = index_names
        self.found: dict[int, Shown] = {}
        self._numbers: dict[tuple[str, str, int, int], int] = {}
        self._tools: dict[str, Callable[..., Awaitable[Outcome]]] = {
            "retrieve": self.retrieve,
            "find": self.find,
            "grep": self.grep,
            "read": self.read,
        }

    async def use(self, call: Call) -> Outcome:
        """Do a call. What goes wrong with it is its result, told to the model."""
        tool = self._tools.get(call.name)
        try:
            if tool is None:
                raise Invalid(f"There is no tool {call.name}. Use {', '.join(self._tools)}.")
            if call.broken is not None:
                raise Invalid("The arguments are not a JSON object.")
            return await tool(**_arguments(call))
        except CarrelError as error:
            return Outcome({"error": error.message}, failed=error)
        except Exception:
            logger.exception("tool failed tool=%s", call.name)
            error = CarrelError("The tool failed; the server's log has the details.")
            return Outcome({"error": error.message}, failed=error)

    async def retrieve(
        self, query: str, index_ids: Sequence[str] = (), top_k: int = TOP_K
    ) -> Outcome:
        if not query.strip():
            raise Invalid("The query is empty.")
        for index_id in index_ids:
            self._require(index_id)
        chosen = tuple(index_ids) or tuple(self.index_names)
        passages = _once(await search(Query(query, chosen, top_k=max(1, min(top_k, 30)))))
        over = {one.document_id for one in passages if one.page_start != one.page_end}
        page_starts = await _page_starts(over) if over else {}
        results, excerpts = [], []
        for passage in passages:
            number = self._number_passage(passage, page_starts.get(passage.document_id, ()))
            place = {"number": number, "index_id": passage.index_id, "heading": passage.heading}
            results.append({**place, **passage_json(passage, passage.text[:CONTENT_CHARS])})
            excerpts.append(_excerpt(number, passage))
        return Outcome({"results": results}, tuple(excerpts))

    async def fit(self, query: str) -> float:
        """How well the best passage fits a query, from 0 to 1; 0 where the search fails."""
        aside = Toolbox(self.index_names)  # nothing is shown of what this finds
        found = await aside.use(Call("", "retrieve", {"query": query, "top_k": 1}))
        return max((one.score for one in found.excerpts), default=0.0)

    async def find(self, index_id: str, file_name_contains: str) -> Outcome:
        self._require(index_id)
        files = await _find(index_id, file_name_contains)
        return Outcome({"items": files[:FIND_FILES], "total_size": len(files)})

    async def grep(
        self, index_id: str, file_id: str, pattern: str, context_chars: int = 200
    ) -> Outcome:
        document = await self._document(index_id, file_id)
        matches = await _grep(document, pattern)
        items = []
        for match in matches[:GREP_MATCHES]:
            content = match.within(document.text, max(0, min(context_chars, 2_000)))
            number = self._number_span(document, match.start_char, match.end_char, content)
            items.append({"number": number, "content": content, **asdict(match)})
        return Outcome({**_named(document), "items": items, "total_size": len(matches)})

    async def read(
        self, index_id: str, file_id: str, offset: int = 0, max_length: int = READ_CHARS
    ) -> Outcome:
        document = await self._document(index_id, file_id)
        offset = max(0, offset)
        content = document.text[offset : offset + max(1, min(max_length, READ_CHARS))]
        place = {"start_char": offset, "end_char": offset + len(content)}
        total = {"total_chars": len(document.text)}
        if not content:
            return Outcome({**_named(document), **place, **total, "content": ""})
        number = self._number_span(document, offset, offset + len(content), content)
        return Outcome({"number": number, **_named(document), **place, **total, "content": content})

    def _require(self, index_id: str) -> None:
        if index_id not in self.index_names:
            known = ", ".join(f"{id} ({name})" for id, name in self.index_names.items())
            raise NotFound(f"{index_id} is not an index of this turn. These are: {known}.")

    async def _document(self, index_id: str, file_id: str) -> Document:
        self._require(index_id)
        document = await _readable(index_id, file_id)
        if document is None:
            raise NotFound(f"There is no file {file_id} in that index; use find to list files.")
        return document

    def _number_passage(self, passage: Passage, page_starts: Sequence[int]) -> int:
        return self._number(
            index_id=passage.index_id,
            file_id=passage.file_id,
            file_name=passage.file_name,
            page=passage.page_start,
            start_char=passage.start_char,
            end_char=passage.end_char,
            text=passage.text,
            page_starts=page_starts,
        )

    def _number_span(self, document: Document, start: int, end: int, text: str) -> int:
        return self._number(
            index_id=document.index_id,
            file_id=document.directory_file_id,
            file_name=document.name,
            page=document.page_at(start),
            start_char=start,
            end_char=end,
            text=text,
            page_starts=document.page_starts,
        )

    def _number(self, **span: Any) -> int:
        """The number of a span, given as ``Shown`` has it: the one it has, else the next."""
        known = span["index_id"], span["file_id"], span["start_char"], span["end_char"]
        number = self._numbers.setdefault(known, len(self._numbers) + 1)
        self.found[number] = Shown(number, **span)
        return number


def _arguments(call: Call) -> dict[str, Any]:
    """The call's arguments, checked against the tool's own schema as far as it goes."""
    spec = next(spec for spec in TOOLS if spec.name == call.name)
    kinds = {"string": str, "integer": int, "array": list}
    properties = spec.parameters["properties"]
    arguments = {
        name: value
        for name, value in call.arguments.items()
        if name in properties and value is not None
    }
    for name, value in arguments.items():
        kind = properties[name]["type"]
        if not isinstance(value, kinds[kind]) or isinstance(value, bool):
            raise Invalid(f"{name} must be of type {kind}.")
    for name in spec.parameters["required"]:
        if name not in arguments:
            raise Invalid(f"{name} is missing.")
    return arguments


def _once(passages: Iterable[Passage]) -> list[Passage]:
    """Without what another index over the same directory has as well."""
    first: dict[tuple[str, int, int, str], Passage] = {}
    for one in passages:
        first.setdefault((one.file_id, one.start_char, one.end_char, one.text), one)
    return list(first.values())


def _excerpt(number: int, passage: Passage) -> Excerpt:
    page = f", page {passage.page_start}" if passage.page_start else ""
    score = passage.score if passage.rerank_score is None else passage.rerank_score
    return Excerpt(number, passage.file_name + page, passage.heading, passage.text, score)


def _named(document: Document) -> dict[str, str]:
    return {
        "index_id": document.index_id,
        "file_id": document.directory_file_id,
        "file_name": document.name,
    }


@in_thread
def _readable(index_id: str, file_id: str) -> Document | None:
    return Document.objects.readable().filter(index=index_id, directory_file=file_id).first()


def _read_page_starts(document_ids: Iterable[int]) -> dict[int, list[int]]:
    """By document, where its pages start."""
    documents = Document.objects.filter(pk__in=document_ids)
    return dict(documents.values_list("pk", "page_starts"))


_page_starts = in_thread(_read_page_starts)
_find = database_sync_to_async(
    lambda index_id, part: reading.find([index_id], file_name_contains=part), thread_sensitive=False
)
_grep = database_sync_to_async(reading.grep, thread_sensitive=False)
