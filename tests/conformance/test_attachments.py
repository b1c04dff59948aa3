"""What a sync keeps beside a file, through the SDK."""

import io

import httpx
import pytest
from llama_cloud import AsyncLlamaCloud, LlamaCloud, NotFoundError, UnprocessableEntityError
from PIL import Image

from tests.retrieval.samples import pdf

from .conftest import Library, wait_until_ready

PAGES = [
    ["Beacons", "The beacon on the north pier is painted red."],
    ["Buoys", "The bell buoy rings when the swell is high."],
]


@pytest.fixture(scope="module")
def harbour(client: LlamaCloud) -> Library:
    """A PDF of two pages and a text without any, with everything kept."""
    directory = client.beta.directories.create(name="Harbour")
    papers = {"marks.pdf": pdf(PAGES), "tides.md": b"# Tides\n\n- low at six\n- high at noon\n"}
    upload = client.beta.directories.files.upload
    files = {
        name: upload(directory.id, upload_file=(name, content)).id
        for name, content in papers.items()
    }
    index = client.indexes.create(
        source_directory_id=directory.id, store_attachments=["screenshots", "items"]
    )
    assert wait_until_ready(client, index.id) == "ready"
    return Library(directory.id, index.id, files)


def test_pages_of_a_pdf_are_kept_as_pictures_and_items(client: LlamaCloud, harbour: Library):
    source = harbour.files["marks.pdf"]
    listed = list(client.beta.attachments.list(source_id=source, page_size=1))
    names = [one.name for one in listed]
    shot = client.beta.attachments.get("screenshots/page_1.jpg", source_id=source)
    items = client.beta.attachments.get("items/page_2.json", source_id=source)

    with Image.open(io.BytesIO(httpx.get(shot.url).content)) as picture:
        size = picture.size
    kept = httpx.get(items.url).json()

    assert sorted(names) == [
        *("items/page_1.json", "items/page_2.json"),
        *("screenshots/page_1.jpg", "screenshots/page_2.jpg"),
    ]
    assert all(one.size > 0 for one in listed)
    assert size[1] > size[0] > 500  # a page upright
    assert kept["page"] == 2
    assert "bell buoy" in " ".join(item["md"] for item in kept["items"])


def test_a_text_without_pages_has_items_only(client: LlamaCloud, harbour: Library):
    source = harbour.files["tides.md"]

    [listed] = client.beta.attachments.list(source_id=source)
    address = client.beta.attachments.get(listed.name, source_id=source)
    kept = httpx.get(address.url).json()

    assert listed.name == "items/page_1.json"
    assert [item["type"] for item in kept["items"]] == ["heading", "list"]
    assert kept["items"][0] == {"type": "heading", "md": "# Tides", "level": 1, "value": "Tides"}


async def test_a_passage_names_the_attachments_of_its_page(
    async_client: AsyncLlamaCloud, harbour: Library
):
    found = await async_client.retrieval.retrieve(
        index_id=harbour.index_id, query="Which buoy rings in a swell?", top_k=1
    )

    fields = found.results[0].static_fields
    assert fields is not None and fields.attachments is not None
    page = fields.page_range_end
    assert page == 2
    named = {(one.type, one.attachment_name) for one in fields.attachments}
    assert {("screenshot", "screenshots/page_2.jpg"), ("items", "items/page_2.json")} <= named
    for one in fields.attachments:
        address = await async_client.beta.attachments.get(
            one.attachment_name, source_id=one.source_id
        )
        async with httpx.AsyncClient() as http:
            assert (await http.get(address.url)).status_code == 200


async def test_what_is_not_kept_is_not_found(
    async_client: AsyncLlamaCloud, client: LlamaCloud, harbour: Library, library: Library
):
    attachments = async_client.beta.attachments

    nothing = [one async for one in attachments.list(source_id=library.files["lighthouse.md"])]
    with pytest.raises(NotFoundError):
        await attachments.get("screenshots/page_3.jpg", source_id=harbour.files["marks.pdf"])
    with pytest.raises(NotFoundError):
        client.beta.attachments.list(source_id="dfl-0")
    with pytest.raises(UnprocessableEntityError):
        client.beta.attachments.list(source_id="")

    assert nothing == []
