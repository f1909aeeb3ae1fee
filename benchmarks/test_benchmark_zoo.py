"""The zoo itself: its networks are right, its mistakes show, and the page counts what was said."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.zoo import run, table
from benchmarks.zoo.families import FAMILIES, LARGE, build
from benchmarks.zoo.lines import Lines, NotHereError, WrongLine
from benchmarks.zoo.mistakes import MISTAKES, effect
from benchmarks.zoo.peers import PEERS, Peer
from benchmarks.zoo.planting import BELOW_THE_TOLERANCE, NAMES, places, planted, right_gradient


def test_it_is_as_large_as_it_says():
    assert len(MISTAKES) == len(NAMES) >= 60
    assert len(FAMILIES) >= 12
    case, _ = right_gradient("784-300-10, 64 samples", 0)
    assert sum(block.size for block in case.parameters.values()) == 238_510


@pytest.mark.parametrize("family", FAMILIES)
def test_right_gradients_are_right(family):
    """By a loop of its own, over some coordinates of each block."""
    case, right = right_gradient(family, 0)
    point = {name: block.astype(float) for name, block in case.parameters.items()}
    scale = max(float(np.max(np.abs(block))) for block in right.values())
    assert set(right) == set(case.parameters)
    rng = np.random.default_rng(0)
    for name, block in point.items():
        assert right[name].shape == block.shape
        assert right[name].dtype == case.parameters[name].dtype
        for i in rng.choice(block.size, min(5, block.size), replace=False):
            costs = []
            for step in (1e-5, -1e-5):
                moved = block.copy()
                moved.flat[i] += step
                costs.append(case.cost(point | {name: moved}))
            expected = pytest.approx(float(right[name].flat[i]), rel=1e-5, abs=1e-6 * scale)
            assert (costs[0] - costs[1]) / 2e-5 == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_cases_repeat_and_differ_between_seeds(family):
    one, same, other = (build(family, seed) for seed in (0, 0, 1))
    assert one.cost(one.parameters) == same.cost(same.parameters) != other.cost(other.parameters)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_every_mistake_shows_somewhere(mistake):
    assert bool(places(mistake.name)) is (mistake.name not in BELOW_THE_TOLERANCE)


@pytest.mark.parametrize(
    ("name", "family", "blocks"),
    [
        ("the course: dW2 doubled", "course", {"W2"}),
        ("the course: db1 with 4 / m", "course", {"b1"}),
        ("dWh not accumulated over time", "recurrent", {"Wh"}),
        ("statistics of the batch as constants", "batch normalisation", {"W1", "b1"}),
        ("maximum to all ties", "convolution", {"k1"}),
        ("dropout mask not applied going back", "dropout", {"W1", "b1"}),
    ],
)
def test_where_a_mistake_shows(name, family, blocks):
    assert planted(name, family)[2].blocks == blocks


def test_a_wrong_line_in_one_layer_is_in_another_layer_with_another_seed():
    wrong = WrongLine(line="slope", formula=lambda v: 0, in_one_layer=True)
    layers = [Lines({"slope": lambda v: 1}, wrong, seed, {"slope": (1, 2, 3)}).layer for seed in range(4)]
    assert layers == [1, 2, 3, 1]


def test_two_wrong_lines_are_both_made_but_only_one_in_the_same_line():
    elsewhere = WrongLine(line="bias", formula=lambda v: v.right + 2)
    wrong = WrongLine(line="slope", formula=lambda v: v.right + 1, also=elsewhere)
    same = WrongLine(line="slope", formula=lambda v: 10, also=wrong)
    right = {"slope": lambda v: 1, "bias": lambda v: 1, "back": lambda v: 1}
    values = SimpleNamespace()
    assert [Lines(right, wrong)(line, values) for line in right] == [2, 3, 1]
    assert [Lines(right, same)(line, values) for line in right] == [10, 3, 1]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("dropout mask not applied going back", "course"),
        ("L2 missing", "course"),
        ("L2 on a bias", "convolution"),
        ("ε of the logarithm in the cost only", "course"),
        ("a square block transposed", "course"),
        ("two blocks of the same shape exchanged", "course"),
        ("repeated words overwritten", "attention"),
    ],
)
def test_mistakes_that_cannot_be_made_there(name, family):
    with pytest.raises(NotHereError):
        planted(name, family)


def test_the_effect_is_measured():
    right = {"W": np.array([[1.0, -2.0], [1e-9, 0.0]]), "b": np.array([1e-16])}
    assert effect(right, right).small
    assert not effect(right, right).blocks
    assert not effect(right, right | {"b": np.array([3e-16])}).blocks  # zero but for rounding, both
    one = effect(right, right | {"W": np.array([[1.0, -2.0], [1.001e-9, 0.0]])})
    assert one.relative == pytest.approx(1e-3)
    assert one.to_block < 1e-11
    assert (one.small, one.blocks) == (False, {"W"})
    below = effect(right, right | {"W": np.array([[1.0, -2.0 * (1 + 0.9e-6)], [1e-9, 0.0]])})
    assert (below.small, below.blocks) == (True, {"W"})
    assert not effect(right, right | {"b": np.array([1e-9])}).small


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_peers_tell_a_gross_mistake_from_a_right_gradient(peer):
    if not peer.installed:
        pytest.skip(f"{peer.package} is not installed; it is in the extra peers")
    for family in ("L2", "attention"):
        case, right = right_gradient(family, 0)
        wrong = {name: 3 * block for name, block in right.items()}
        assert run.peer_says(peer.detects, case, right, peer.defaults) == "passed"
        assert run.peer_says(peer.detects, case, wrong, peer.defaults) == "detected"


def always(answer):
    def detects(case, claimed, *, strict=False):
        if answer is None:
            raise RuntimeError("broken")
        return answer or strict

    return detects


@pytest.fixture(scope="module")
def small_zoo():
    grid = [{"strict": True}]
    peers = [
        Peer(name=name, package=package, detects=always(answer), defaults={}, grid=grid)
        for name, package, answer in (
            ("yes", "numpy", True),
            ("no", "numpy", False),
            ("broken", "numpy", None),
            ("absent", "no_such_package", True),
        )
    ]
    size = run.Size(wrong=1, right=3, large=0, peers_right=2)
    some = [m for k, m in enumerate(MISTAKES) if k % 6 == 0 or m.name == "one entry negated"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "MISTAKES", some)
        return run.run(size, ["course"], [p for p in peers if p.installed]), peers


@pytest.mark.slow
def test_everybody_is_asked_about_the_same(small_zoo):
    outcomes, _ = small_zoo
    asked = {}
    for o in outcomes:
        asked.setdefault((o.checker, o.setting), set()).add(table.key(o))
    assert (
        asked[run.FASTCHECK, 0]
        == asked[run.PLAIN, 0]
        > asked["yes", 0]
        == asked["no", 1]
        == asked["broken", 0]
    )
    assert asked[run.FASTCHECK, 0] - asked["yes", 0] == {("course", 2, None)}
    assert {o.said for o in outcomes if o.checker == "yes"} == {"detected"}
    assert {o.said for o in outcomes if o.checker == "broken"} == {"error"}
    assert {o.said for o in outcomes if o.checker == "no"} == {"passed", "detected"}


@pytest.mark.slow
def test_the_page_counts_what_was_said(small_zoo):
    outcomes, peers = small_zoo
    page = table.page(outcomes, peers)
    wrong = sum(
        1 for o in outcomes if o.checker == "yes" and not o.setting and o.effect and not o.effect.small
    )
    assert f"| `yes`, defaults | {wrong} | {wrong} | 0 (0.0 %) | 0 | 2 | 2 | 0 | 0 |" in page
    assert f"| `no`, defaults | {wrong} | 0 | {wrong} (100.0 %) | 0 | 2 | 0 | 0 | 0 |" in page
    assert f"| `broken`, defaults | {wrong} | 0 | 0 (0.0 %) | 0 | 2 | 0 | 0 | {wrong + 2} |" in page
    assert "Not installed here, and not asked: `absent`." in page
    assert "| course | 47 |" in page
    assert "| one entry negated | 1 | 1 | 1 | 100 | 0 | 0 |" in page


@pytest.mark.slow
def test_the_page_without_peers_says_so(small_zoo):
    outcomes, _ = small_zoo
    page = table.page([o for o in outcomes if o.checker in run.METHODS], peers=())
    assert "No peer was asked" in page
    assert "It subtracted costs in no case." in page


@pytest.mark.slow
def test_large_networks_are_named(small_zoo):
    outcomes, _ = small_zoo
    o = next(o for o in outcomes if o.checker == run.FASTCHECK and not o.mistake)
    large = dataclasses.replace(o, family=next(iter(LARGE)), parameters=5_090)
    page = table.page([*outcomes, large], peers=())
    assert "Among the right gradients are those of 1 ReLU networks with up to 5,090 parameters" in page


@pytest.mark.slow
def test_what_was_missed_is_listed(small_zoo):
    outcomes, _ = small_zoo
    o = next(o for o in outcomes if o.checker == run.FASTCHECK and o.mistake == "one entry negated")
    page = table.page([dataclasses.replace(o, said="passed", method="plain")], peers=())
    assert (
        f"| one entry negated | course | 0 | {o.effect.relative:.1e} | {o.effect.to_block:.1e} | passed |"
        in page
    )
    assert "It subtracted costs in 1 cases (0 of these inconclusive)" in page
