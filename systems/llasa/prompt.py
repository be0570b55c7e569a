"""Llasa's prompt: the Llama chat template with one user turn (the text) and one assistant turn (the speech).

    user:       Convert the text to speech:<|TEXT_UNDERSTANDING_START|> text <|TEXT_UNDERSTANDING_END|>
    assistant:  <|SPEECH_GENERATION_START|> <|s_i|> ... <|SPEECH_GENERATION_END|>

Source: the authors' model card and training repository (papers/llasa.md 2.5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ttsbench.errors import MissingFile, UserError
from ttsbench.systems.llasa.core import CODES, MARKERS, SPEECH, TEXT, VOCABULARY

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Llama 3's template writes the day's date where the caller gives none; a fixed one keeps runs repeatable (our choice).
DATE = "26 Jul 2024"
START = TEXT + MARKERS.index("<|SPEECH_GENERATION_START|>")
END = TEXT + MARKERS.index("<|SPEECH_GENERATION_END|>")
TEXT_END = TEXT + MARKERS.index("<|TEXT_GENERATION_END|>")


def load_tokenizer(folder: Path) -> Tokenizer:
    """The published tokenizer.json, checked: size and the ids of the markers and of the first and last speech code.

    Raises FileNotFoundError, or ValueError naming the token that stands elsewhere.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as fault:
        raise ImportError("Llasa's full size reads tokenizer.json: pip install ttsbench[paper]") from fault
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise MissingFile(f"{path}: no such file; a Llasa folder holds config.json, tokenizer.json, *.safetensors")
    tokenizer = Tokenizer.from_file(str(path))
    wanted = {marker: TEXT + index for index, marker in enumerate(MARKERS)}
    wanted |= {"<|s_0|>": SPEECH, f"<|s_{CODES - 1}|>": VOCABULARY - 1}
    for token, at in wanted.items():
        if tokenizer.token_to_id(token) != at:
            raise UserError(
                f"{path}: {token} has id {tokenizer.token_to_id(token)}, Llasa's vocabulary puts it at {at}"
            )
    return tokenizer


def join(prompt_text: str, text: str) -> str:
    """The prompt's transcript and the target as one text.

    The model card joins them as they are; a missing word boundary is mended with a space (our choice), but not
    between Chinese characters. Anything that looks like a special token is taken out.
    """
    before, after = (re.sub(r"<\|[^|]*\|>", " ", part).strip() for part in (prompt_text, text))
    needs_space = bool(before) and bool(after) and before[-1].isascii() and after[0].isascii()
    return f"{before} {after}" if needs_space else before + after


def render(text: str, date: str = DATE) -> str:
    """The whole prompt as a string, up to and including the mark where speech begins."""
    turns = [
        ("system", f"Cutting Knowledge Date: December 2023\nToday Date: {date}\n\n"),
        ("user", f"Convert the text to speech:<|TEXT_UNDERSTANDING_START|>{text}<|TEXT_UNDERSTANDING_END|>"),
    ]
    said = "".join(f"<|start_header_id|>{who}<|end_header_id|>\n\n{what}<|eot_id|>" for who, what in turns)
    return f"<|begin_of_text|>{said}<|start_header_id|>assistant<|end_header_id|>\n\n<|SPEECH_GENERATION_START|>"


def encode(tokenizer: Tokenizer, text: str, codes: Sequence[int] = (), date: str = DATE) -> list[int]:
    """Token ids of the prompt for `text` (see `join`), followed by the prompt's speech `codes`, each in [0, 65536)."""
    ids = tokenizer.encode(render(text, date), add_special_tokens=False).ids
    return [*ids, *(SPEECH + int(code) for code in codes)]


def encode_heard(tokenizer: Tokenizer, codes: Sequence[int], date: str = DATE) -> list[int]:
    """Token ids of the other direction, speech to text (paper, Table 3): the `codes` in the user's turn, then the mark
    where the text begins. The paper prints no template: this one mirrors that of speaking (our choice).
    """
    whole = render("\0", date).replace("Convert the text to speech:", "Convert the speech to text:")
    for kind in ("START", "END"):
        whole = whole.replace(f"<|TEXT_UNDERSTANDING_{kind}|>", f"<|SPEECH_UNDERSTANDING_{kind}|>")
    before, after = whole.replace("<|SPEECH_GENERATION_START|>", "<|TEXT_GENERATION_START|>").split("\0")
    first, then = (tokenizer.encode(part, add_special_tokens=False).ids for part in (before, after))
    return [*first, *(SPEECH + int(code) for code in codes), *then]
