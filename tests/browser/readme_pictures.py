"""The pictures of the README, in docs/images.

python -m tests.browser.readme_pictures       (or: make pictures)
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.browser.contact_sheet import Look, opened, take
from tests.browser.states import QUESTION
from tests.server import ROOT

FOLDER = ROOT / "docs" / "images"
PICTURES = {
    "carrel": ("source", Look("wide", 1280, 800)),
    "dark": ("source", Look("dark", 1280, 800, scheme="dark")),
    "narrow": ("conversation", Look("narrow", 390, 920)),
}
ANSWER = """\
Set `LLM_BASE_URL` and `LLM_MODEL`, then restart Carrel [1]:

```bash
ollama pull llama3.1
export LLM_BASE_URL=http://localhost:11434/v1
export LLM_MODEL=llama3.1
make run
```

- Ollama needs **no API key** [1].
- It cuts a prompt that is longer than its context window without saying so;
  start it with `OLLAMA_CONTEXT_LENGTH=16384` [1].
"""


def main() -> None:
    with opened() as (browser, world), TemporaryDirectory() as folder:
        world.answered = world.ask(QUESTION, text=ANSWER)
        for name, (state, look) in PICTURES.items():
            taken = take(browser, world, look, state, Path(folder))
            # The few colours of a page fit in a palette: a third of the bytes.
            assert not taken.trouble, taken.trouble
            picture = Image.open(taken.path).convert("RGB").quantize(256)
            picture.save(FOLDER / f"{name}.png", optimize=True)
            print(FOLDER / f"{name}.png")  # noqa: T201


if __name__ == "__main__":
    main()
