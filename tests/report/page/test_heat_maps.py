import base64
import struct
import zlib

import numpy as np
import pytest

from fastcheck.pictures.block_errors import ErrorMap
from fastcheck.report.page.heat_maps import LEVELS, draw_heat_map, palette


def cells(relative, standing, rows=None, columns=None):
    relative, standing = np.array(relative, np.float32), np.array(standing, np.int8)
    row_edges = np.arange(relative.shape[0] + 1) if rows is None else np.array(rows)
    column_edges = np.arange(relative.shape[1] + 1) if columns is None else np.array(columns)
    return ErrorMap(row_edges=row_edges, column_edges=column_edges, relative=relative, standing=standing)


def decoded(uri):
    """The indices of a PNG, its colours, and which of them are transparent, read by the words of the standard."""
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + content),)
        chunks[kind] = content
        at += 12 + length
    width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 3)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3), chunks[b"tRNS"]


def test_the_image_holds_the_errors():
    relative = [[1e-17, 1e-8, 1.0], [0.0, np.nan, 50.0]]
    indices, colours, alpha = decoded(draw_heat_map(cells(relative, [[1, 1, 3], [1, 0, 3]])).image)
    assert alpha == b"\0"
    assert indices.tolist() == [[1, 1 + round(9 / 17 * (LEVELS - 1)), LEVELS], [1, 0, LEVELS]]
    assert len(colours) == LEVELS + 1


def test_an_error_that_is_no_number_is_as_bad_as_can_be():
    indices, _, _ = decoded(draw_heat_map(cells([[np.nan, np.inf]], [[3, 3]])).image)
    assert indices.tolist() == [[LEVELS, LEVELS]]


def test_colours_grow_lighter_evenly():
    linear = (np.array(palette()) / 255) ** 2.2
    lightness = np.cbrt(linear @ [0.2126, 0.7152, 0.0722])
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() < 3 * steps.mean()


GRID = np.ones((4, 5), np.int8)


def wrong(*places):
    standing = GRID.copy()
    for place in places:
        standing[place] = 3
    return standing


@pytest.mark.parametrize(
    ("standing", "sentence"),
    [
        (GRID, "No cell is wrong."),
        (3 * GRID, "Every cell is wrong."),
        (0 * GRID, "Nothing was looked at."),
        (wrong(2), "Every cell of row 2 is wrong, and no other."),
        (wrong(slice(1, 3)), "Every cell of rows 1 to 2 is wrong, and no other."),
        (wrong((slice(None), 4)), "Every cell of column 4 is wrong, and no other."),
        (wrong(0, 2, (slice(None), 1)), "Every cell of rows 0, 2 and column 1 is wrong, and no other."),
        (wrong((1, 1)), "1 of 20 cells is wrong, in 1 of 4 rows and 1 of 5 columns."),
        (wrong((1, 1), (2, 3)), "2 of 20 cells are wrong, in 2 of 4 rows and 2 of 5 columns."),
        (
            np.where(GRID.cumsum().reshape(4, 5) % 2, 0, wrong(2)),
            "Every cell of row 2 that was looked at is wrong, and no other. Hatched cells were not looked at.",
        ),
    ],
)
def test_the_sentence_says_what_is_seen(standing, sentence):
    assert draw_heat_map(cells(np.full((4, 5), 1e-3), standing)).sentence == sentence


def test_nothing_is_said_of_cells_that_were_not_looked_at():
    standing = GRID.copy()
    standing[0, 0] = 0
    drawn = draw_heat_map(cells(np.full((4, 5), 1e-3), standing))
    assert drawn.sentence == "No cell that was looked at is wrong. Hatched cells were not looked at."


def test_cells_of_a_sample_are_the_worst_of_what_was_looked_at():
    some = cells(np.full((2, 2), 0.1), np.ones((2, 2)), rows=[0, 5, 9], columns=[0, 3, 7])
    sampled = draw_heat_map(some, is_whole=False)
    assert sampled.cell == "the worst of up to 5 × 4 coordinates, as far as they were looked at"


def test_undecided_cells_are_marked_and_counted():
    standing = GRID.copy()
    standing[1, 1], standing[2, 3] = 2, 2
    drawn = draw_heat_map(cells(np.full((4, 5), 1e-3), standing))
    assert drawn.sentence == "No cell is known to be wrong. 2 are undecided."
    assert drawn.rings.count("M") == 2
    standing[0] = 3
    drawn = draw_heat_map(cells(np.full((4, 5), 1e-3), standing))
    assert drawn.sentence == "Every cell of row 0 is wrong, and no other. 2 are undecided."


def test_cells_of_many_coordinates_are_not_called_wrong_as_a_whole():
    standing = np.ones((2, 2), np.int8)
    standing[1] = 3
    drawn = draw_heat_map(cells(np.full((2, 2), 0.1), standing, rows=[0, 5, 9], columns=[0, 3, 7]))
    assert drawn.sentence == "Every cell of rows 5 to 8 holds a wrong coordinate, and no other."
    assert drawn.cell == "the worst of up to 5 × 4 coordinates"
    assert [tick.label for tick in drawn.row_ticks] == ["0", "5"]


def test_bars_are_the_wrong_share_of_what_was_looked_at():
    standing = np.ones((4, 4), np.int8)
    standing[1, :2], standing[1, 3] = 3, 0
    drawn = draw_heat_map(cells(np.full((4, 4), 0.1), standing))
    assert [share for _, _, share in drawn.row_bars] == [0.667]
    assert [share for _, _, share in drawn.column_bars] == [0.25, 0.25]
    assert drawn.crosses.count("M") == 2
    assert drawn.rings == ""
    assert drawn.has_gaps


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (64, 1), (64, 64), (3, 40)])
def test_maps_fit_into_a_column(shape):
    drawn = draw_heat_map(cells(np.zeros(shape), np.ones(shape)))
    assert 20 <= drawn.width <= 300
    assert 20 <= drawn.height <= 300


def test_it_is_said_what_bars_count():
    standing = wrong((1, 1))
    assert (
        draw_heat_map(cells(np.ones((4, 5)), standing)).bars
        == "Bars: the wrong share of each row and column."
    )
    standing[0, 0] = 0
    said = "Bars: the wrong share of each row and column, as far as they were looked at."
    assert draw_heat_map(cells(np.ones((4, 5)), standing)).bars == said
    many = cells(np.ones((2, 2)), [[1, 3], [1, 1]], rows=[0, 5, 9], columns=[0, 3, 7])
    said = "Bars: the share of cells that hold a wrong coordinate in each row and column."
    assert draw_heat_map(many).bars == said
    assert draw_heat_map(cells(np.ones((4, 5)), GRID)).bars == ""
