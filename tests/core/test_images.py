"""What the first bytes of an image tell: its format and size, whatever the rest is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attached import HEIGHT, IMAGES, WIDTH, png
from tui_chat.core.images import LEAST_TOKENS, MOST_TOKENS, Image, format_of, image_of


@pytest.mark.parametrize("kind", IMAGES)
def test_the_size_is_read_from_every_form_of_every_format(kind: str) -> None:
    assert Image(kind.split()[0], WIDTH, HEIGHT) == image_of(IMAGES[kind])


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_that_is_cut_before_its_size_is_none(kind: str) -> None:
    data = IMAGES[kind]
    sizes = {image_of(data[:end]) for end in range(len(data))}

    assert sizes <= {None, image_of(data)}
    assert all(image_of(data[:end]) is None for end in range(10))


@pytest.mark.parametrize("data", [b"", b"text", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"<svg/>", b"BM", b"\xff\xd8"])
def test_anything_else_is_no_image(data: bytes) -> None:
    assert (None, None) == (format_of(data), image_of(data))


def test_an_image_without_an_extent_is_none() -> None:
    assert image_of(png(5, 5).replace(struct.pack(">II", 5, 5), struct.pack(">II", 0, 5))) is None
    assert "image/png" == format_of(png(5, 5))


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


FRAME = segment(0xC0, struct.pack(">BHH", 8, 21, 37) + bytes(10))


def test_a_jpegs_size_stands_behind_its_profiles_and_padding() -> None:
    profile = segment(0xE2, bytes(60_000)) * 40
    data = b"\xff\xd8" + segment(0xE1, b"\xff\xc0 a thumbnail's") + profile + segment(0xC4, bytes(9)) + b"\xff\xff"

    assert Image("image/jpeg", 37, 21) == image_of(data + FRAME)


def test_a_jpeg_that_never_comes_to_its_size_is_given_up() -> None:
    assert image_of(b"\xff\xd8" + b"\xff" * 1_000_000 + FRAME) is None
    assert image_of(b"\xff\xd8" + segment(0xDA, b"") + FRAME) is None
    assert image_of(b"\xff\xd8\xff\xe0\x00\x00" * 1000) is None


@given(st.sampled_from(list(IMAGES.values())), st.binary(max_size=60), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_fail(data: bytes, other: bytes, place: int) -> None:
    image = image_of(data[:place] + other + data[place + len(other) :])

    assert image is None or (image.width > 0 and image.height > 0)


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        (1000, 1000, 1296),  # Anthropic's own examples: 36 by 36 patches
        (1092, 1092, 1521),
        (1920, 1080, 69 * 39),
        (384, 384, 258),  # Gemini
        (1, 1, 258),
        (8000, 1, 258),
        (8000, 6000, MOST_TOKENS),
        (2576, 1000, 92 * 36),
        (5152, 2000, 92 * 36),
    ],
)
def test_an_image_costs_its_patches_within_limits(width: int, height: int, tokens: int) -> None:
    assert tokens == Image("image/png", width, height).tokens == Image("image/png", height, width).tokens


@given(st.integers(1, 2**31), st.integers(1, 2**31))
def test_no_image_costs_nothing_or_more_than_the_most(width: int, height: int) -> None:
    assert LEAST_TOKENS <= Image("image/png", width, height).tokens <= MOST_TOKENS
