from collections import OrderedDict, namedtuple

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenarios import leaves

from fastcheck import InvalidProblemError
from fastcheck.problem.parameters import read_gradients, read_parameters

Pair = namedtuple("Pair", ["first", "second"])

FLOATS = st.floats(-1e6, 1e6)
ARRAYS = st.sampled_from([np.float64, np.float32]).flatmap(
    lambda dtype: arrays_of.arrays(
        dtype,
        arrays_of.array_shapes(min_dims=0, max_dims=3, max_side=3),
        elements=st.floats(-100, 100, width=32),
    )
)
KEYS = st.sampled_from(["W1", "b1", "W2", "gamma", "a b", "W.x", 0, 1])
STRUCTURES = st.recursive(
    ARRAYS | FLOATS,
    lambda inner: (
        st.dictionaries(KEYS, inner, min_size=1, max_size=3)
        | st.lists(inner, min_size=1, max_size=3)
        | st.lists(inner, min_size=1, max_size=3).map(tuple)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=6,
)


def same_structure(a, b):
    """Same containers and keys; arrays equal in shape and value, numbers equal."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(same_structure(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same_structure, a, b))
    if type(a) is float:
        return type(b) is float and a == b
    return isinstance(b, np.ndarray) and b.dtype == np.float64 and np.array_equal(a, b)


@given(STRUCTURES)
def test_structure_to_vector_and_back(structure):
    layout, vector = read_parameters(structure)
    assert vector.dtype == np.float64
    assert vector.shape == (layout.size,)
    assert same_structure(structure, layout.build(vector))


@given(STRUCTURES)
def test_names_are_unique_and_every_coordinate_has_one(structure):
    layout, vector = read_parameters(structure)
    names = [layout.coordinate_name(i) for i in range(layout.size)]
    assert len(set(names)) == layout.size
    for i in range(layout.size):
        block, index = layout.position(i)
        values = vector[block.start : block.stop].reshape(block.shape)
        assert values[index] == vector[i]
        assert block.start <= i < block.stop


@given(STRUCTURES)
def test_blocks_lie_one_after_the_other(structure):
    layout, _ = read_parameters(structure)
    assert layout.blocks[0].start == 0
    assert all(a.stop == b.start for a, b in zip(layout.blocks, layout.blocks[1:], strict=False))
    assert [b.shape for b in layout.blocks] == [array.shape for _, array in leaves(structure)]


@given(STRUCTURES)
def test_gradients_of_the_same_structure_fit(structure):
    layout, vector = read_parameters(structure)
    claims = read_gradients(layout, structure)
    assert np.array_equal(np.concatenate([array.ravel() for array in claims]), vector)
    assert [array.shape for array in claims] == [block.shape for block in layout.blocks]


def test_names():
    structure = {
        "W1": np.ones((5, 4)),
        "layers": [{"W": np.ones(2)}, {"W": np.ones(2)}],
        "pair": Pair(np.ones(1), 2.0),
        3: np.ones(1),
    }
    layout, _ = read_parameters(structure)
    assert [block.name for block in layout.blocks] == [
        "W1", "layers[0].W", "layers[1].W", "pair.first", "pair.second", "[3]",
    ]  # fmt: skip
    assert layout.coordinate_name(12) == "W1[3, 0]"
    assert layout.coordinate_name(25) == "pair.second"  # a number has no index
    assert layout.position(23)[1] == (1,)
    layout, _ = read_parameters(np.ones((2, 2)))
    assert layout.coordinate_name(3) == "theta[1, 1]"


def test_an_empty_array_between_others_holds_no_coordinate():
    layout, vector = read_parameters([np.ones(2), np.empty((0, 3)), np.ones(2), np.empty(0)])
    assert vector.size == 4
    assert [layout.block_of(i).name for i in range(4)] == ["[0]", "[0]", "[2]", "[2]"]


def test_built_arrays_are_views_of_the_vector():
    layout, vector = read_parameters({"W": np.arange(6.0).reshape(2, 3)})
    layout.build(vector)["W"][1, 2] = 77
    assert vector[5] == 77


def test_the_vector_is_a_copy_whatever_the_memory_order():
    W = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    view = np.arange(12.0)[::2].reshape(3, 2).T
    W.flags.writeable = False
    _, vector = read_parameters([W, view])
    assert vector[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert vector[6:].tolist() == [0, 4, 8, 2, 6, 10]
    vector[:] = -1
    assert W[0, 0] == 0
    assert view[0, 1] == 4


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_dtypes_are_read_exactly_and_the_claims_keep_theirs(dtype):
    values = np.array([0.1, 3.0], dtype)
    layout, vector = read_parameters({"w": values})
    assert vector.tolist() == [float(v) for v in values]
    (claim,) = read_gradients(layout, {"dw": values})
    assert claim.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    "gradients",
    [
        {"W1": 1.0, "b1": 2.0},
        {"dW1": 1.0, "db1": 2.0},
        {"dW1": 1.0, "b1": 2.0},
        {"dZ1": "anything", "dW1": 1.0, "dA0": None, "db1": 2.0, "W": 3, 5: 4, "note7": "", "dtype": float},
        OrderedDict(db1=2.0, dW1=1.0),
    ],
    ids=["same keys", "with d", "mixed", "other keys", "other order"],
)
def test_keys_of_gradients(gradients):
    layout, _ = read_parameters({"W1": 0.0, "b1": 0.0})
    assert [float(g) for g in read_gradients(layout, gradients)] == [1.0, 2.0]


def test_cached_parameters_beside_their_gradients_are_ambiguous():
    layout, _ = read_parameters({"W1": 0.0, "b1": 0.0})
    with pytest.raises(InvalidProblemError, match="which are the gradients"):
        read_gradients(layout, {"W1": 1.0, "b1": 1.0, "dW1": 2.0, "db1": 2.0})


def test_parameters_whose_names_begin_with_d():
    layout, _ = read_parameters({"d1": 0.0, "d2": 0.0})
    assert [float(g) for g in read_gradients(layout, {"dd1": 1.0, "dd2": 2.0})] == [1.0, 2.0]
    assert [float(g) for g in read_gradients(layout, {"d1": 3.0, "d2": 4.0})] == [3.0, 4.0]


def test_a_list_of_gradients_for_a_tuple_of_parameters():
    layout, _ = read_parameters((np.zeros(2), 0.0))
    first, second = read_gradients(layout, [np.array([1, 2], np.float32), 3.0])
    assert (first.tolist(), float(second)) == ([1, 2], 3)
    assert (first.dtype, second.dtype) == (np.float32, np.float64)


def test_two_keys_that_would_give_one_name_are_refused():
    with pytest.raises(InvalidProblemError, match=r"both be called a\.b"):
        read_parameters({"a.b": 1.0, "a": {"b": 2.0}})


@pytest.mark.parametrize(
    ("number", "kind"), [(0.5, float), (np.float64(0.5), np.float64), (np.float32(0.5), np.float64)]
)
def test_numbers_stay_numbers_of_their_kind(number, kind):
    layout, theta = read_parameters({"W": np.zeros(2), "b": number})
    assert type(layout.build(theta)["b"]) is kind


def test_an_array_of_slopes_for_a_list_of_numbers():
    layout, _ = read_parameters([1.3, 0.7])
    assert [float(slope) for slope in read_gradients(layout, np.array([5.0, -2.0]))] == [5.0, -2.0]
    with pytest.raises(
        InvalidProblemError, match="expected a list or tuple of 2, like the parameters, got ndarray"
    ):
        read_gradients(layout, np.zeros(3))
