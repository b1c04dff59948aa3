"""How fast files become searchable, and in how much memory, beside LlamaIndex's pipeline.

    python -m bench.sync_speed [--files 150]

Text files made of the collections' documents, about 30 KB each, are synced as a worker does, then
three times as many, which should take no more memory. With ``PEERS=/path/to/python`` (see
``bench.search_speed``; and ``wordllama``) LlamaIndex's ingestion pipeline reads, splits and embeds
the same files with the same vectors: once as it comes, when it stores nothing, where a sync writes
text, chunks, vectors and full text to the database; and once keeping what a sync keeps, in files.

Both first do one short file, in the time called start: a worker, too, starts once. Their chunks are
not of one length, so the text they come from is the fairer measure. Memory is the peak of each
process, over what it held after the start; CPU and memory are those of a sync's two processes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .corpora import carrel, folders, rows, sync
from .proc import cpu_seconds, peak_rss
from .sync_peers import peak, report

if TYPE_CHECKING:
    from chat.models import Index

SIZE = 30_000  # characters of a file


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=150)
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        sync_folder(options.only)
    elif folders():
        for count in (options.files, 3 * options.files):
            compare(count, with_peer=count == options.files)


def compare(count: int, with_peer: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="carrel-files-") as folder:
        size = write(Path(folder), count)
        print(f"{count} files, {size / 1e6:.1f} MB of text", flush=True)
        # In a process of its own: memory once used is never given back.
        subprocess.run([sys.executable, "-m", "bench.sync_speed", "--only", folder], check=True)
        python = os.environ.get("PEERS")
        if with_peer and python:
            script = Path(__file__).with_name("sync_peers.py")
            for how in ([], ["--kept"]):
                subprocess.run([python, str(script), folder, *how], check=False)
        elif with_peer:
            print("  peers left out: set PEERS to the Python of an environment that has them")


def write(folder: Path, count: int) -> int:
    """So many files of the collections' texts, each with its number; answers their size."""
    text = "\n\n".join(one["text"] for path in folders() for one in rows(path / "corpus.jsonl"))
    for number in range(count):
        start = number * SIZE % (len(text) - SIZE)
        (folder / f"{number}.txt").write_text(f"File {number}\n\n{text[start : start + SIZE]}")
    return sum(path.stat().st_size for path in folder.iterdir())


def sync_folder(folder: Path) -> None:
    with carrel():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as small:
            (Path(small) / "first.txt").write_text("A reading room.")
            sync(index_of(Path(small)))
        started = time.perf_counter() - began
        index = index_of(folder)
        before = used()
        seconds = sync(index)
        cpu, memory = (after - before for after, before in zip(used(), before, strict=True))
        size = sum(path.stat().st_size for path in folder.iterdir())
        report("Carrel, sync", started, seconds, cpu, size, index.chunks.count(), memory)


def used() -> tuple[float, int]:
    """Seconds of CPU and the peak of memory, in KB, of this process and the one that embeds."""
    from chat.providers import embedded

    child = embedded._apart._child.pid
    return time.process_time() + cpu_seconds(child), peak() + peak_rss(child)


def index_of(folder: Path) -> "Index":
    """An index over the files of a folder, not synced."""
    from django.core.files.base import ContentFile

    from chat.models import Directory, DirectoryFile, File, Index, Project

    project = Project.default()
    directory = Directory.objects.create(project=project, name="files")
    for path in folder.iterdir():
        content = path.read_bytes()
        file = File(project=project, name=path.name, size=len(content), sha256=path.name)
        file.content.save("", ContentFile(content), save=False)
        file.save()
        DirectoryFile.objects.create(
            directory=directory, file=file, display_name=path.name, unique_id=path.name
        )
    return Index.objects.create(project=project, directory=directory, name="files")


if __name__ == "__main__":
    main()
