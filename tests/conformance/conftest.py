"""The official SDK, strict about every answer, and an index to ask."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from llama_cloud import AsyncLlamaCloud, LlamaCloud

from tests.server import Server

PATIENCE = 60.0  # seconds for a sync; one takes two


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[LlamaCloud]:
    with LlamaCloud(
        base_url=server.url, api_key=server.api_key, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[AsyncLlamaCloud]:
    async with AsyncLlamaCloud(
        base_url=server.url, api_key=server.api_key, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture(scope="session")
def impatient(server: Server) -> Iterator[LlamaCloud]:
    """The same without retries, for what is expected to fail."""
    with LlamaCloud(
        base_url=server.url,
        api_key=server.api_key,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


@dataclass(frozen=True, slots=True)
class Library:
    directory_id: str
    index_id: str
    files: dict[str, str]  # id of the directory file, by name


PAPERS = {
    "lighthouse.md": "# Lighthouse\n\nThe lamp of the lighthouse was lit in 1871 by Ada Keller.\n",
    "harbour.txt": "The harbour master keeps the tide tables in the blue cabinet.\n",
    "Ünïcode 漢字.md": "# Schrift\n\nDie Schriftrolle liegt im Turm. 🗝️\n",
}


@pytest.fixture(scope="session")
def library(client: LlamaCloud) -> Library:
    """Three short papers, filed and indexed."""
    return make_library(client, PAPERS)


def make_library(client: LlamaCloud, papers: dict[str, str]) -> Library:
    directory = client.beta.directories.create(name="Papers")
    files = {
        name: client.beta.directories.files.upload(
            directory.id,
            upload_file=(name, text.encode()),
            metadata=f'{{"year": {2000 + number}, "tags": ["paper", "n{number}"]}}',
        ).id
        for number, (name, text) in enumerate(papers.items())
    }
    index = client.indexes.create(source_directory_id=directory.id)
    wait_until_ready(client, index.id)
    return Library(directory.id, index.id, files)


def wait_until_ready(client: LlamaCloud, index_id: str) -> str:
    """The status the index came to rest in: ready or failed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        status = str((client.indexes.get(index_id).metadata or {})["status"])
        if status in ("ready", "failed"):
            return status
        assert time.monotonic() < deadline, "the sync takes too long"
        time.sleep(0.1)
