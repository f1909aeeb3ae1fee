"""What the page on the first verdict is made of."""

import ast

from benchmarks.first_verdict import Seconds, first_block_of_readme, page_of, wheels


def test_the_first_block_of_readme_checks_a_gradient():
    code = first_block_of_readme()
    assert ast.parse(code)
    assert "check(cost, parameters, gradients)" in code


def test_wheels_are_those_downloaded_and_those_at_hand(tmp_path):
    at_hand = tmp_path / "numpy-2.4.6-cp311-cp311-any.whl"
    at_hand.write_bytes(b"0" * 2_000_000)
    printed = f"""
        Downloading cloudpickle-3.1.3-py3-none-any.whl (22 kB)
        Downloading https://files.example/numba-0.68.1-cp311-cp311-any.whl (3.8 MB)
        Downloading numba-0.68.1-cp311-cp311-any.whl.metadata (2.9 kB)
        Processing {at_hand} (from fastcheck==0.1.0)
    """
    assert wheels(printed) == {"cloudpickle 3.1.3": 0.022, "numba 0.68.1": 3.8, "numpy 2.4.6": 2.0}


def test_the_figure_is_the_time_until_the_first_verdict():
    steps = [
        (name, Seconds(wall, 1.0))
        for name, wall in (("venv", 3.0), ("pip", 5.0), ("first", 2.0), ("later", 1.0))
    ]
    page = page_of(steps, {"numpy 2.4.6": 10.0, "mdurl 0.1": 0.01}, "FAIL  dW is 2 times the right gradient")
    assert "**10 seconds**, 3 of them of the processor" in page
    assert "| numpy 2.4.6 | 10.0 |" in page
    assert "mdurl" not in page
    assert "It prints: FAIL  dW is 2 times the right gradient" in page
