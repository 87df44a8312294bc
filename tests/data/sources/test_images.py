import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from polytask.data.sources.images import Images
from polytask.errors import InputError


def encode(pixels, kind="PNG", mode=None):
    buffer = io.BytesIO()
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    (image if mode is None else image.convert(mode)).save(buffer, kind)
    return buffer.getvalue()


GREY = np.arange(6).reshape(2, 3)
COLOUR = np.arange(18).reshape(2, 3, 3)
NOISE = np.random.default_rng(0).integers(0, 256, (9, 9, 3))


@pytest.fixture
def write(tmp_path):
    def inner(**files):
        with zipfile.ZipFile(tmp_path / "f.zip", "w") as file:
            for name, data in files.items():
                file.writestr(name.replace("__", "/") + ".png", data)
        return tmp_path / "f.zip"

    return inner


def test_grey(write):
    table = Images(pattern="(?P<letter>[a-z])").read(write(b=encode(GREY + 1), a=encode(GREY)))
    assert table.columns["image"].dtype == np.uint8
    np.testing.assert_array_equal(table.columns["image"], np.stack([GREY, GREY + 1])[..., None])
    assert table.columns["file"].tolist() == ["a.png", "b.png"]
    assert table.columns["letter"].tolist() == ["a", "b"]


def test_colour_and_jpeg(write):
    np.testing.assert_array_equal(
        Images().read(write(a=encode(COLOUR))).columns["image"][0], COLOUR
    )
    assert Images().read(write(a=encode(COLOUR, "JPEG"))).columns["image"].shape == (1, 2, 3, 3)


def test_palette_gives_positions(write):
    image = Image.fromarray(GREY.astype(np.uint8), mode=None).convert("L")
    image.putpalette([255, 0, 0] * 256)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    read = Images().read(write(a=buffer.getvalue())).columns["image"]
    np.testing.assert_array_equal(read[0, ..., 0], GREY)


def test_one_bit(write):
    data = encode([[0, 255]], mode="1")
    assert Images().read(write(a=data)).columns["image"].ravel().tolist() == [0, 255]


def test_other_sizes_need_the_option(write):
    path = write(a=encode(GREY), b=encode(np.zeros((4, 6))))
    with pytest.raises(InputError, match=r"b\.png: expected .*\(2, 3, 1\).*'size' resizes"):
        Images().read(path)
    assert Images(size=(5, 7)).read(path).columns["image"].shape == (2, 5, 7, 1)


def test_nearest_makes_no_new_labels(write):
    path = write(a=encode([[0, 9], [9, 0]]))
    nearest = Images(size=(5, 5), resample="nearest").read(path).columns["image"]
    assert set(nearest.ravel()) == {0, 9}
    assert len(set(Images(size=(5, 5)).read(path).columns["image"].ravel())) > 2


def test_other_channels(write):
    with pytest.raises(InputError, match=r"b\.png: expected .*\(2, 3, 1\).*got \(2, 3, 3\)"):
        Images().read(write(a=encode(GREY), b=encode(COLOUR)))


def test_other_size_than_in_training(write):
    train = Images().read(write(a=encode(GREY)))
    with pytest.raises(InputError, match=r"a\.png, column 'image': expected rows of shape"):
        Images().read(write(a=encode(GREY.T)), like=train)


DEEP = io.BytesIO()
Image.fromarray(np.arange(4, dtype=np.uint16).reshape(2, 2)).save(DEEP, "PNG")
CORRUPT = {"cut": encode(NOISE)[:200], "text": b"hello", "empty": b"", "deep": DEEP.getvalue()}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=list(CORRUPT))
def test_corrupt_file_is_named_or_skipped(write, content):
    path = write(bad=content, good=encode(COLOUR))
    with pytest.raises(InputError, match=r"f\.zip: bad\.png: "):
        Images().read(path)
    with pytest.warns(UserWarning, match=r"f\.zip: bad\.png: .*; skipped"):
        assert len(Images(corrupt="skip").read(path)) == 1


def test_picture_that_unpacks_to_too_much(write, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(InputError, match=r"a\.png: not a picture, or damaged: .*bomb"):
        Images().read(write(a=encode(GREY)))


@pytest.mark.parametrize(
    "options",
    [
        {"size": (0, 3)},
        {"pattern": "a"},
        {"pattern": "(?P<image>a)"},
        {"corrupt": "x"},
        {"resample": "x"},
    ],
)
def test_bad_options(options):
    with pytest.raises(InputError):
        Images(**options)


def test_camvid(shared_data):
    path = shared_data / "images" / "camvid-120x160.zip"
    pictures = Images(include="test/*.jpg", pattern=r"^(?P<split>[a-z]+)/").read(path)
    maps = Images(include="testannot/*.png", size=(60, 80), resample="nearest").read(path)
    assert pictures.columns["image"].shape == (233, 120, 160, 3)
    assert maps.columns["image"].shape == (233, 60, 80, 1)
    assert set(np.unique(maps.columns["image"])) == set(range(12))
