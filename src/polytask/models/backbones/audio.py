"""A log-mel spectrogram and a small residual network on it.

Shapes: B rows, T samples, F frames, M mel bands, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.models.backbones.base import Backbone, BackboneOptions, require
from polytask.models.backbones.resnet import ResNet
from polytask.models.features import Features

__all__ = ["AudioOptions", "AudioResNet", "LogMel"]


class LogMel(nn.Module):
    """Log of the energy in bands of the mel scale: ``[B, T] -> [B, M, F]``.

    log(mel filters x |STFT|^2 + 1e-6) with a Hann window; triangular filters on the scale
    2595 log10(1 + f / 700) (O'Shaughnessy 1987), each of area 1.

    Args:
        rate: samples per second.
        window: window length in seconds.
        hop: distance of frames in seconds.
        mels: M.
    """

    filters: Tensor
    hann: Tensor

    def __init__(self, rate: int, *, window: float, hop: float, mels: int) -> None:
        super().__init__()
        self.hop = max(1, round(hop * rate))
        self.window = max(2, round(window * rate))
        self.transform = 1 << (self.window - 1).bit_length()
        self.register_buffer("filters", mel_filters(rate, self.transform, mels), persistent=False)
        self.register_buffer("hann", torch.hann_window(self.window), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        spectrum = torch.stft(
            waveform.float(),
            self.transform,
            hop_length=self.hop,
            win_length=self.window,
            window=self.hann,
            pad_mode="constant",
            return_complex=True,
        )
        energy = spectrum.real**2 + spectrum.imag**2
        return (self.filters @ energy + 1e-6).log()


def mel_filters(rate: int, transform: int, mels: int) -> Tensor:
    """``[M, transform // 2 + 1]`` triangles with corners equally far apart on the mel scale."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, mels + 2) / 2595) - 1)
    frequency = torch.linspace(0, rate / 2, transform // 2 + 1)
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequency - left) / (middle - left), (right - frequency) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0) * 2 / (right - left)


class AudioResNet(Backbone):
    """Log-mel spectrogram, normalised per recording over its own frames, then a residual network.

    Every recording is cut or padded to one length, so that an example does not depend on its batch.
    The features are means over stretches of time, apart for every band of frequencies that the
    network has left: a mean over everything would forget which sounds were heard, and their order.

    Args:
        mel: the spectrogram.
        network: reads it as an image of one channel.
        samples: the length of all recordings.
        stretches: number of stretches of time.
    """

    def __init__(self, mel: LogMel, network: ResNet, *, samples: int, stretches: int) -> None:
        super().__init__()
        self.mel, self.network, self.samples = mel, network, samples
        halvings = len(network.stages) - 1
        self.kept = (-(-mel.filters.shape[0] // 2**halvings), stretches)
        self.width = network.width * math.prod(self.kept)

    def forward(self, fields: Mapping[str, Tensor]) -> Features:
        waveform = fields["waveform"][:, : self.samples]
        mel = self.mel(F.pad(waveform, (0, self.samples - waveform.shape[1])))
        frames = fields["waveform.length"].clamp(max=self.samples) // self.mel.hop + 1
        inside = (torch.arange(mel.shape[2], device=mel.device) < frames[:, None])[:, None]
        count = (frames * mel.shape[1])[:, None, None]
        mean = (mel * inside).sum(dim=(1, 2), keepdim=True) / count
        spread = (((mel - mean) * inside) ** 2).sum(dim=(1, 2), keepdim=True) / count
        image = ((mel - mean) * inside / (spread + 1e-5).sqrt())[:, None]
        maps = F.adaptive_avg_pool2d(self.network.maps(image), self.kept)
        return Features(self.network.dropout(maps.flatten(1)))

    def blocks(self) -> Sequence[nn.Module]:
        return self.network.blocks()


@dataclass(frozen=True, kw_only=True)
class AudioOptions(BackboneOptions):
    """A log-mel spectrogram and a small residual network, for waveforms.

    Args:
        mels: number of mel bands.
        window: window length in seconds.
        hop: distance of frames in seconds.
        seconds: what is longer is cut, what is shorter is padded with silence.
        stretches: parts of that time whose features are kept apart.
        widths: channels of each residual block.
        dropout: share of features dropped while training.
    """

    mels: int = 40
    window: float = 0.025
    hop: float = 0.010
    seconds: float = 1.0
    stretches: int = 4
    widths: Sequence[int] = (16, 32, 64)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.mels, self.window, self.hop, self.seconds, self.stretches) <= 0:
            raise InputError("audio: mels, window, hop, seconds and stretches must be positive")

    def build(self, shapes: Mapping[str, Any], *, assets: Path | None = None) -> Backbone:
        rate = require(shapes, "waveform", backbone="audio")
        mel = LogMel(rate, window=self.window, hop=self.hop, mels=self.mels)
        network = ResNet(1, widths=self.widths, dropout=self.dropout)
        samples = max(1, round(self.seconds * rate))
        return AudioResNet(mel, network, samples=samples, stretches=self.stretches)
