"""Passages as JSON: the one shape that the REST API answers and the agent's tools report."""

from typing import Any

from .base import Passage


def passage_json(passage: Passage, content: str | None = None) -> dict[str, Any]:
    """A search result as the wire contract has it; ``content`` may be given shortened."""
    return {
        "content": passage.text if content is None else content,
        "score": passage.score,
        "rerank_score": passage.rerank_score,
        "metadata": {**passage.metadata, "file_name": passage.file_name},
        "static_fields": {
            "parsed_directory_file_id": passage.file_id,
            "chunk_index": passage.chunk_index,
            "chunk_start_char": passage.start_char,
            "chunk_end_char": passage.end_char,
            "chunk_token_count": passage.token_count,
            "page_range_start": passage.page_start,
            "page_range_end": passage.page_end,
            "attachments": [
                {
                    "attachment_name": name,
                    "source_id": passage.file_id,
                    "type": "items" if name.startswith("items/") else "screenshot",
                }
                for name in passage.attachments
            ],
        },
    }
