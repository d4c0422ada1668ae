"""Great Expectations suites from configuration, and what their results say of single rows."""

import os
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import Field, NonNegativeInt

from components.data.sources.raw import REJECTS
from components.errors import ConfigError, DataError
from components.schema import node

OURS = {"of", "reason", "on"}  # keys of an expectation's mapping that are not Great Expectations'
FORMAT = {"result_format": "COMPLETE", "unexpected_index_column_names": ["row"], "include_unexpected_rows": False}


@node
class Suite:
    """What is expected of a table.

    Each mapping in `expectations` has a Great Expectations `type`, its arguments, and of ours: `on` (`quarantine` the rows
    that fail, the default, or `stop` the run), `reason` in words, and `of`, the column that people know, where `column`
    is a derived one. More than a share `tolerated` of bad rows, or fewer than `at_least` good ones, stop the run.
    """

    expectations: list[dict[str, Any]]
    tolerated: float = Field(0.2, ge=0, le=1)
    at_least: NonNegativeInt = 0


@dataclass(frozen=True)
class Checked:
    """What a suite found.

    Attributes:
        bad: one row per failed cell, as `components.data.sources.raw.REJECTS`.
        checks: for each expectation its type, column, action and number of failed rows.
        page: the result as a page of Data Docs, HTML.
    """

    bad: pl.DataFrame
    checks: list[dict[str, Any]]
    page: str


def check(name: str, frame: pl.DataFrame, suite: Suite) -> Checked:
    """Run a suite on a table that has the derived columns.

    Raises:
        ConfigError: an expectation that there is not, or with wrong arguments.
        DataError: an expectation that crashed (it says nothing about the data), or one with `on: stop` that failed.
    """
    results, page = _run(name, frame, suite)
    checks: list[dict[str, Any]] = []
    bad = [pl.DataFrame(schema=REJECTS)]
    for mapping, result in zip(suite.expectations, results, strict=True):
        column = str(mapping.get("of", mapping.get("column", "")))
        crashed = _crash(result.exception_info)
        if crashed:
            raise DataError(f"{name}: check broken: {mapping['type']} of {column!r} crashed ({crashed}); correct it in conf/expectation/")
        rows = sorted({int(entry["row"]) for entry in result.result.get("unexpected_index_list") or []})
        reason = mapping.get("reason", mapping["type"].removeprefix("expect_").replace("_", " ") + " fails")
        if not result.success and (not rows or mapping.get("on", "quarantine") == "stop"):
            raise DataError(f"{name}: column {column!r}: {reason} ({len(rows)} rows); see reports/data_docs/{name}.html")
        checks.append({"type": mapping["type"], "column": column, "on": mapping.get("on", "quarantine"), "failed": len(rows)})
        bad.append(_cells(name, frame, rows, column, reason))
    return Checked(pl.concat(bad), checks, page)


def _run(name: str, frame: pl.DataFrame, suite: Suite) -> tuple[list[Any], str]:
    """Validate with an ephemeral context: the results in the suite's order, and the page."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # pyright: ignore[reportAttributeAccessIssue]
    columns = ["row", *dict.fromkeys(str(mapping["column"]) for mapping in suite.expectations if "column" in mapping)]
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ConfigError(f"expectation.{name}: no column {missing[0]!r}; the table has: {', '.join(frame.columns)}")
    data = frame.select(columns).to_pandas()
    batch = context.data_sources.add_pandas("tables").add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
    expected = [_expectation(name, place, mapping) for place, mapping in enumerate(suite.expectations)]
    loaded = batch.get_batch(batch_parameters={"dataframe": data})
    result: ExpectationSuiteValidationResult = loaded.validate(gx.ExpectationSuite(name=name, expectations=expected), result_format=FORMAT)
    found = {int(one.expectation_config.meta["place"]): one for one in result.results}  # pyright: ignore[reportOptionalMemberAccess]
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer(run_info_at_end=True).render(result))
    return [found[place] for place in range(len(expected))], page


def _expectation(name: str, place: int, mapping: dict[str, Any]) -> Any:
    import great_expectations.expectations as gxe

    kind = "".join(word.title() for word in str(mapping.get("type", "")).split("_"))
    cls = getattr(gxe, kind, None) if kind.startswith("Expect") else None
    where = f"expectation.{name}.expectations[{place}]"
    if cls is None:
        raise ConfigError(f"{where}: Great Expectations has no {mapping.get('type')!r}")
    given = {key: value for key, value in mapping.items() if key not in OURS | {"type"}}
    try:
        return cls(**given, meta={"place": place})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {mapping['type']}: {error}") from None


def _crash(info: Any) -> str:
    """The message of an exception inside an expectation; empty when there was none."""
    if not info:
        return ""
    entries = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(str(entry.get("exception_message")) for entry in entries if entry.get("raised_exception"))


def _cells(name: str, frame: pl.DataFrame, rows: list[int], column: str, reason: str) -> pl.DataFrame:
    if not rows:
        return pl.DataFrame(schema=REJECTS)
    found = frame.filter(pl.col("row").is_in(rows))
    value = found[column].cast(pl.String) if column in found.columns else None
    return pl.DataFrame({"table": name, "row": found["row"], "column": column, "value": value, "reason": reason}, schema=REJECTS)
