"""Which hypotheses are told, in which order, and which of them is certain."""

import dataclasses

import pytest

from fastcheck.diagnosis.detective.hypotheses import EXPLAINS, MORE_ENTRIES, Hypothesis
from fastcheck.diagnosis.detective.ranking import FAR_LESS_LIKELY, UNRECOGNISED, ranked_causes
from fastcheck.pictures.code_lines import CodeLine

LINE = CodeLine(file="network.py", number=14, text="A1 = np.tanh(Z1)")
OTHER_LINE = CodeLine(file="network.py", number=15, text="Z2 = W2 @ A1")
WRONG = ("W1", "b1", "W2")


def hypothesis(statement, blocks=WRONG, **fields):
    sound = {
        "kind": str(statement),
        "sentence": f"it is {statement}",
        "residual": 0.0,
        "entries": 20,
        "unlikely": 1.0,
    }
    return Hypothesis(statement=(statement,), blocks=tuple(blocks), **sound | fields)


def of_blocks(words, *blocks, **fields):
    """What a pattern says of each of some blocks."""
    found = hypothesis(words, blocks, **fields)
    return dataclasses.replace(found, statement=tuple((block, words) for block in blocks))


def ranked(*hypotheses, wrong=WRONG, searched_all=True, single_precision=False):
    return ranked_causes(hypotheses, wrong, searched_all=searched_all, single_precision=single_precision)


def test_the_only_statement_is_certain():
    (cause,) = ranked(hypothesis("left out", lines=(LINE,)))
    assert cause.certain
    assert (cause.sentence, cause.blocks, cause.lines) == ("it is left out", WRONG, (LINE,))
    assert cause.evidence == "explains all 3 wrong blocks to rounding"


@pytest.mark.parametrize(
    "fields",
    [
        {"residual": 1.1 * EXPLAINS},
        {"entries": 2 + MORE_ENTRIES - 1, "free": 2},
        {"substitutes": True},
        {"mistakes": 2},
    ],
)
def test_what_may_fit_by_accident_is_not(fields):
    assert ranked(hypothesis("left out", **{"entries": 2 + MORE_ENTRIES, "free": 2}))[0].certain
    assert not ranked(hypothesis("left out", **fields))[0].certain


def test_nothing_is_certain_in_single_precision_or_before_all_was_searched():
    assert not ranked(hypothesis("left out"), single_precision=True)[0].certain
    assert not ranked(hypothesis("left out"), searched_all=False)[0].certain


def test_of_several_statements_all_are_told_the_likeliest_first():
    causes = ranked(
        hypothesis("squared", unlikely=1.4), hypothesis("left out"), hypothesis("shifted", unlikely=1.2)
    )
    assert [cause.kind for cause in causes] == ["left out", "shifted", "squared"]
    assert not any(cause.certain for cause in causes)


def test_those_that_are_far_less_likely_are_counted():
    far = 1.0 + 1.1 * FAR_LESS_LIKELY
    (cause,) = ranked(hypothesis("left out"), hypothesis("a", unlikely=far), hypothesis("b", unlikely=far))
    assert not cause.certain
    assert cause.evidence.endswith("; 2 far less likely statements do so, too")


def test_fitted_coefficients_make_a_statement_less_likely():
    causes = ranked(hypothesis("fitted", unlikely=0.9, free=1), hypothesis("left out"))
    assert [cause.kind for cause in causes] == ["left out", "fitted"]


def test_synonyms_are_one_cause_with_the_lines_of_all():
    same = [
        hypothesis("left out", lines=(line,), unlikely=rank)
        for rank, line in ((1.0, LINE), (0.9, OTHER_LINE))
    ]
    (cause,) = ranked(*same)
    assert cause.certain
    assert cause.lines == (OTHER_LINE, LINE)  # that of the likeliest first


def test_of_a_factor_whose_place_is_not_known_it_is_told_what_it_does():
    places = [
        hypothesis("factor", lines=(line,), coefficient=2.0, unlikely=rank)
        for rank, line in ((0.8, LINE), (0.9, OTHER_LINE))
    ]
    places = [
        dataclasses.replace(place, statement=("factor", 2.0), sentence="line 14 is 2 times")
        for place in places
    ]
    effect = dataclasses.replace(of_blocks("factor", *WRONG, coefficient=2.0), sentence="They are 2 times.")
    (cause,) = ranked(*places, effect)
    assert (cause.sentence, cause.lines, cause.certain) == ("They are 2 times", (LINE, OTHER_LINE), True)
    assert cause.evidence == "explains all 3 wrong blocks to rounding; factor 2.000000000"
    (cause,) = ranked(places[0], effect)
    assert (cause.sentence, cause.lines) == ("line 14 is 2 times", (LINE,))
    assert cause.evidence.startswith("They are 2 times; explains")


@pytest.mark.parametrize(
    ("coefficient", "residual", "words"),
    [
        (4.0, 0.0, "coefficient 4.000000000"),
        (-0.015625, 3e-9, "coefficient −0.01562500"),
        (1e-15, 0.0, "coefficient 0"),
    ],
)
def test_coefficients_are_given_with_the_digits_that_are_known(coefficient, residual, words):
    (cause,) = ranked(hypothesis("penalty", coefficient=coefficient, residual=residual))
    assert words in cause.evidence


def test_evidence_says_how_well_a_block_is_explained():
    (cause,) = ranked(hypothesis("left out", ["W2"], residual=3e-13), wrong=["W2"])
    assert cause.evidence == "explains dW2 to 3e-13 of its error"


# --- several mistakes ---------------------------------------------------------------------------------------------


def test_one_statement_of_all_blocks_beats_several_of_some():
    causes = ranked(hypothesis("left out"), of_blocks("factor", "W1"), of_blocks("zero", "b1", "W2"))
    assert [cause.kind for cause in causes] == ["left out"]


def test_mistakes_of_different_blocks_are_told_one_by_one():
    both = dataclasses.replace(
        hypothesis("both", mistakes=2), statement=(("W1", "zero"), ("W2", "factor"), ("b1", "zero"))
    )
    causes = ranked(both, of_blocks("factor", "W2"), of_blocks("zero", "W1", "b1"))
    assert [(cause.kind, cause.blocks, cause.certain) for cause in causes] == [
        ("zero", ("W1", "b1"), True),
        ("factor", ("W2",), True),
    ]


def test_two_mistakes_are_told_where_no_single_ones_explain_all():
    pair = hypothesis("two mistakes", mistakes=2, substitutes=True, lines=(LINE, OTHER_LINE))
    causes = ranked(pair, of_blocks("factor", "W1"))
    assert [(cause.kind, cause.certain) for cause in causes] == [("two mistakes", False)]
    causes = ranked(pair, of_blocks("factor", "W1"), hypothesis("left out", ["b1", "W2"], lines=(LINE,)))
    assert [cause.kind for cause in causes] == ["left out", "factor"]
    causes = ranked(pair, of_blocks("factor", "W1"), hypothesis("another's", ["b1", "W2"], substitutes=True))
    assert [cause.kind for cause in causes] == ["two mistakes"]


def test_a_line_that_explains_some_blocks_is_not_certain():
    causes = ranked(hypothesis("left out", ["W1", "b1"], lines=(LINE,)), of_blocks("factor", "W2"))
    assert [cause.certain for cause in causes] == [False, True]


def test_what_another_statement_says_otherwise_of_one_of_the_blocks_is_not_certain():
    causes = ranked(of_blocks("zero", "W1", "b1"), of_blocks("factor", "W2"), of_blocks("shifted", "W1"))
    assert [(cause.kind, cause.certain) for cause in causes] == [("zero", False), ("factor", True)]


def test_blocks_that_nothing_explains_are_named():
    causes = ranked(of_blocks("zero", "W1"))
    assert [cause.kind for cause in causes] == ["zero", UNRECOGNISED]
    assert causes[1].blocks == ("b1", "W2")
    assert causes[1].sentence == "what is wrong with db1 and dW2 was not recognised"
    assert not causes[1].certain


def test_a_factor_of_a_line_that_is_fitted_to_one_entry_explains_nothing():
    assert ranked(hypothesis("factor", lines=(LINE,), entries=1, free=1)) == ()


def test_without_hypotheses_there_are_no_causes():
    assert ranked() == ()


def test_what_is_told_of_one_of_several_lines_is_not_certain_unless_the_claim_is_told_instead():
    at_lines = [hypothesis("factor", lines=(line,), coefficient=2.5) for line in (LINE, OTHER_LINE)]
    (cause,) = ranked(*at_lines)
    assert (cause.certain, cause.lines) == (False, (LINE, OTHER_LINE))
    (cause,) = ranked(*at_lines, hypothesis("factor", coefficient=2.5, unlikely=2.0))
    assert (cause.certain, cause.lines) == (True, (LINE, OTHER_LINE))
