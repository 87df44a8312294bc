"""Text as tokens, with a tokenizer of the transformers library.

Shapes: T tokens of a row, W words of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from polytask.errors import InputError
from polytask.fields import Field, Ragged

__all__ = ["TokenEncoder"]


class TokenEncoder:
    """Turns texts and lists of words into token fields.

    Args:
        tokenizer: a fast tokenizer of the transformers library.
        max_length: longer inputs are cut to this number of tokens.

    Raises:
        InputError: the tokenizer is not a fast one: words cannot be followed to their tokens.
    """

    def __init__(self, tokenizer: Any, *, max_length: int) -> None:
        if not tokenizer.is_fast:
            raise InputError(f"{type(tokenizer).__name__}: a fast tokenizer is needed")
        self.tokenizer, self.max_length = tokenizer, max_length

    @staticmethod
    def load(source: str, *, max_length: int) -> TokenEncoder:
        """The tokenizer in a folder or of a hub name.

        Raises:
            InputError: there is none.
        """
        from transformers import AutoTokenizer

        try:
            # Code that a folder brings along is never run.
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            return TokenEncoder(tokenizer, max_length=max_length)
        except (OSError, ValueError) as error:
            raise InputError(
                f"backbone 'transformer': no tokenizer at {source!r}: {error}"
            ) from error

    def save(self, folder: Path) -> None:
        """Write the tokenizer into a folder."""
        self.tokenizer.save_pretrained(folder)

    def texts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> dict[str, Field]:
        """Fields of texts or pairs: ``input_ids``, and ``token_type_ids`` if the model has them."""
        found = self._tokenize(list(texts), None if pairs is None else list(pairs))
        return self._fields(found)

    def words(self, sentences: Sequence[Sequence[str]]) -> dict[str, Field]:
        """Fields of sentences in words, with ``word_starts [W]``: the first token of every word.

        A word that the length limit cuts away points at token 0, so that it is predicted from there
        and counts in every metric.
        """
        found = self._tokenize([list(words) for words in sentences], None, is_split_into_words=True)
        fields = self._fields(found)
        starts = [
            _starts(encoding.word_ids, len(words))
            for encoding, words in zip(found.encodings, sentences, strict=True)
        ]
        fields["word_starts"] = Ragged.from_rows(starts)
        return fields

    def _tokenize(self, texts: Any, pairs: Any, **options: Any) -> Any:
        return self.tokenizer(texts, pairs, truncation=True, max_length=self.max_length, **options)

    def _fields(self, found: Any) -> dict[str, Field]:
        pad = self.tokenizer.pad_token_id or 0
        fields: dict[str, Field] = {}
        for name, fill in (("input_ids", pad), ("token_type_ids", 0)):
            if name in found:
                rows = [torch.tensor(row, dtype=torch.long) for row in found[name]]
                fields[name] = Ragged.from_rows(rows, fill=fill)
        return fields


def _starts(word_ids: Sequence[int | None], words: int) -> torch.Tensor:
    starts = torch.zeros(words, dtype=torch.long)
    for position in range(len(word_ids) - 1, -1, -1):
        word = word_ids[position]
        if word is not None:
            starts[word] = position
    return starts
