"""Causes in the text of a report: what is wrong, where to look, how well that explains it, and what is right."""

import dataclasses
import pickle

import numpy as np
import pytest

from fastcheck import Cause, CodeLine, Report, check
from fastcheck.report.causes import INTERMEDIATE, ORDER
from fastcheck.report.result import Located
from fastcheck.report.view import WIDTH

COST = CodeLine(file="/home/me/network.py", number=14, text="A1 = np.tanh(Z1)")
BACKWARD = CodeLine(file="/home/me/network.py", number=31, text="dZ1 = W2.T @ dZ2")
LAYERS = ("W1", "b1", "W2", "b2", "W3", "b3")


def cause(*blocks, **fields):
    sound = {
        "kind": "derivative left out",
        "sentence": "the backward pass leaves out the derivative of line 14, `np.tanh(Z1)`",
        "evidence": "explains both wrong blocks to 3e-13 of their errors",
        "certain": True,
        "lines": (COST,),
        "backward_lines": (BACKWARD,),
    }
    return Cause(blocks=blocks, **sound | fields)


def fact(*blocks, **fields):
    return cause(
        *blocks, **{"lines": (), "sentence": f"d{blocks[0]} is 2 times the right gradient", **fields}
    )


def report(*causes, names=LAYERS):
    """A report in which the blocks of these causes fail, and no others do."""
    failing = {name for cause in causes for name in cause.blocks}
    theta = {name: np.array([1.0, 2.0, 3.0]) for name in names}
    rng = np.random.default_rng(0)
    claim = {name: rng.random(3) if name in failing else 2 * value for name, value in theta.items()}
    found = check(lambda p: sum(np.sum(value**2) for value in p.values()), theta, claim)
    shown = dataclasses.replace(found, causes=causes)
    assert Report.from_dict(shown.to_dict()) == shown
    assert pickle.loads(pickle.dumps(shown)).causes == causes
    return shown


def head(*causes, verbose=True, **options):
    """The lines above the summary."""
    text = report(*causes, **options).to_text(verbose=verbose)
    assert all(len(line) <= WIDTH for line in text.splitlines())
    return text.split("\nall " if verbose else "\n\n")[0].splitlines()


def test_a_certain_cause_is_the_first_line_and_where_to_look_the_next():
    assert head(cause("W1", "b1")) == [
        "FAIL  the backward pass leaves out the derivative of line 14, `np.tanh(Z1)`",
        "      cost      network.py:14  A1 = np.tanh(Z1)",
        "      backward  network.py:31  dZ1 = W2.T @ dZ2",
        "      explains both wrong blocks to 3e-13 of their errors",
        "      W2, b2, W3, b3 are right: leave them alone",
    ]


def test_what_is_not_certain_is_most_likely():
    assert head(cause("W1", certain=False))[:2] == [
        "FAIL  most likely: the backward pass leaves out the derivative of line 14,",
        "      `np.tanh(Z1)`",
    ]


def test_what_a_claim_is_instead_is_no_matter_of_likelihood():
    assert head(fact("W1", certain=False))[0] == "FAIL  dW1 is 2 times the right gradient"


def test_of_several_all_are_named():
    several = [cause("W1", certain=False, sentence=f"it is mistake {k}") for k in range(5)]
    assert head(*several) == [
        "FAIL  the likeliest of 5 explanations: it is mistake 0",
        "      cost      network.py:14  A1 = np.tanh(Z1)",
        "      backward  network.py:31  dZ1 = W2.T @ dZ2",
        *(
            line
            for k in (1, 2)
            for line in (
                f"      or it is mistake {k}",
                "         cost      network.py:14  A1 = np.tanh(Z1)",
            )
        ),
        "      or 2 more: report.causes",
        "      b1, W2, b2, W3, b3 are right: leave them alone",
    ]


def test_what_claims_are_instead_stands_below_the_lines_that_lead_to_it():
    text = head(cause("W1", certain=False), fact("W1", certain=False))
    assert text[0].startswith("FAIL  most likely: the backward pass leaves out")
    assert "      in numbers: dW1 is 2 times the right gradient" in text


def test_mistakes_of_different_blocks_follow_each_other():
    text = head(fact("W2"), fact("b1", sentence="db1 is 4 times the right gradient"))
    assert text[0] == "FAIL  dW2 is 2 times the right gradient"
    assert "      And db1 is 4 times the right gradient" in text


def test_of_very_many_mistakes_some_are_named():
    text = head(*(fact(name) for name in LAYERS))
    assert "      For b2, W3, b3: report.causes" in text
    assert not any("are right" in line for line in text)


def test_with_the_order_alone_the_first_line_names_the_blocks():
    order = cause(
        "W1",
        kind=ORDER,
        sentence="only dW1 is wrong",
        evidence="",
        certain=False,
        lines=(),
        backward_lines=(),
    )
    assert head(order)[:2] == ["FAIL  the gradient is wrong in W1", "      only dW1 is wrong"]


def test_in_brief_the_first_cause_has_evidence_and_the_blocks_that_are_right_come_last():
    second = fact("W2", sentence="dW2 is 2 times the right gradient")
    text = str(report(cause("W1", "b1"), second))
    assert text.split("\n\n")[0].splitlines() == [
        "FAIL  the backward pass leaves out the derivative of line 14, `np.tanh(Z1)`",
        "      cost      network.py:14  A1 = np.tanh(Z1)",
        "      backward  network.py:31  dZ1 = W2.T @ dZ2",
        "      explains both wrong blocks to 3e-13 of their errors",
        "      And dW2 is 2 times the right gradient",
        "      backward  network.py:31  dZ1 = W2.T @ dZ2",
    ]
    assert "\n3 more blocks are right to the last bit: b2, W3, b3\n" in text


def test_without_a_line_of_code_the_second_line_is_the_worst_coordinate_or_the_part_that_is_wrong():
    nowhere = fact("W1", backward_lines=())
    shown = report(nowhere)
    worst = shown.blocks["W1"].worst[0]
    place = f"{worst.name}: claimed {worst.claimed:.8g}, numerical {worst.numerical:.8g}"
    assert str(shown).splitlines()[1] == f"      where     {place}"
    located = Located(
        how="rows", regions=("W1[1]",), share=0.3, complete=True, sentence="row 1 of W1 is wrong"
    )
    block = dataclasses.replace(shown.blocks["W1"], located=located)
    shown = dataclasses.replace(shown, blocks={**shown.blocks, "W1": block})
    assert str(shown).splitlines()[1] == "      where     row 1 of W1 is wrong"
    assert str(shown).count("row 1 of W1") == 1
    none_known = dataclasses.replace(shown, causes=(), blocks=shown.blocks)
    assert str(none_known).splitlines()[1] == "      where     row 1 of W1 is wrong"


def test_an_intermediate_stands_beside_other_causes():
    first_wrong = cause(
        "W1", "b1", kind=INTERMEDIATE, sentence="dZ2 is right, dA1 is wrong", evidence="", certain=False
    )
    text = head(cause("W1", "b1"), first_wrong)
    assert text[0] == "FAIL  the backward pass leaves out the derivative of line 14, `np.tanh(Z1)`"
    assert "      dZ2 is right, dA1 is wrong" in text
    assert head(first_wrong)[0] == "FAIL  dZ2 is right, dA1 is wrong"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            CodeLine(
                file="/x/" + "long_name_of_a_module_" * 4 + ".py", number=12_345, text="dW1 = " + "d @ " * 40
            ),
            "      cost      …ule_long_name_of_a_module_.py:12345  dW1 = d @ d @ d @ d @ d @…",
        ),
        (CodeLine(file="<stdin>", number=1, text=""), "      cost      <stdin>:1"),
        (
            CodeLine(file="C:/net.py", number=1, text="\x1b[31mdW1\x07 = 2"),
            "      cost      net.py:1  \\x1b[31mdW1\\x07 = 2",
        ),
    ],
)
def test_places_are_legible_and_fit(line, shown):
    (place,) = [row for row in head(cause("W1", lines=(line,))) if row.startswith("      cost")]
    assert place == shown
    assert len(place) <= WIDTH


def test_many_lines_are_summed_up():
    lines = tuple(dataclasses.replace(BACKWARD, number=k) for k in range(1, 8))
    text = head(cause("W1", backward_lines=lines))
    assert "                and 4 more: report.causes" in text
    assert len([line for line in text if "dZ1 = W2.T" in line]) == 3


def test_long_names_of_blocks_fit():
    names = tuple(f"encoder.layers[{k}].self_attention.output_projection.weight" for k in range(9))
    theta_cause = fact(
        *names[:7], sentence=f"the gradients of {', '.join(names[:6])} and 1 more are 2 times the right"
    )
    assert len(head(theta_cause, names=LAYERS + names)) > 5


def test_of_a_sample_no_block_is_called_right():
    theta = {"W": np.linspace(1, 2, 200), "b": np.ones(3)}
    claim = {"W": 2 * theta["W"], "b": 5 * np.ones(3)}
    text = str(
        check(
            lambda p: float(f"{np.sum(p['W'] ** 2) + np.sum(p['b'] ** 2):.17g}"), theta, claim, coordinates=20
        )
    )
    assert "are right" not in text
    assert "is right:" not in text
