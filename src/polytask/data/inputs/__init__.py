"""Input types: how columns become the fields that a backbone reads. One file each."""

from polytask.data.inputs.base import Input
from polytask.data.inputs.features import Features
from polytask.data.inputs.image import Image
from polytask.data.inputs.smiles import Smiles
from polytask.data.inputs.text import Text
from polytask.data.inputs.waveform import Waveform
from polytask.data.inputs.words import Words
from polytask.registry import Registry

__all__ = ["INPUTS", "Features", "Image", "Input", "Smiles", "Text", "Waveform", "Words"]

INPUTS: Registry[Input] = Registry(
    "input",
    {
        "features": "polytask.data.inputs.features:Features",
        "image": "polytask.data.inputs.image:Image",
        "smiles": "polytask.data.inputs.smiles:Smiles",
        "text": "polytask.data.inputs.text:Text",
        "waveform": "polytask.data.inputs.waveform:Waveform",
        "words": "polytask.data.inputs.words:Words",
    },
)
