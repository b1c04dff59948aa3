"""The Chainlit app of ``bench.streams``: it relays a model endpoint's tokens, and does no more.

It runs in Chainlit's own environment, so that it imports nothing of this project.
"""

import json
import logging
import os

import chainlit
import httpx

logging.getLogger().setLevel(logging.WARNING)  # httpx would write a line for each prompt

endpoint = httpx.AsyncClient(
    base_url=os.environ["LLM_BASE_URL"],
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
    timeout=None,
    trust_env=False,
)


@chainlit.on_message
async def answer(prompt: chainlit.Message) -> None:
    message = chainlit.Message("")
    asked = [{"role": "user", "content": prompt.content}]
    body = {"model": "bench", "messages": asked, "stream": True}
    async with endpoint.stream("POST", "chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                delta = json.loads(line[6:])["choices"][0]["delta"]
                await message.stream_token(delta.get("content", ""))
    await message.send()
