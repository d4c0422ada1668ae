"""Suites on tables: what fails is named by row; what crashes is told apart from bad data."""

from typing import Any

import polars as pl
import pytest

from components.data.expectations import Suite, check
from components.errors import ConfigError
from components.nodes import build
from components.schema import INTERACTIONS, table

# Great Expectations imports it; nothing of ours does.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.+' is deprecated:DeprecationWarning")
NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"


def interactions(**columns: list[Any]) -> pl.DataFrame:
    size = len(next(iter(columns.values()), []))
    given: dict[str, Any] = {"row": range(1, size + 1), "user_id": ["u"] * size, "item_id": ["i"] * size}
    return table(given | columns, INTERACTIONS)


def suite(*expectations: dict[str, Any]) -> Suite:
    return Suite(expectations=list(expectations))


def test_failed_rows_are_named_with_value_column_and_reason() -> None:
    frame = interactions(weight=[1.0, 7.0, None, -2.0])
    mapping = {"type": BETWEEN, "column": "weight", "min_value": 0, "max_value": 5, "reason": "odd weight"}
    found = check("interactions", frame, suite(mapping))
    assert found.refusal is None
    assert found.bad.rows() == [("interactions", 2, "weight", "7.0", "odd weight"), ("interactions", 4, "weight", "-2.0", "odd weight")]
    assert found.checks == [{"check": BETWEEN, "column": "weight", "on_fail": "quarantine", "failed": 2}]
    assert "weight" in found.page


def test_row_numbers_are_those_of_the_source_not_places_in_the_table() -> None:
    found = check("interactions", interactions(user_id=["a", None, None], row=[40, 7, 90]), suite({"type": NULL, "column": "user_id"}))
    assert found.bad["row"].to_list() == [7, 90]
    assert found.bad["reason"].unique().to_list() == [f"fails {NULL}"]


def test_checks_keep_the_order_of_the_suite() -> None:
    frame = interactions(user_id=[None, "a"], item_id=["i", None])
    expectations = [{"type": NULL, "column": column} for column in ("item_id", "weight", "user_id", "timestamp")]
    found = check("interactions", frame, suite(*expectations))
    assert [(row["column"], row["failed"]) for row in found.checks] == [("item_id", 1), ("weight", 2), ("user_id", 1), ("timestamp", 2)]


def test_stop_refuses_with_column_count_and_share() -> None:
    mapping = {"type": NULL, "column": "user_id", "on_fail": "stop", "reason": "no user_id"}
    found = check("interactions", interactions(user_id=["a", None, "b", "c"]), suite(mapping))
    assert found.refusal == "column 'user_id': no user_id, in 1 of 4 rows (25.0%), and this check stops the run"


def test_a_check_of_the_whole_table_stops_the_run() -> None:
    mapping = {"type": "expect_column_unique_value_count_to_be_between", "column": "user_id", "min_value": 3, "reason": "too few users"}
    found = check("interactions", interactions(user_id=["a", "b", "b"]), suite(mapping))
    assert found.refusal == "column 'user_id': too few users, found 2, and this check stops the run"
    assert found.bad.is_empty()


def test_compound_columns() -> None:
    mapping = {"type": "expect_compound_columns_to_be_unique", "column_list": ["user_id", "item_id"]}
    found = check("interactions", interactions(user_id=["a", "a", "b"]), suite(mapping))
    assert found.bad.select("row", "column").rows() == [(1, "user_id, item_id"), (2, "user_id, item_id")]


@pytest.mark.parametrize(
    "mapping",
    [
        {"type": NULL, "column": "nosuch"},
        {"type": "expect_column_values_to_match_regex", "column": "user_id", "regex": "("},
        {"type": BETWEEN, "column": "user_id", "min_value": 3},
    ],
    ids=["no such column", "broken pattern", "text compared with a number"],
)
def test_a_crashed_check_is_not_bad_data(mapping: dict[str, Any]) -> None:
    found = check("interactions", interactions(user_id=["a", "b"]), suite({"type": NULL, "column": "user_id"}, mapping))
    assert found.refusal is not None
    assert found.refusal.startswith(f"check broken: {mapping['type']} of column {mapping['column']!r} crashed")
    assert found.bad.is_empty()


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"type": "expect_wonders", "column": "user_id"}, "no 'expect_wonders'"),
        ({"type": NULL}, "column"),
        ({"type": NULL, "column": "user_id", "colour": "red"}, "colour"),
    ],
)
def test_an_expectation_that_there_is_not(mapping: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"expectation\.interactions\.expectations\[0\].*{said}"):
        check("interactions", interactions(user_id=["a"]), suite(mapping))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expectations": [{"type": NULL, "column": "user_id", "on_fail": "panic"}]}, "'panic'; it may be quarantine or stop"),
        ({"expectations": [{"column": "user_id"}]}, "needs a type"),
        ({"tolerated": 1.5}, "tolerated"),
        ({"tolerate": 0.5}, "tolerate"),
        ({"at_least": -1}, "at_least"),
        ({"fresh_days": 0}, "fresh_days"),
    ],
)
def test_a_wrong_suite_is_refused_by_name(change: dict[str, Any], said: str) -> None:
    section = {"_target_": "components.data.expectations.Suite", "expectations": []} | change
    with pytest.raises(ConfigError, match=said):
        build(section, "validate.suites.items")


def test_a_table_without_rows_is_left_to_the_bound() -> None:
    found = check("interactions", interactions(), suite({"type": NULL, "column": "user_id"}))
    assert (found.checks, found.page, found.refusal, found.bad.height) == ([], "", None, 0)


def test_timestamps_are_compared_as_times_and_missing_ones_pass() -> None:
    mapping = {"type": BETWEEN, "column": "timestamp", "min_value": "1970-01-02T00:00:00+00:00", "max_value": "2100-01-01T00:00:00+00:00"}
    micros = pl.Series([0, 86_400_000_000, 4_102_444_800_000_001, 300_000_000_000_000_000, None]).cast(pl.Datetime("us", "UTC"))
    far = interactions(user_id=["u"] * 5).with_columns(timestamp=micros)
    assert check("interactions", far, suite(mapping)).bad["row"].to_list() == [1, 3, 4]
    assert check("interactions", interactions(user_id=["u"] * 5), suite(mapping)).bad.is_empty()


def test_two_checks_with_one_reason_make_one_record_a_row() -> None:
    bounds = [{"type": BETWEEN, "column": "weight", "reason": "odd weight"} | limit for limit in ({"min_value": 0}, {"min_value": -1})]
    found = check("interactions", interactions(weight=[-0.5, 1.0, -2.0]), suite(*bounds))
    assert sorted(found.bad["row"]) == [1, 3]
    assert [row["failed"] for row in found.checks] == [2, 1]
