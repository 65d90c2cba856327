"""What Gradio may take in here: words, never files.

Holds: an input with a file in it ends as an error before Gradio looks at the file, whichever door it came by.
Does not know HTTP (`qa.web.guard`) nor what is asked.
"""

from typing import Any, NoReturn

import gradio as gr

FILES = "files are not taken here; send words"


class Told(gr.Error):
    """One line to a person or a program by way of Gradio; nothing in the terminal."""

    def __init__(self, line: str) -> None:
        super().__init__(line, print_exception=False)

    def __str__(self) -> str:  # gr.Error puts it in quotes, which an MCP client would show
        return str(self.message)


def take_no_files(blocks: gr.Blocks) -> None:
    """Refuse files, of which Gradio takes any path and any address where a page is mounted.

    It looks for {"path": …, "meta": …} in every input of every endpoint, asks whether the path is there, and
    copies or downloads it, before the endpoint's function is called. All doors, MCP's too, come through
    ``preprocess_data``; the blocks' own methods are for what a function might give back.
    """
    preprocess = blocks.preprocess_data

    async def preprocess_words(block_fn: Any, inputs: list[Any], *rest: Any) -> list[Any]:
        if _has_file(inputs):
            raise Told(FILES)
        prepared: list[Any] = await preprocess(block_fn, inputs, *rest)
        return prepared

    blocks.preprocess_data = preprocess_words  # type: ignore[method-assign, assignment]
    for block in blocks.blocks.values():
        block.move_resource_to_block_cache = _refuse  # type: ignore[method-assign, assignment]
        block.async_move_resource_to_block_cache = _refuse_awaited  # type: ignore[method-assign, assignment]


def _has_file(given: Any) -> bool:
    if isinstance(given, dict):
        return {"path", "meta"} <= given.keys() or any(map(_has_file, given.values()))
    return isinstance(given, list | tuple) and any(map(_has_file, given))


def _refuse(_: Any) -> NoReturn:
    raise Told(FILES)


async def _refuse_awaited(_: Any) -> NoReturn:
    raise Told(FILES)
