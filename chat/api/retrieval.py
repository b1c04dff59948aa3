"""Searching an index, and looking into its files."""

from typing import Any, cast

from django.conf import settings
from django.db import models
from pydantic import BaseModel, Field, field_validator, model_validator

from chat.errors import Conflict, NotFound
from chat.models import Document, Index, Project
from chat.models.prepared import Prepared, columns, made
from chat.models.threads import in_thread
from chat.retrieval import reading
from chat.retrieval.base import Condition, Operator, Query
from chat.retrieval.search import search
from chat.retrieval.shapes import passage_json

from .errors import or_else
from .openapi import A_DIRECTORY_FILE
from .pagination import Page, Paging, paginate_list
from .routing import ProjectRouter, Request, no_such

router = ProjectRouter(tags=["Retrieval"])

MOST_RESULTS = 500
MOST_CONTEXT = 10_000_000  # characters around the matches of one page
FILE_ID = "file_id"

Scalar = bool | float | str


class Test(BaseModel):
    """One condition; ``in`` and ``nin`` take a list, the others a single value."""

    operator: Operator
    value: Scalar | list[Scalar]

    @model_validator(mode="after")
    def value_suits_operator(self):
        if (self.operator in ("in", "nin")) != isinstance(self.value, list):
            raise ValueError("in and nin take a list of values, other operators a single value")
        return self


class Rerank(BaseModel):
    enabled: bool = True
    top_n: int | None = Field(default=None, ge=1)


class StaticFilters(BaseModel):
    parsed_directory_file_id: Test | None = None


class Search(BaseModel):
    index_id: str
    query: str = Field(max_length=settings.MAX_PROMPT_CHARS, examples=["connect Ollama"])
    top_k: int | None = Field(
        default=10, ge=1, description=f"More than {MOST_RESULTS} is reduced to it."
    )
    rerank: Rerank = Rerank()
    full_text_pipeline_weight: float | None = Field(default=None, ge=0, le=1)
    vector_pipeline_weight: float | None = Field(default=None, ge=0, le=1)
    num_candidates: int | None = Field(default=None, ge=1)
    score_threshold: float | None = None
    custom_filters: dict[str, Test | list[Test] | None] | None = Field(
        default=None,
        description="By field of the metadata, or `file_name`; all conditions must hold.",
        examples=[{"year": [{"operator": "gte", "value": 2020}]}],
    )
    static_filters: StaticFilters | None = None

    @field_validator("query")
    @classmethod
    def query_is_not_blank(cls, query: str) -> str:
        if not query.strip():
            raise ValueError("a query must not be blank")
        return query

    def conditions(self) -> tuple[Condition, ...]:
        tests: list[tuple[str, Test | list[Test] | None]] = [*(self.custom_filters or {}).items()]
        if self.static_filters:
            tests.append((FILE_ID, self.static_filters.parsed_directory_file_id))
        return tuple(
            Condition(field, test.operator, test.value)
            for field, given in tests
            for test in (given if isinstance(given, list) else [given])
            if test is not None
        )


class Attachment(BaseModel):
    attachment_name: str = Field(examples=["screenshots/page_1.jpg"])
    source_id: str = Field(examples=[A_DIRECTORY_FILE])
    type: str = Field(examples=["screenshot"])


class StaticFields(BaseModel):
    parsed_directory_file_id: str = Field(examples=[A_DIRECTORY_FILE])
    chunk_index: int = Field(examples=[0])
    chunk_start_char: int = Field(examples=[8])
    chunk_end_char: int = Field(examples=[39])
    chunk_token_count: int = Field(examples=[9])
    page_range_start: int | None = Field(examples=[1])
    page_range_end: int | None = Field(examples=[1])
    attachments: list[Attachment]


class Result(BaseModel):
    content: str = Field(examples=["The pump is oiled every Monday."])
    score: float = Field(examples=[0.82])
    rerank_score: float | None = Field(examples=[0.91])
    metadata: dict[str, Any] = Field(examples=[{"year": 2026, "file_name": "pump.md"}])
    static_fields: StaticFields


class Results(BaseModel):
    results: list[Result] = Field(description="Best first.")


@router.post("/retrieve", response={200: Results} | or_else(409, 413), summary="Search an index")
async def retrieve(request: Request, wanted: Search):
    """Words and meaning are ranked together, and the best looked at twice unless told not to."""
    index = await _searchable(request, wanted.index_id)
    passages = await search(
        Query(
            text=wanted.query,
            index_ids=(index.pk,),
            top_k=min(wanted.top_k or 10, MOST_RESULTS),
            full_text_weight=wanted.full_text_pipeline_weight,
            vector_weight=wanted.vector_pipeline_weight,
            num_candidates=wanted.num_candidates and min(wanted.num_candidates, MOST_RESULTS),
            rerank=wanted.rerank.enabled,
            rerank_top_n=wanted.rerank.top_n,
            score_threshold=wanted.score_threshold,
            conditions=wanted.conditions(),
        )
    )
    return {"results": [passage_json(passage) for passage in passages]}


class FindFiles(Paging):
    index_id: str
    file_name: str | None = Field(default=None, description="Exact.")
    file_name_contains: str | None = Field(default=None, description="Literal, in any case.")


class FoundFile(BaseModel):
    file_id: str = Field(examples=[A_DIRECTORY_FILE])
    file_name: str = Field(examples=["pump.md"])


@router.post(
    "/files/find",
    response={200: Page[FoundFile]} | or_else(409, 413),
    summary="Find an index's files by name",
)
def find_files(request: Request, wanted: FindFiles):
    index = searchable(request, wanted.index_id)
    found = [
        FoundFile(**file)
        for file in reading.find([index.pk], wanted.file_name or None, wanted.file_name_contains)
    ]
    return paginate_list(found, "files", lambda file: [file.file_name, file.file_id], wanted)


class Grep(Paging):
    index_id: str
    file_id: str = Field(description="As in `parsed_directory_file_id`.")
    pattern: str = Field(min_length=1, description="RE2 syntax.", examples=["LLM_[A-Z_]+"])
    context_chars: int | None = Field(
        default=None, ge=0, le=100_000, description="With many of them, pages have fewer matches."
    )


class GrepMatch(BaseModel):
    content: str = Field(description="The match with its context.", examples=["every Monday."])
    start_char: int = Field(examples=[26])
    end_char: int = Field(examples=[39])


@router.post(
    "/files/grep",
    response={200: Page[GrepMatch]} | or_else(409, 413),
    summary="Search a file for a pattern",
)
def grep_file(request: Request, wanted: Grep):
    """Offsets are in characters of the text that `read` gives."""
    document = document_of(request, wanted.index_id, wanted.file_id)
    around = wanted.context_chars or 0
    most = max(1, MOST_CONTEXT // max(1, 2 * around))
    paging = Paging(page_size=min(wanted.size, most), page_token=wanted.page_token)
    matches = reading.grep(document, wanted.pattern)
    page = paginate_list(matches, "matches", lambda match: [match.start_char], paging)
    return Page[GrepMatch](
        items=[
            GrepMatch(
                content=match.within(document.text, around),
                start_char=match.start_char,
                end_char=match.end_char,
            )
            for match in page.items
        ],
        next_page_token=page.next_page_token,
        total_size=page.total_size,
    )


class Read(BaseModel):
    index_id: str
    file_id: str
    offset: int = Field(default=0, ge=0)
    max_length: int | None = Field(default=None, ge=0)


class Text(BaseModel):
    content: str = Field(examples=["# Pump\n\nThe pump is oiled every Monday.\n"])


@router.post("/files/read", response={200: Text} | or_else(409, 413), summary="Read a file's text")
def read_file(request: Request, wanted: Read):
    document = document_of(request, wanted.index_id, wanted.file_id)
    return Text(content=reading.read(document, wanted.offset, wanted.max_length))


def searchable(request: Request, index_id: str) -> Index:
    """Raises ``NotFound``, and ``Conflict`` before the first sync has ended."""
    row = _visible.first(actor=request.auth, project=request.project.pk, pk=index_id)
    if row is None:
        raise no_such(Index.objects.all())
    index = made(Index, row)
    if index.last_synced_at is None:
        raise Conflict("This index has not been synced yet. Wait until its status is ready.")
    return index


_visible = Prepared(
    lambda actor, project, pk: (
        Index.objects.visible_to(actor).filter(project=project, pk=pk).values_list(*columns(Index))
    ),
    project=cast(models.Field, Project._meta.pk),
    pk=models.CharField(),
)

_searchable = in_thread(searchable)


def document_of(request: Request, index_id: str, file_id: str) -> Document:
    index = searchable(request, index_id)
    rows = Document.objects.visible_to(request.auth).readable()
    document = rows.filter(index=index, directory_file=file_id).first()
    if document is None:
        raise NotFound("No such file.")
    return document
