from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.data.made import table

from polytask.data import Table
from polytask.data.inputs import Image, Input, Smiles, Text, Waveform, Words
from polytask.errors import InputError
from polytask.fields import Field


class Recorder:
    """A text encoder that keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def texts(self, texts: Any, pairs: Any = None) -> dict[str, Field]:
        self.given = [texts, pairs]
        return {}

    def words(self, sentences: Any) -> dict[str, Field]:
        self.given = sentences
        return {}


def test_text_and_pairs() -> None:
    encoder, data = Recorder(), table(a=["x", "y"], b=["p", "q"])
    Text(column="a").fit(data).encode(data, encoder)
    assert encoder.given == [["x", "y"], None]
    Text(column="a", pair="b").encode(data, encoder)
    assert encoder.given == [["x", "y"], ["p", "q"]]
    assert Text(column="a", pair="b").columns == ("a", "b")


@pytest.mark.parametrize("value", [None, 3, float("nan")])
def test_a_missing_text_names_its_place(value: Any) -> None:
    data = table(a=["x", "y"], b=["p", value])
    with pytest.raises(InputError, match=r"a\.csv, line 2: column 'b' must be text, got"):
        Text(column="a", pair="b").encode(data, Recorder())


def test_words() -> None:
    encoder = Recorder()
    data = table(w=[["a", "b"], ("c",), np.array(["d"], dtype=object)])
    Words(column="w").encode(data, encoder)
    assert encoder.given == [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be a list of words, got None"),
        ([], r"must be a list of words, got \[\]"),
        ("a b", "must be a list of words, got 'a b'"),
        (["a", None], "word 2 is missing"),
    ],
)
def test_rows_without_words_name_their_place(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.csv, line 2: column 'w'.*{message}"):
        Words(column="w").encode(table(w=[["a"], value]), Recorder())


@pytest.mark.parametrize("source", [Text(column="a"), Words(column="a")])
def test_text_needs_a_backbone_that_reads_it(source: Input) -> None:
    with pytest.raises(InputError, match="use a transformer"):
        source.encode(table(a=["x"]))


def images(values: np.ndarray) -> Table:
    return Table({"image": values}, "a.npz")


def test_images_are_standardised_per_channel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 2)).astype(np.uint8)
    pixels[..., 1] = 7
    before = pixels.copy()
    source = Image().fit(images(pixels))
    assert source.size == (2, 2, 3)
    np.testing.assert_allclose(source.mean, pixels.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(source.std, [pixels[..., 0].std(), 1])
    found = source.encode(images(pixels))["image"].take(torch.arange(5))
    expected = (pixels.astype(float) - source.mean) / source.std
    torch.testing.assert_close(
        found.double(), torch.from_numpy(expected).permute(0, 3, 1, 2), rtol=1e-5, atol=1e-5
    )
    assert np.array_equal(pixels, before)


def test_float_images_stay_as_they_are() -> None:
    pixels = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    pixels.flags.writeable = False
    found = Image().fit(images(pixels)).encode(images(pixels))["image"].take(torch.arange(2))
    assert found.shape == (2, 1, 2, 2)
    assert found.mean().abs() < 1e-6
    assert pixels.ravel().tolist() == list(range(8))


def test_images_of_another_size() -> None:
    source = Image().fit(images(np.eye(4).reshape(1, 4, 4)))
    with pytest.raises(
        InputError, match=r"images are \(2, 2, 1\).*in training they were \(4, 4, 1\)"
    ):
        source.encode(images(np.zeros((1, 2, 2))))
    mixed = table(image=[np.zeros((2, 2)), np.zeros((2, 3))])
    with pytest.raises(InputError, match=r"a\.csv, line 2.*size \(2, 3\), others are \(2, 2\)"):
        source.fit(mixed)
    with pytest.raises(InputError, match=r"line 1: column 'image' must be an image, got None"):
        source.fit(table(image=[None, np.zeros((2, 3))]))
    with pytest.raises(InputError, match="must hold images"):
        source.fit(images(np.zeros(3)))
    with pytest.raises(InputError, match="line 2: column 'image' has values that are not finite"):
        source.fit(images(np.array([[[0.0]], [[np.nan]]])))


def test_waveforms_keep_their_length() -> None:
    data = table(waveform=[[0.0, 1.0], [0.5]], sample_rate=[8000, 8000])
    source = Waveform().fit(data)
    field = source.encode(data)["waveform"]
    assert field.take(torch.tensor([1, 0])).tolist() == [[0.5, 0.0], [0.0, 1.0]]
    assert source.shapes() == {"waveform": 8000}


@pytest.mark.parametrize(
    ("wave", "rate", "message"),
    [
        ([0.0], 16000, "sampled at 16000 Hz, in training at 8000 Hz"),
        ([0.0], None, "'sample_rate' must be a sampling rate in hertz, got None"),
        ([], 8000, r"must be a waveform of one channel, but is of shape \(0,\)"),
        (None, 8000, "but is missing"),
        ([[0.0, 1.0]], 8000, r"of shape \(1, 2\)"),
        (["a"], 8000, "is no waveform"),
        ([float("nan")], 8000, "not finite"),
    ],
)
def test_bad_waveforms_name_their_place(wave: Any, rate: Any, message: str) -> None:
    source = Waveform().fit(table(waveform=[[0.0]], sample_rate=[8000]))
    with pytest.raises(InputError, match=rf"a\.csv, line 2: .*{message}"):
        source.encode(table(waveform=[[0.0], wave], sample_rate=[8000, rate]))


def test_fingerprints() -> None:
    pytest.importorskip("rdkit", reason="needs polytask[chem]")
    data = table(smiles=["CCO", "OCC", "c1ccccc1"])
    found = Smiles(bits=256).fit(data).encode(data)["numeric"].take(torch.arange(3))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert found.shape == (3, 256)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    counts = Smiles(bits=256, counts=True).encode(data)["numeric"].take(torch.arange(3))
    assert counts.max() > 1
    assert torch.equal(counts > 0, found > 0)


@pytest.mark.parametrize("smiles", ["C(C", "", "nonsense"])
def test_a_molecule_that_cannot_be_read(smiles: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rdkit", reason="needs polytask[chem]")
    data = table(smiles=["CCO", smiles])
    with pytest.raises(InputError, match=r"a\.csv, line 2: column 'smiles'.*is no SMILES"):
        Smiles().encode(data)
    found = Smiles(invalid="zero").encode(data)["numeric"].take(torch.tensor([1]))
    assert found.sum() == 0
    assert capfd.readouterr().err == ""


def test_fingerprints_of_no_size() -> None:
    with pytest.raises(InputError, match="bits at least 1"):
        Smiles(bits=0)
