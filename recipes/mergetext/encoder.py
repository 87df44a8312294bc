"""A sentence encoder with a frozen head for each task: the mean of each class.

Shapes: N texts, D numbers of a sentence, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from polytask.models.backbones.pretrained import locate, quiet
from tasks import Examples

__all__ = ["Encoder"]

LENGTH = 64
"""Most tokens of a text."""

SHARPNESS = 20.0
"""Factor of the cosines between a sentence and the means of the classes."""

BATCH, RATE = 32, 3e-5
GROUPS = 4
"""Parts of a batch whose gradients are summed: texts of like length need little padding."""

TOKENS = 4096
"""Of a batch without gradients, with padding."""

State = Mapping[str, Tensor]


class Encoder:
    """An encoder whose weights are exchanged again and again, its products of matrices in bf16.

    Args:
        path: of the encoder; MiniLM, or a folder of the transformers library.
    """

    def __init__(self, path: str = "minilm") -> None:
        from transformers import AutoModel, AutoTokenizer

        with quiet():
            self.model: Any = AutoModel.from_pretrained(locate(path), add_pooling_layer=False)
            self.tokenizer: Any = AutoTokenizer.from_pretrained(locate(path))
        self.base = {name: value.clone() for name, value in self.model.state_dict().items()}
        self._tokens: dict[str, list[int]] = {}

    def head(self, examples: Examples) -> Tensor:
        """``[C, D]`` the mean of each class, of length 1, by the model before any training."""
        self.model.load_state_dict(self.base)
        features = self.features(examples.texts)
        labels = torch.from_numpy(examples.labels)
        means = torch.stack([features[labels == c].mean(0) for c in range(int(labels.max()) + 1)])
        return F.normalize(means, dim=1)

    def finetune(
        self, tasks: Mapping[str, tuple[Examples, Tensor]], steps: int, seed: int
    ) -> dict[str, Tensor]:
        """The weights after so many steps of 32 examples; several tasks take turns.

        Args:
            tasks: name -> training examples and head.
            steps: of the training.
            seed: of the order of examples and of dropout.
        """
        torch.manual_seed(seed)
        self.model.load_state_dict(self.base)
        self.model.train()
        parameters = list(self.model.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01, fused=True)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        streams = [_batches(examples, head, seed) for examples, head in tasks.values()]
        for step in range(steps):
            texts, labels, head = next(streams[step % len(streams)])
            ids = [self._ids(text) for text in texts]
            for rows in np.array_split(np.argsort([len(row) for row in ids]), GROUPS):
                logits = self.logits([texts[row] for row in rows], head)
                loss = F.cross_entropy(logits, labels[rows], reduction="sum") / len(texts)
                loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
        self.model.eval()
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def logits(self, texts: list[str], head: Tensor) -> Tensor:
        """``[N, C]`` by the model as it is, with gradients."""
        return SHARPNESS * self.sentences(texts) @ head.T

    def sentences(self, texts: list[str]) -> Tensor:
        """``[N, D]`` of length 1 by the model as it is, with gradients."""
        return self._forward([self._ids(text) for text in texts])

    def batches(self, examples: Examples, size: int, seed: int) -> list[Examples]:
        """All examples, so many of like length at a time, in a random order."""
        order = np.argsort([len(self._ids(text)) for text in examples.texts], kind="stable")
        found = [examples.rows(order[at : at + size]) for at in range(0, len(order), size)]
        return [found[index] for index in np.random.default_rng(seed).permutation(len(found))]

    def mask(self, texts: list[str]) -> Tensor:
        """``[N, tokens]`` 1 for tokens, 0 for padding."""
        return _padded([[1] * len(self._ids(text)) for text in texts])

    def macro_recall(
        self,
        state: State,
        examples: Examples,
        head: Tensor,
        correction: Callable[[Tensor], Tensor] = lambda features: features,
    ) -> float:
        """The mean over classes of the share that is found."""
        self.model.load_state_dict(state)
        features = correction(self.features(examples.texts))
        found = (features @ head.T).argmax(1).numpy()
        right = found == examples.labels
        return float(
            np.mean([right[examples.labels == c].mean() for c in np.unique(examples.labels)])
        )

    @torch.no_grad()
    def features(self, texts: list[str]) -> Tensor:
        """``[N, D]`` of length 1."""
        self.model.eval()
        ids = [self._ids(text) for text in texts]
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        found = torch.empty(len(ids), self.model.config.hidden_size)
        while order:
            count = max(1, TOKENS // len(ids[order[-1]]))
            rows, order = order[-count:], order[:-count]
            found[rows] = self._forward([ids[row] for row in rows])
        return found

    def _forward(self, ids: list[list[int]]) -> Tensor:
        tokens, mask = _padded(ids), _padded([[1] * len(row) for row in ids])
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state
        summed = (hidden.float() * mask[:, :, None]).sum(1)
        return F.normalize(summed, dim=1)

    def _ids(self, text: str) -> list[int]:
        if text not in self._tokens:
            self._tokens[text] = self.tokenizer(text, truncation=True, max_length=LENGTH)[
                "input_ids"
            ]
        return self._tokens[text]


def _padded(rows: list[list[int]]) -> Tensor:
    """Rows of one length, with zeros at their ends."""
    length = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (length - len(row))] for row in rows])


def _batches(
    examples: Examples, head: Tensor, seed: int
) -> Iterator[tuple[list[str], Tensor, Tensor]]:
    """Endless epochs; the last batch of one is as long as the others."""
    rng, left = np.random.default_rng(seed), np.empty(0, np.int64)
    while True:
        while len(left) < BATCH:
            left = np.concatenate([left, rng.permutation(len(examples.texts))])
        rows, left = left[:BATCH], left[BATCH:]
        yield [examples.texts[row] for row in rows], torch.from_numpy(examples.labels[rows]), head
