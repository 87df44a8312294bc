import io
import zipfile

import numpy as np
import pytest
from scipy.io import wavfile

from polytask.data.sources import packed
from polytask.data.sources.wav import WAV
from polytask.errors import InputError

PATTERN = r"(?P<digit>\d)_(?P<speaker>\w+)_(?P<index>\d+)"


def encode(samples, rate=8000):
    buffer = io.BytesIO()
    wavfile.write(buffer, rate, samples)
    return buffer.getvalue()


SHORT = encode(np.array([0, 16384, -32768], np.int16))


@pytest.fixture
def write(tmp_path):
    def inner(files, *, zipped=True):
        if not zipped:
            for name, data in files.items():
                (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "folder" / name).write_bytes(data)
            return tmp_path / "folder"
        with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in files.items():
                file.writestr(name, data)
        return tmp_path / "f.zip"

    return inner


@pytest.mark.parametrize("zipped", [True, False])
def test_rows_are_ordered_by_name(write, zipped):
    files = {"a/7_lucas_1.WAV": SHORT, "a/3_jo_0.wav": SHORT, "a/.hidden.wav": b"", "read.me": b""}
    table = WAV(pattern=PATTERN).read(write(files, zipped=zipped))
    assert table.columns["file"].tolist() == ["a/3_jo_0.wav", "a/7_lucas_1.WAV"]
    assert table.columns["digit"].tolist() == [3, 7]
    assert table.columns["speaker"].tolist() == ["jo", "lucas"]
    assert table.columns["sample_rate"].tolist() == [8000, 8000]
    np.testing.assert_array_equal(table.columns["waveform"][0], np.float32([0, 0.5, -1]))


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([128, 0, 255], np.uint8), [0, -1, 127 / 128]),
        (np.array([0, -(2**31)], np.int32), [0, -1]),
        (np.array([0.25, -1], np.float32), [0.25, -1]),
        (np.array([[0, 16384], [-32768, -32768]], np.int16), [0.25, -1]),
    ],
)
def test_every_width_is_scaled(write, samples, expected):
    waveform = WAV().read(write({"a.wav": encode(samples)})).columns["waveform"][0]
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, expected, atol=1e-7)


def test_include(write):
    path = write({"train/a.wav": SHORT, "test/b.wav": SHORT})
    assert WAV(include="train/*").read(path).columns["file"].tolist() == ["train/a.wav"]


CORRUPT = {
    "text": b"hello",
    "cut": SHORT[:-2],
    "header": SHORT[:20],
    "empty": b"",
    "silent": encode(np.zeros(0, np.int16)),
    "noise": b"RIFF\x10\0\0\0WAVE" + bytes(range(60)),
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=list(CORRUPT))
def test_corrupt_file_is_named_or_skipped(write, content):
    path = write({"good.wav": SHORT, "bad.wav": content})
    with pytest.raises(InputError, match=r"f\.zip: bad\.wav: .*corrupt: skip"):
        WAV().read(path)
    with pytest.warns(UserWarning, match=r"f\.zip: bad\.wav: .*; skipped"):
        assert WAV(corrupt="skip").read(path).columns["file"].tolist() == ["good.wav"]


def test_nothing_but_corrupt(write):
    path = write({"bad.wav": b"x"})
    none = pytest.raises(InputError, match=r"no \(undamaged\) \.wav file")
    with pytest.warns(UserWarning, match="skipped"), none:
        WAV(corrupt="skip").read(path)


def test_damaged_entry_and_archive(write):
    path = write({"bad.wav": SHORT})
    data = bytearray(path.read_bytes())
    data[50] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"bad\.wav: cannot be unpacked"):
        WAV().read(path)
    path.write_bytes(data[:-30])
    with pytest.raises(InputError, match=r"f\.zip: not a zip archive"):
        WAV().read(path)


def test_entry_that_unpacks_to_too_much(write, monkeypatch):
    monkeypatch.setattr(packed, "LARGEST", 1000)
    with pytest.raises(InputError, match=r"big\.wav: is larger than 1000 bytes"):
        WAV().read(write({"big.wav": bytes(10_000)}))
    with pytest.raises(InputError, match=r"big\.wav: is larger than 1000 bytes"):
        WAV().read(write({"big.wav": bytes(10_000)}, zipped=False))


def test_nothing_is_written_outside(write, tmp_path):
    path = write({"../../evil.wav": SHORT})
    assert WAV().read(path).columns["file"].tolist() == ["../../evil.wav"]
    assert [item.name for item in tmp_path.iterdir()] == ["f.zip"]


def test_name_that_does_not_match(write):
    with pytest.raises(InputError, match=r"the file name 'x\.wav' does not match"):
        WAV(pattern=PATTERN).read(write({"x.wav": SHORT}))


def test_columns_follow_the_training_file(write):
    train = WAV(pattern="(?P<who>[a-z0-9]+)").read(write({"jo.wav": SHORT}))
    test = WAV(pattern="(?P<who>[a-z0-9]+)").read(write({"7.wav": SHORT}), like=train)
    assert test.columns["who"].tolist() == ["7"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "("}, "pattern: not a regular expression"),
        ({"pattern": "a"}, "pattern: no named group"),
        ({"pattern": "(?P<file>.)"}, "the column 'file' is made by the source"),
        ({"corrupt": "skipp"}, "corrupt: .*did you mean 'skip'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        WAV(**options)


def test_fsdd(shared_data):
    table = WAV(pattern=PATTERN).read(shared_data / "audio" / "fsdd.zip")
    assert len(table) == 3000
    assert np.bincount(table.columns["digit"]).tolist() == [300] * 10
    assert len(set(table.columns["speaker"])) == 6
    assert max(np.abs(waveform).max() for waveform in table.columns["waveform"]) <= 1
