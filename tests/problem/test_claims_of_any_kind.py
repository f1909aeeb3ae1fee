"""Claims as integers, truth values, lists, and arrays of other libraries; costs that are tensors."""

import numpy as np
import pytest

from fastcheck import EvaluationError, InvalidProblemError, check, locate, screen

THETA = {"W": np.array([[1.0, -2.0], [0.5, 3.0], [-1.0, 2.0]]), "b": np.array([0.5, -1.0])}
METHODS = ("auto", "plain", "reference")


class JaxLike:
    """An array that can be read by `np.asarray` alone, and is no ndarray."""

    def __init__(self, values, dtype=np.float32):
        self._values = np.asarray(values, dtype)
        self.shape, self.dtype = self._values.shape, self._values.dtype

    def __array__(self, dtype=None, copy=None):
        return self._values.astype(dtype or self._values.dtype)

    def __float__(self):
        return float(self._values)


class TorchLike:
    """A tensor with a gradient on another device: `np.asarray` works after ``.detach().cpu()`` alone."""

    def __init__(self, values, *, requires_grad=True, device="gpu", dtype=np.float64):
        self._values = np.asarray(values, dtype)
        self.requires_grad, self.device = requires_grad, device
        self.shape, self.dtype = self._values.shape, f"torch.{self._values.dtype}"

    def detach(self):
        return TorchLike(self._values, requires_grad=False, device=self.device, dtype=self._values.dtype)

    def cpu(self):
        return TorchLike(
            self._values, requires_grad=self.requires_grad, device="cpu", dtype=self._values.dtype
        )

    def numpy(self):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu":
            raise TypeError("can't convert gpu tensor to numpy.")
        return self._values

    def __array__(self, dtype=None, copy=None):
        return self.numpy().astype(dtype or self._values.dtype)


def relu_sum(p):
    return np.sum(np.maximum(p["W"], 0)) - np.sum(p["b"])


MASK = THETA["W"] > 0
CONVERSIONS = {
    "integers": lambda a: a.astype(int),
    "small integers": lambda a: a.astype(np.int8),
    "lists": lambda a: a.tolist(),
    "lists of integers": lambda a: a.astype(int).tolist(),
    "extended precision": lambda a: a.astype(np.longdouble),
    "other byte order": lambda a: a.astype(">f8"),
    "like JAX": JaxLike,
    "integers like JAX": lambda a: JaxLike(a, np.int32),
    "like torch": TorchLike,
    "single precision like torch": lambda a: TorchLike(a, dtype=np.float32),
}


@pytest.mark.parametrize("question", [check, screen, locate])
@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_a_claim_in_another_form_is_held_to_the_same(convert, question):
    right = {"W": convert(MASK.astype(float)), "b": convert(-np.ones(2))}
    assert question(relu_sum, THETA, right).passed
    assert question(relu_sum, THETA, lambda p: right).passed
    wrong = {"W": convert(np.ones((3, 2))), "b": convert(-np.ones(2))}
    report = question(relu_sum, THETA, wrong)
    assert {name: block.verdict.value for name, block in report.blocks.items()} == {"W": "fail", "b": "pass"}


def test_a_claim_of_truth_values_is_one_of_zeros_and_ones():
    assert check(lambda w: np.sum(np.maximum(w, 0)), THETA["W"], MASK).passed
    assert check(lambda w: np.sum(np.maximum(w, 0)), THETA["W"], ~MASK).verdict == "fail"


def test_whole_numbers_serve_for_gradients_of_numbers():
    assert check(lambda p: 3 * p["a"] + p["b"], {"a": 0.5, "b": 1.0}, {"a": 3, "b": np.int64(1)}).passed
    assert check(lambda p: 3 * p["a"] + p["b"], {"a": 0.5, "b": 1.0}, {"a": 2, "b": True}).verdict == "fail"


def test_a_claim_keeps_single_precision_and_the_callers_array():
    claim = TorchLike(np.full(3, 0.1), dtype=np.float32)
    assert check(lambda w: 0.1 * np.sum(w), np.ones(3), claim).passed  # 0.1 in float32 is off by 1.5e-9
    claim = TorchLike(np.full(3, np.float32(0.1)), dtype=np.float64)
    assert check(lambda w: 0.1 * np.sum(w), np.ones(3), claim, tolerance=1e-9).verdict == "fail"
    assert claim.requires_grad
    assert claim.device == "gpu"


def test_a_tensor_that_cannot_be_read_is_named_with_its_reason():
    class BFloat16(TorchLike):
        def detach(self):
            raise TypeError("Got unsupported ScalarType BFloat16")

    with pytest.raises(InvalidProblemError, match=r"gradient of theta: .*BFloat16.*unsupported ScalarType"):
        check(np.sum, np.ones(3), BFloat16(np.ones(3)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tensor", [TorchLike, lambda x: JaxLike(x, np.float64)], ids=["torch", "JAX"])
def test_a_cost_may_be_a_tensor_without_axes(tensor, method):
    def cost(w):
        return tensor(np.sum(np.asarray(w) ** 2))

    w = np.array([1.0, -2.0, 0.5])
    assert check(cost, w, tensor(2 * w), method=method).passed
    assert check(cost, w, tensor(2 * w + [0, 1e-4, 0]), method=method).verdict == "fail"


@pytest.mark.parametrize("tensor", [TorchLike, JaxLike])
def test_a_cost_that_is_a_tensor_with_axes_is_refused_like_an_array(tensor):
    with pytest.raises(EvaluationError, match=r"array of shape \(1,\) .*cost\.item\(\)"):
        check(lambda w: tensor(np.asarray(w)[:1]), np.ones(3), np.ones(3))
    with pytest.raises(EvaluationError, match=r"array of shape \(3,\) .*Sum or average"):
        check(lambda w: tensor(np.asarray(w)), np.ones(3), np.ones(3))
    with pytest.raises(EvaluationError, match="finite number, got nan"):
        check(lambda w: tensor(np.nan), np.ones(3), np.ones(3))
