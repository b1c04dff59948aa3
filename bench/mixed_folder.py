"""Ten questions over a folder of files as people have them, some of them broken.

    python -m bench.mixed_folder

Reports, slides, sheets, mails, a web page, notes, a scan, a PDF cut in half, one with a password, a
zip bomb, an entity bomb, a mislabelled and an empty file are made on the spot, uploaded through the
REST API and synced by a worker. Then a session is asked; what it answers and cites is printed
beside what is right. Exits 1 if an answer or a source is wrong.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx

from tests.retrieval import samples

from .corpora import carrel

FILES = {
    "Annual report 2024.pdf": samples.pdf(
        [
            [
                "Annual report 2024",
                "Harbour Lighting grew again.",
                "Revenue was 4.2 million euros.",
            ],
            ["Staff", "At the end of the year 37 people worked for the company."],
            ["Outlook", "A second workshop opens in Bremen in May 2025."],
        ]
    ),
    "Safety manual.pdf": samples.pdf(
        [[f"Chapter {n}", f"Rule {n}: lamp {n} is checked every {n} days."] for n in range(1, 41)]
    ),
    "Travel policy.docx": samples.docx(
        [
            ("Heading1", "Travel policy"),
            ("", "Journeys of less than four hours are made by train."),
            ("Heading2", "Hotels"),
            ("", "A hotel may cost up to 120 euros a night."),
            ("Heading2", "Approval"),
            ("", "Flights need the approval of Ines Kowalski."),
        ]
    ),
    "Budget.xlsx": samples.xlsx(
        [["Department", "Budget 2025"], ["Workshop", 180000], ["Marketing", 64000], ["IT", 92000]]
    ),
    "Kick-off.pptx": samples.pptx(
        [
            ("Project Heron", "Replace the pier lamps by autumn."),
            ("Risks", "The supplier of glass is late by six weeks."),
        ]
    ),
    "Boiler.eml": samples.EML,
    "Handbook.html": samples.HTML,
    "Stock.csv": b"Article;On shelf\nLamp oil;340\nWicks;1250\nGlass bell;18\n",
    "Meeting notes.md": (
        b"# Meeting of 3 March\n\nPresent: Ada, Bob, Ines.\n\n## Decisions\n\n"
        b"The website moves to the new server on 14 April. Bob orders two printers.\n"
    ),
    "Password rules.txt": b"Passwords have at least 14 characters. They are changed once a year.\n",
    "Contract, mislabelled.pdf": samples.docx(
        [("", "The lease of the workshop ends on 30 June 2027 and costs 2,900 euros a month.")]
    ),
}
BROKEN = {
    "Scan.pdf": samples.scanned_pdf(),
    "Half.pdf": FILES["Annual report 2024.pdf"][:900],
    "Secret.pdf": samples.pdf([["Secret"]], encrypted=True),
    "Bomb.docx": samples.zip_bomb(),
    "Entities.docx": samples.entity_bomb(),
    "Photo.png": samples.png(),
    "Empty.txt": b"",
}
QUESTIONS = (  # what is asked, what the answer must say, where it stands
    ("How much revenue was there in 2024?", "4.2 million", "Annual report 2024.pdf"),
    ("Where does the second workshop open?", "Bremen", "Annual report 2024.pdf"),
    ("How often is lamp 23 checked?", "every 23 days", "Safety manual.pdf"),
    ("How much may a hotel cost?", "120 euros", "Travel policy.docx"),
    ("What is the budget of Marketing?", "64000", "Budget.xlsx"),
    ("Which supplier is late?", "glass", "Kick-off.pptx"),
    ("How much is the invoice for the boiler?", "240 euros", "Boiler.eml"),
    ("How many days of leave does everyone have?", "28 days", "Handbook.html"),
    ("When does the website move to the new server?", "14 April", "Meeting notes.md"),
    ("When does the lease of the workshop end?", "30 June 2027", "Contract, mislabelled.pdf"),
)


def main() -> int:
    with carrel() as server:
        server.start("web", "worker")
        with server.api() as api:
            index_id = upload(api)
            status = wait(api, index_id)
            print(f"{status['files_done']} files, {status['files_failed']} of them not readable:")
            for one in status["failed_files"]:
                print(f"  {one['file_name']}: {one['error']}")
            failed = {one["file_name"] for one in status["failed_files"]}
            wrong = [one for one in QUESTIONS if not ask(api, index_id, *one)]
    print(f"{len(QUESTIONS) - len(wrong)} of {len(QUESTIONS)} right")
    return int(bool(wrong) or failed != set(BROKEN))


def upload(api: httpx.Client) -> str:
    directory = api.post("/beta/directories", json={"name": "Mixed"}).raise_for_status().json()
    for name, content in (FILES | BROKEN).items():
        path = f"/beta/directories/{directory['id']}/files/upload"
        api.post(path, files={"upload_file": (name, content)}).raise_for_status()
    made = api.post("/indexes", json={"source_directory_id": directory["id"]})
    return made.raise_for_status().json()["id"]


def wait(api: httpx.Client, index_id: str) -> dict[str, Any]:
    while True:
        status = api.get(f"/indexes/{index_id}").raise_for_status().json()["metadata"]
        if status["status"] in ("ready", "failed"):
            return status
        time.sleep(0.5)


def ask(api: httpx.Client, index_id: str, question: str, right: str, source: str) -> bool:
    """Whether the answer says it and its first source is the right one; prints both."""
    session = api.post("/chat", json={"index_ids": [index_id]}).raise_for_status().json()
    path = f"/chat/{session['session_id']}/messages/stream"
    wanted = {"index_ids": [index_id], "prompt": question}
    with api.stream("POST", path, json=wanted) as stream:
        texts = [event for event in events(stream) if event["type"] == "text"]
    said = " ".join(text["content"] for text in texts)
    cited = [(one["file_name"], one["check"]) for text in texts for one in text["citations"]]
    good = right in said and bool(cited) and cited[0] == (source, "exact")
    sources = ", ".join(dict.fromkeys(name for name, _ in cited))
    print(f"  {'right' if good else 'WRONG'}  {question}  [{sources}]")
    if not good:
        print(f"         {' '.join(said.split())}")
    return good


def events(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


if __name__ == "__main__":
    sys.exit(main())
