"""The maps of a block, the line along θ, the histogram and the pairs, against a loop over coordinates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_errors import bin_of, cell_of, one_by_one

from fastcheck.engines import Bound, Slopes
from fastcheck.norms import PIECE_SIZE
from fastcheck.pictures.aggregating import Judged, aggregate
from fastcheck.pictures.block_errors import MOST_ALONG, MOST_CELLS, MOST_PAIRS, SHARE_EDGES
from fastcheck.plan.coordinates import Part
from fastcheck.problem.parameters import Block
from fastcheck.verdict.rule import Rule, Standing

START = 1000


def part_of(shape, places=None):
    block = Block(name="W", shape=shape, start=START, stop=START + int(np.prod(shape, dtype=int)))
    return Part(block=block, places=places, drawn=places is not None)


def rule_of(slopes, relative=1e-7, unit=0.0):
    typical = float(np.sqrt(np.mean(slopes.best**2)))
    return Rule(relative=relative, typical=typical, least=1e-3 * typical, vanishing=0.0, faint=0.0, unit=unit)


@st.composite
def compared_blocks(draw):
    """Draw a part of a block, claims and slopes: with kinks, wide bounds, claims that are no numbers, and samples."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 7, 70, 130]), max_size=4)))
    while np.prod(shape, dtype=int) > 3000:
        shape = shape[1:]
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    size = int(np.prod(shape, dtype=int))
    places = None
    if draw(st.booleans()) and size > 1:
        places = np.sort(rng.choice(size, draw(st.integers(1, size - 1)), replace=False))
    count = size if places is None else places.size
    central = rng.standard_normal(count) * 10.0 ** rng.integers(-6, 3, count)
    claimed = central * (1 + rng.choice([0, 1e-16, 1e-12, 1e-9, 1e-6, 1e-2, 3.0], count))
    if draw(st.booleans()):
        claimed[rng.integers(count)] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e300]))
    absolute = draw(st.sampled_from([0.0, 1e-12, 1e-6])) * np.abs(central).max()
    interval = None
    if draw(st.booleans()):
        wide = np.where(rng.random(count) < 0.3, np.abs(central), 0.0)
        interval = central - wide, central + rng.random(count) * wide
        absolute = np.full(count, absolute)
        absolute[rng.random(count) < 0.1] = 1.0
    slopes = Slopes(central=central, known_to=Bound(1e-13, absolute), interval=interval)
    return part_of(shape, places), claimed, slopes, rule_of(slopes, unit=draw(st.sampled_from([0.0, 1e-30])))


def aggregated(part, claimed, slopes, rule, *, all_right=False):
    return aggregate(Judged(part, rule, all_right, ()), claimed.__getitem__, slopes)


@settings(deadline=None, max_examples=30)
@given(compared_blocks())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pictures_show_what_a_loop_over_coordinates_finds(compared):
    part, claimed, slopes, rule = compared
    errors, loop = aggregated(*compared), one_by_one(part, claimed, slopes, rule)
    cells = errors.cells
    relative = np.full(cells.relative.shape, np.nan)
    standing, along = np.zeros(cells.standing.shape, int), np.full(errors.along.shape, np.nan)
    shares = np.zeros(len(SHARE_EDGES) + 1, int)
    for place, error in loop.relative.items():
        error = np.inf if np.isnan(error) else error
        cell = cell_of(part.block.shape, place, cells.row_edges, cells.column_edges)
        relative[cell] = np.fmax(relative[cell], error)
        standing[cell] = max(standing[cell], loop.standing[place])
        piece = max(i for i in range(along.size) if errors.along_edges[i] <= place)
        along[piece] = np.fmax(along[piece], error)
        shares[bin_of(loop, place)] += 1
    np.testing.assert_allclose(cells.relative, relative, rtol=1e-6)
    np.testing.assert_array_equal(cells.standing, standing)
    np.testing.assert_allclose(errors.along, along, rtol=1e-6)
    np.testing.assert_array_equal(errors.shares, shares)
    assert errors.start == START
    expect_pairs(errors.pairs, part, claimed, loop)


def expect_pairs(pairs, part, claimed, loop):
    """Pairs are coordinates of the part, and of those that are wrong no larger error is left out."""
    rows = part.rows(pairs.places)
    np.testing.assert_array_equal(part.at(rows), pairs.places)
    np.testing.assert_array_equal(pairs.claimed, claimed[rows])
    assert pairs.standing.tolist() == [loop.standing[place] for place in pairs.places.tolist()]
    assert pairs.places.size == part.size or MOST_PAIRS // 2 <= pairs.places.size <= MOST_PAIRS
    kept = set(pairs.places.tolist())
    wrong = {place: loop.error[place] for place, standing in loop.standing.items() if standing == 3}
    left_out = max((error for place, error in wrong.items() if place not in kept), default=0.0)
    shown = sorted((error for place, error in wrong.items() if place in kept), reverse=True)
    assert left_out == 0.0 or left_out <= shown[MOST_PAIRS // 2 - 1]


def test_maps_have_so_many_cells_at_most_and_their_edges_cover_the_block():
    for shape in [(), (1,), (63,), (64,), (65,), (700,), (65, 3), (3, 65, 2), (200, 200)]:
        part = part_of(shape)
        slopes = Slopes(central=np.ones(part.size), known_to=Bound(0.0, 0.0))
        errors = aggregated(part, np.ones(part.size), slopes, rule_of(slopes))
        height, width = (1, part.size) if len(shape) < 2 else (shape[0], part.size // shape[0])
        for edges, length, most in [
            (errors.cells.row_edges, height, MOST_CELLS),
            (errors.cells.column_edges, width, MOST_CELLS),
            (errors.along_edges, part.size, MOST_ALONG),
        ]:
            assert edges[0] == 0
            assert edges[-1] == length
            assert edges.size - 1 == min(length, most)
            assert np.ptp(np.diff(edges)) <= 1


@pytest.mark.parametrize(
    "shape", [(300, 1000), (5, 100_000), (250_000,), (250_000, 1), (1, 7, 40_000), (100_000, 3)]
)
@pytest.mark.parametrize("all_right", [True, False])
def test_pieces_of_a_large_block_are_put_together(shape, all_right):
    rng = np.random.default_rng(0)
    part = part_of(shape)
    assert part.size > PIECE_SIZE
    central = rng.standard_normal(part.size)
    claimed = central * (1 + 1e-9 * rng.standard_normal(part.size))
    slopes = Slopes(central=central, known_to=Bound(1e-14, 1e-15))
    rule = rule_of(slopes)
    if not all_right:
        claimed[rng.integers(0, part.size, 5)] += 1.0
    errors = aggregated(part, claimed, slopes, rule, all_right=all_right)
    size = np.maximum(np.maximum(abs(claimed), abs(central)), rule.typical)
    relative = abs(claimed - central) / size
    standing = np.array([1, 3, 2])[rule.standings(claimed, slopes)]
    share = abs(claimed - central) / rule.thresholds(claimed, slopes)
    places = np.arange(part.size)
    row, column = np.divmod(places, errors.cells.column_edges[-1])
    cell = (
        np.searchsorted(errors.cells.row_edges, row, side="right") - 1,
        np.searchsorted(errors.cells.column_edges, column, side="right") - 1,
    )
    expected, standings = np.zeros(errors.cells.relative.shape), np.zeros(errors.cells.relative.shape, int)
    np.maximum.at(expected, cell, relative)
    np.maximum.at(standings, cell, standing)
    along = np.zeros(errors.along.shape)
    np.maximum.at(along, np.searchsorted(errors.along_edges, places, side="right") - 1, relative)
    # In single precision a slope of 1e-10 times the RMS is off by 1e-7 of itself, and so is its error.
    np.testing.assert_allclose(errors.cells.relative, expected, rtol=1e-5)
    np.testing.assert_allclose(errors.along, along, rtol=1e-5)
    np.testing.assert_array_equal(errors.cells.standing, standings)
    assert errors.shares.sum() == part.size
    assert errors.shares[SHARE_EDGES.index(0) + 1 :].sum() == np.count_nonzero(standing == 3)
    at_least = part.size - np.cumsum(errors.shares)[:-1]
    for power, count in zip(SHARE_EDGES, at_least, strict=True):
        low, high = (np.count_nonzero(share >= 10.0**power * near) for near in (1 + 1e-5, 1 - 1e-5))
        assert low <= count <= high
    places_shown = set(errors.pairs.places.tolist())
    assert {0, part.size // 2, part.size - 1} & places_shown
    assert MOST_PAIRS // 2 <= len(places_shown) <= MOST_PAIRS
    if not all_right:
        assert set(np.argsort(abs(claimed - central))[-MOST_PAIRS // 3 :].tolist()) <= places_shown


def test_claims_that_vanish_with_their_slopes_are_counted_as_right():
    part = part_of((3,))
    slopes = Slopes(central=np.array([1e-18, -1e-18, 1.0]), known_to=Bound(0.0, 1e-17))
    rule = Rule(relative=1e-15, typical=1.0, least=1e-3, vanishing=1e-12, faint=1.0, unit=0.0)
    claimed = np.array([1e-13, 0.0, 1.0])
    assert rule.standings(claimed, slopes).tolist() == [Standing.RIGHT] * 3
    assert abs(claimed - slopes.central)[0] > rule.thresholds(claimed, slopes)[0]
    errors = aggregated(part, claimed, slopes, rule)
    assert errors.cells.standing.tolist() == [[1, 1, 1]]
    assert errors.shares[SHARE_EDGES.index(0) + 1 :].sum() == 0
    assert errors.shares.sum() == 3
