"""JSON from files: what it holds, and what is refused before it harms."""

import json
import subprocess
import sys
import textwrap
import time

import pytest

from fastcheck import InvalidProblemError
from fastcheck.files.strict_json import parsed


def refusal(content):
    with pytest.raises(InvalidProblemError) as caught:
        parsed(content, "kept.json")
    message = str(caught.value)
    assert message.startswith("kept.json: expected JSON, got ")
    assert len(message) < 200
    return message


@pytest.mark.parametrize(
    "value", [None, True, 0, -7, 2**1000, 0.1, 5e-324, "θ\n\x1b", "\ud800", [], {}, {"a": [{"b": []}, "]}["]}]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_as_python_reads_it(value, encoding):
    assert parsed(json.dumps(value).encode(encoding), "kept.json") == value


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"", "something else in line 1 at character 1"),
        (b'{"a": 1,\n "b": }', "something else in line 2 at character 7 (Expecting value)"),
        (b"[1] [2]", "something else in line 1 at character 5 (Extra data)"),
        (b'["a\xff"]', "bytes that are no text at byte 3"),
        (b'{"a": 1, "b": 2, "a": 3}', "two entries with the name 'a' in one dict"),
        (b"[NaN]", 'NaN, which JSON does not have; reports write "NaN"'),
        (b"[-Infinity]", '-Infinity, which JSON does not have; reports write "-Infinity"'),
        (b"9" * 10_000_000, "a number of 10,000,000 characters"),
        (b"0." + b"9" * 10_000_000, "a number of 10,000,002 characters"),
        (b"[" * 100_000 + b"]" * 100_000, "more than 200 lists or dicts inside each other, in line 1"),
        (b'{"a":\n' * 100_000, "more than 200 lists or dicts inside each other, in line 201"),
        (b"[0" + b",0" * 20_000_000 + b"]", "20,000,001 items, where at most 16,777,216 are read"),
    ],
)
def test_what_cannot_be_read_is_named_at_once(content, came):
    start = time.perf_counter()
    assert came in refusal(content)
    assert time.perf_counter() - start < 10


def test_brackets_and_quotes_in_strings_open_nothing():
    texts = ["[" * 1000, '"' * 1000, "\\" * 1001, '\\"[' * 500]
    assert parsed(json.dumps(texts).encode(), "kept.json") == texts
    assert parsed(b"[" * 200 + b"]" * 200, "kept.json")


@pytest.mark.parametrize("end", ["", "\\", "\\\\"])
def test_a_string_without_an_end_is_read_once(end):
    start = time.perf_counter()
    refusal(('"' + '\\"' * 1_000_000 + end).encode())
    assert time.perf_counter() - start < 10


def test_names_in_messages_are_short_and_harmless():
    name = "\x1b[2J" + "x" * 10_000
    message = refusal(json.dumps({name: 1}).replace("}", "," + json.dumps({name: 2})[1:]).encode())
    assert "\x1b" not in message


def test_notebooks_may_hold_numbers_that_json_has_not():
    assert parsed(b"[Infinity]", "a.ipynb", with_nan=True) == [float("inf")]


def test_limits_that_were_lifted_before_end_no_process():
    code = """
        import sys
        from fastcheck import InvalidProblemError
        from fastcheck.files.strict_json import parsed

        sys.setrecursionlimit(10**8)
        sys.set_int_max_str_digits(0)
        for content in (b"[" * 10**6, b"9" * 10**7):
            try:
                parsed(content, "kept.json")
            except InvalidProblemError:
                print("refused")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["refused", "refused"]
