"""The table of rows is whole, and what it names exists."""

import re

import pytest
from tests.security.rows import LAST, ROWS, SHOULD, TESTS, State, all_tests, functions, own_tests, table


def test_every_row_of_the_list_is_there() -> None:
    """One entry for each of the 112 rows, of which 104 must hold before a release."""
    assert list(ROWS) == list(range(1, LAST + 1))
    assert len(ROWS) - len(SHOULD) == 104
    assert len({row.words for row in ROWS.values()}) == LAST


@pytest.mark.parametrize("number", ROWS)
def test_each_row_is_shown_or_says_why_not(number: int) -> None:
    """A row has a test, or something it waits for, or nothing to attack; what it names elsewhere is a test that exists."""
    row, tests = ROWS[number], all_tests()[number]
    assert tests or row.waits or row.absent
    assert not (row.waits and row.absent)
    for where in row.elsewhere:
        file, _, name = where.partition("::")
        assert (TESTS / file).is_file(), where
        assert name in functions(TESTS / file), where
    assert len(set(tests)) == len(tests)


def test_the_tests_here_say_their_rows_and_their_promise() -> None:
    """Every test of this folder but those of the table bears the numbers of its rows, and says what it promises."""
    found = list(own_tests())
    assert found
    for where, promise, rows in found:
        assert promise, where
        if "test_rows.py" not in where:
            assert rows, where
            assert set(rows) <= set(ROWS), where


def test_the_table_can_be_read() -> None:
    """Its lines tell each row's state once."""
    lines = table()
    assert len(lines) == LAST
    assert all(re.match(r"S\d{2,3} [MS] (covered|in part|waits|absent) ", line) for line in lines)
    assert {State.COVERED, State.IN_PART} <= {row.state(all_tests()[number]) for number, row in ROWS.items()}
