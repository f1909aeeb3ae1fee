"""Reports of claims whose right slopes are known, with all that pictures need, and without a check."""

import dataclasses

import numpy as np

from fastcheck import BlockReport, Coordinate, Report, Verdict
from fastcheck.pictures.block_errors import (
    MOST_ALONG,
    MOST_CELLS,
    MOST_PAIRS,
    SHARE_EDGES,
    BlockErrors,
    ErrorMap,
    Pairs,
)
from fastcheck.verdict.power import Power

TOLERANCE = 1e-7


def pictured_report(blocks, verdict=None, **fields):
    """Return the report of blocks, each with claimed and numerical slopes, compared by the simplest of rules.

    ``blocks`` maps names to (claimed, numerical) or (claimed, numerical, mask of what was looked at).
    """
    reports, start = {}, 0
    for name, arrays in blocks.items():
        reports[name] = pictured_block(name, start, *arrays)
        start += reports[name].size
    if verdict is None:
        verdict = Verdict.FAIL if any(b.wrong for b in reports.values()) else Verdict.PASS
    given = {
        "difference": 0.1,
        "forward_passes": 7,
        "method": "difference",
        "epsilon": None,
        "tolerance": TOLERANCE,
    }
    return Report(verdict=verdict, blocks=reports, seconds=0.1, seed=0, **given | fields)


def pictured_block(name, start, claimed, numerical, looked_at=None):
    claimed, numerical = np.asarray(claimed, dtype=float), np.asarray(numerical, dtype=float)
    shape, size = claimed.shape, claimed.size
    g, slopes = claimed.ravel(), numerical.ravel()
    looked = np.ones(size, dtype=bool) if looked_at is None else np.ravel(looked_at)
    largest = np.max(np.abs(slopes), initial=0.0)
    rms = largest * np.sqrt(np.mean((slopes / largest) ** 2)) if largest else 0.0
    scale = np.maximum(np.maximum(np.abs(g), np.abs(slopes)), rms)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(scale == 0, 0.0, np.abs(g - slopes) / scale)
    is_wrong = ~(relative <= TOLERANCE)
    standing = np.where(looked, np.where(is_wrong, 3, 1), 0).astype(np.int8)
    shown = np.where(looked, relative, np.nan)
    error = np.abs(g - slopes)
    worst = np.argsort(-np.where(looked, np.where(np.isfinite(error), error, np.inf), -1), kind="stable")
    coordinates = tuple(
        Coordinate(
            block=name,
            index=tuple(int(i) for i in np.unravel_index(p, shape)) if shape else (),
            claimed=float(g[p]),
            numerical=float(slopes[p]),
            error=float(error[p]),
            relative_error=float(relative[p]),
        )
        for p in worst[:5]
    )
    wrong = int(np.sum(standing == 3))
    return BlockReport(
        verdict=Verdict.FAIL if wrong else Verdict.PASS,
        difference=float(np.nanmax(shown, initial=0.0)),
        shape=shape,
        size=size,
        checked=int(looked.sum()),
        wrong=wrong,
        undecided=0,
        worst=coordinates,
        cause=None,
        power=Power(factor=1e-7, coordinate=1e-6),
        errors=BlockErrors(
            start=start,
            cells=_cells(shape, shown, standing),
            along_edges=_edges(size, MOST_ALONG),
            along=_along(shown, looked),
            shares=_shares(relative[looked] / TOLERANCE),
            pairs=_pairs(g, slopes, standing, worst),
        ),
    )


def with_study(report, study):
    return dataclasses.replace(report, study=study)


def _edges(size, most):
    return np.linspace(0, size, min(size, most) + 1).astype(np.intp)


def _cells(shape, relative, standing):
    rows = 1 if len(shape) < 2 else shape[0]
    relative, standing = relative.reshape(rows, -1), standing.reshape(rows, -1)
    row_edges, column_edges = _edges(rows, MOST_CELLS), _edges(relative.shape[1], MOST_CELLS)
    worst = np.fmax.reduceat(np.fmax.reduceat(relative, row_edges[:-1], 0), column_edges[:-1], 1)
    most = np.maximum.reduceat(np.maximum.reduceat(standing, row_edges[:-1], 0), column_edges[:-1], 1)
    return ErrorMap(
        row_edges=row_edges, column_edges=column_edges, relative=worst.astype(np.float32), standing=most
    )


def _along(relative, looked):
    known = np.where(looked & np.isnan(relative), np.inf, relative)
    return np.fmax.reduceat(known, _edges(known.size, MOST_ALONG)[:-1]).astype(np.float32)


def _shares(shares):
    with np.errstate(divide="ignore"):
        powers = np.log10(np.where(np.isfinite(shares), shares, np.inf))
    return np.bincount(np.searchsorted(SHARE_EDGES, powers, side="right"), minlength=len(SHARE_EDGES) + 1)


def _pairs(claimed, numerical, standing, worst):
    places = np.flatnonzero(standing)
    if places.size > MOST_PAIRS:
        evenly = np.linspace(0, places.size - 1, MOST_PAIRS // 2).astype(int)
        places = np.unique(np.concatenate([worst[: MOST_PAIRS // 2], places[evenly]]))
    return Pairs(places, claimed[places], numerical[places], standing[places])
