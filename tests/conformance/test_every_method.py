"""Every method of the contract that the flow does not touch: success, and what may go wrong."""

import uuid

import httpx
import pytest
from llama_cloud import (
    AuthenticationError,
    ConflictError,
    LlamaCloud,
    NotFoundError,
    UnprocessableEntityError,
)

from tests.server import Server

from .conftest import Library, wait_until_ready


def test_projects_in_both_shapes(client: LlamaCloud):
    listed = client.projects.list()
    project = client.projects.get(listed[0].id)
    paged = list(client.v2_projects.list(page_size=1))
    second = client.v2_projects.get(project.id)

    assert project.is_default is True
    assert [one.id for one in paged] == [one.id for one in listed]
    assert second.organization_id == project.organization_id
    assert client.projects.list(project_name="no such") == []
    with pytest.raises(NotFoundError):
        client.projects.get(str(uuid.uuid4()))


@pytest.mark.filterwarnings("ignore:Use the GET /files endpoint:DeprecationWarning")
def test_a_file_goes_through_its_whole_life(client: LlamaCloud, impatient: LlamaCloud):
    content = b"\x00\x01 any bytes\n"
    made = client.files.create(
        file=("Bericht 漢字.TXT", content), purpose="user_data", external_file_id="ext-9"
    )
    got = client.files.retrieve(made.id, expand=["download_url"])
    listed = list(client.files.list(external_file_id="ext-9", file_ids=[made.id]))
    queried = client.files.query(filter={"file_name": made.name}, order_by="name desc")
    signed = client.files.content(made.id, expires_at_seconds=60)

    assert (made.name, made.file_type) == ("Bericht 漢字.TXT", "txt")
    assert got.download_url is not None
    assert [file.id for file in listed] == [file.id for file in queried.items] == [made.id]
    assert httpx.get(signed.url).content == httpx.get(got.download_url.url).content == content
    assert httpx.get(signed.url + "x").status_code == 403
    client.files.delete(made.id)
    assert httpx.get(signed.url).status_code == 404
    for call in (client.files.retrieve, client.files.content, impatient.files.delete):
        with pytest.raises(NotFoundError):
            call(made.id)


def test_bare_bytes_arrive_as_upload(client: LlamaCloud):
    made = client.files.create(file=b"bare", purpose="parse")

    assert made.name == "upload"
    client.files.delete(made.id)


def test_a_walk_over_all_pages_sees_each_file_once(client: LlamaCloud):
    made = {
        client.files.create(
            file=(f"{number}.txt", b"x"), purpose="user_data", external_file_id="walk"
        ).id
        for number in range(5)
    }

    walked = [file.id for file in client.files.list(external_file_id="walk", page_size=2)]

    assert len(walked) == 5
    assert set(walked) == made
    for file_id in made:
        client.files.delete(file_id)


def test_a_directory_goes_through_its_whole_life(client: LlamaCloud, impatient: LlamaCloud):
    directories = client.beta.directories
    made = directories.create(name="Letters", description="Old", type="ephemeral")
    changed = directories.update(made.id, name="Post")
    file = client.files.create(file=("a.md", b"# A"), purpose="user_data")
    entry = directories.files.add(made.id, file_id=file.id, metadata={"n": 1, "tags": ["a"]})
    entry = directories.files.update(entry.id, directory_id=made.id, display_name="A.md")
    got = directories.files.get(entry.id, directory_id=made.id, expand=["download_url"])

    assert (directories.get(made.id).name, changed.description) == ("Post", "Old")
    assert made.id in [one.id for one in directories.list(types=["ephemeral"])]
    assert got.display_name == "A.md"
    assert got.metadata == {"n": 1, "tags": ["a"]}
    assert got.download_url is not None
    assert [one.id for one in directories.files.list(made.id)] == [entry.id]
    with pytest.raises(ConflictError) as taken:
        client.beta.directories.files.add(made.id, file_id=file.id, unique_id=entry.unique_id)
    assert taken.value.response.headers["x-should-retry"] == "false"
    directories.files.delete(entry.id, directory_id=made.id)
    with pytest.raises(NotFoundError):
        directories.files.get(entry.id, directory_id=made.id)
    directories.delete(made.id)
    with pytest.raises(NotFoundError):
        directories.get(made.id)


def test_a_sync_right_after_create_leans_on_the_retry(client: LlamaCloud):
    directory = client.beta.directories.create(name="Empty")
    index = client.indexes.create(source_directory_id=directory.id, description="Nothing")

    client.indexes.sync(index.id)

    assert wait_until_ready(client, index.id) == "ready"
    found = list(client.indexes.list(source_directory_id=directory.id))
    assert [one.id for one in found] == [index.id]
    client.indexes.delete(index.id)
    with pytest.raises(NotFoundError):
        client.indexes.get(index.id)


def test_new_and_removed_files_are_found_and_forgotten_after_a_sync(client: LlamaCloud):
    directory = client.beta.directories.create(name="Changing")
    files = client.beta.directories.files
    first = files.upload(directory.id, upload_file=("one.md", b"The heron stands still."))
    index = client.indexes.create(source_directory_id=directory.id)
    wait_until_ready(client, index.id)
    files.upload(directory.id, upload_file=("two.md", b"The kingfisher dives."))
    files.delete(first.id, directory_id=directory.id)

    client.indexes.sync(index.id)
    wait_until_ready(client, index.id)

    names = [file.file_name for file in client.retrieval.find(index_id=index.id)]
    assert names == ["two.md"]
    metadata = client.indexes.get(index.id, expand=["sync_in_progress"])
    assert metadata.sync_in_progress is False
    assert (metadata.metadata or {})["files_total"] == 1


def test_nothing_to_cancel_is_a_conflict_that_is_not_retried(client: LlamaCloud, library: Library):
    with pytest.raises(ConflictError) as refused:
        client.indexes.cancel_sync(library.index_id)

    assert refused.value.response.headers["x-should-retry"] == "false"


def test_a_search_can_be_narrowed_weighed_cut_and_left_unranked(
    client: LlamaCloud, library: Library
):
    def names(**options):
        found = client.retrieval.retrieve(index_id=library.index_id, query="the", **options)
        return {(result.metadata or {})["file_name"] for result in found.results}

    lamp = "lamp of the lighthouse"
    plain = client.retrieval.retrieve(
        index_id=library.index_id, query=lamp, rerank={"enabled": False}
    )
    scores = [result.score for result in plain.results]

    assert names(custom_filters={"year": {"operator": "eq", "value": 2001}}) == {"harbour.txt"}
    assert names(
        custom_filters={
            "year": [{"operator": "gte", "value": 2000}, {"operator": "lt", "value": 2001}]
        }
    ) == {"lighthouse.md"}
    assert names(custom_filters={"file_name": {"operator": "in", "value": ["harbour.txt"]}}) == {
        "harbour.txt"
    }
    only = {"operator": "eq", "value": library.files["harbour.txt"]}
    assert names(static_filters={"parsed_directory_file_id": only}) == {"harbour.txt"}
    assert names(score_threshold=1e9) == set()
    assert scores == sorted(scores, reverse=True)
    assert all(result.rerank_score is None for result in plain.results)
    ranked = client.retrieval.retrieve(
        index_id=library.index_id,
        query=lamp,
        top_k=10_000,
        full_text_pipeline_weight=0.2,
        vector_pipeline_weight=0.8,
        num_candidates=20,
        rerank={"top_n": 1},
    )
    assert len(ranked.results) == 1
    assert ranked.results[0].rerank_score is not None


def test_looking_into_a_file_comes_in_pages_and_ends(client: LlamaCloud, library: Library):
    place = {"index_id": library.index_id, "file_id": library.files["harbour.txt"]}

    text = client.retrieval.read(**place).content
    part = client.retrieval.read(**place, offset=4, max_length=7).content
    past = client.retrieval.read(**place, offset=10**9).content
    matches = list(client.retrieval.grep(**place, pattern="(?i)the", context_chars=3, page_size=1))

    assert part == text[4:11] == "harbour"
    assert past == ""
    assert len(matches) == 3
    assert [text[one.start_char : one.end_char].lower() for one in matches] == ["the"] * 3
    assert matches[1].content in text
    with pytest.raises(UnprocessableEntityError):
        client.retrieval.grep(**place, pattern="(")
    with pytest.raises(NotFoundError):
        client.retrieval.read(index_id=library.index_id, file_id="dfl-0")


def test_export_config_ids_are_index_ids(client: LlamaCloud, library: Library):
    index = client.indexes.get(library.index_id)

    found = client.retrieval.retrieve(index_id=index.export_config_id, query="tide tables")

    assert found.results


def test_a_wrong_key_is_refused(server: Server):
    with (
        LlamaCloud(base_url=server.url, api_key="crl-wrong") as client,
        pytest.raises(AuthenticationError),
    ):
        client.projects.list()
