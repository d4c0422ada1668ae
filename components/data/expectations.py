"""Great Expectations suites from configuration, and what their results say of single rows."""

import os
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import Field, NonNegativeInt, PositiveFloat, field_validator

from components.data.sources.raw import REJECTS
from components.errors import ConfigError
from components.schema import node

OURS = {"type", "of", "reason", "on_fail"}  # keys of an expectation's mapping that are not arguments of Great Expectations
# Row numbers only, as the index of the frame: a million bad rows cost 0.3 s and no memory to speak of; with values, 17 s and 300 MB.
FORMAT = {"result_format": "COMPLETE", "exclude_unexpected_values": True, "return_unexpected_index_query": False}


@node
class Suite:
    """What is expected of a table.

    Each mapping in `expectations` has a Great Expectations `type`, its arguments, and of ours: `on_fail` (`quarantine` the
    rows that fail, the default, or `stop` the run), `reason` in words, and `of`, the column that people know, where
    `column` is a derived one.

    Attributes:
        required: whether a source must have the table.
        tolerated: the share of bad rows beyond which the run stops.
        at_least: good rows without which the run stops.
        volume: the greatest change of the number of rows against the last good run over the same files, as a share of it.
        fresh_days: the greatest age of the newest timestamp.
    """

    expectations: list[dict[str, Any]]
    required: bool = False
    tolerated: float = Field(0.2, ge=0, le=1)
    at_least: NonNegativeInt = 1
    volume: PositiveFloat | None = None
    fresh_days: PositiveFloat | None = None

    @field_validator("expectations")
    @classmethod
    def _known(cls, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for mapping in value:
            if not isinstance(mapping.get("type"), str):
                raise ValueError(f"an expectation needs a type, such as expect_column_values_to_not_be_null: {mapping}")
            if mapping.get("on_fail", "quarantine") not in {"quarantine", "stop"}:
                raise ValueError(f"on_fail of {mapping['type']} is {mapping['on_fail']!r}; it may be quarantine or stop")
        return value


@dataclass(frozen=True)
class Checked:
    """What a suite found.

    Attributes:
        bad: one record for each failed row of each check, as `components.data.sources.raw.REJECTS`.
        checks: for each expectation its type, column, `on_fail` and number of failed rows.
        page: the result as a page of Data Docs, HTML; empty for a table without rows.
        refusal: why the run must stop, or None.
    """

    bad: pl.DataFrame
    checks: list[dict[str, Any]]
    page: str = ""
    refusal: str | None = None


def check(name: str, frame: pl.DataFrame, suite: Suite) -> Checked:
    """Run a suite on a table that has the derived columns.

    An expectation that crashed says nothing about the data: it is a refusal of its own kind ("check broken"). A table
    without rows is not given to Great Expectations, which would find nothing wrong with it; `Suite.at_least` refuses it.

    Raises:
        ConfigError: an expectation that there is not, or with wrong arguments.
    """
    if frame.is_empty() or not suite.expectations:
        return Checked(pl.DataFrame(schema=REJECTS), [])
    results, page = _run(name, frame, suite)
    checks, refusals = list[dict[str, Any]](), list[str]()
    failed = dict[tuple[str, str], pl.Series]()  # by column and reason
    for mapping, result in zip(suite.expectations, results, strict=True):
        rows, key = _rows(result.result), (named(mapping), _reason(mapping))
        failed[key] = pl.concat([failed[key], rows]).unique() if key in failed else rows
        on_fail = mapping.get("on_fail", "quarantine")
        checks.append({"check": mapping["type"], "column": key[0], "on_fail": on_fail, "failed": len(rows)})
        refusals += _refuse(mapping, result, len(rows), len(frame))
    return Checked(_cells(name, frame, failed), checks, page, refusals[0] if refusals else None)


def named(mapping: dict[str, Any]) -> str:
    """The column, or columns, that an expectation is about, as people know them."""
    several = mapping.get("column_list") or [mapping[key] for key in ("column_A", "column_B") if key in mapping]
    return str(mapping.get("of", mapping.get("column", ", ".join(several))))


def _refuse(mapping: dict[str, Any], result: Any, failed: int, rows: int) -> list[str]:
    column = named(mapping)
    if crash := _crash(result.exception_info):
        said = f"{mapping['type']} of column {column!r} crashed ({crash})"
        return [f"check broken: {said}; this says nothing about the data, correct the suite in conf/expectation/"]
    if result.success or (failed and mapping.get("on_fail") != "stop"):
        return []
    count = f"in {failed} of {rows} rows ({failed / rows:.1%})" if failed else f"found {result.result.get('observed_value')}"
    return [f"column {column!r}: {_reason(mapping)}, {count}, and this check stops the run"]


def _run(name: str, frame: pl.DataFrame, suite: Suite) -> tuple[list[Any], str]:
    """Validate with an ephemeral context: the results in the suite's order, and the page."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    expected = [_expectation(name, place, mapping) for place, mapping in enumerate(suite.expectations)]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # pyright: ignore[reportAttributeAccessIssue]
    definition = context.data_sources.add_pandas("tables").add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
    data = frame.select(_columns(frame, suite)).to_pandas().set_index("row")
    batch = definition.get_batch(batch_parameters={"dataframe": data})
    result: Any = batch.validate(gx.ExpectationSuite(name=name, expectations=expected), result_format=FORMAT)
    found = {int(one.expectation_config.meta["place"]): one for one in result.results}
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer(run_info_at_end=True).render(result))
    return [found[place] for place in range(len(expected))], str(page)


def _columns(frame: pl.DataFrame, suite: Suite) -> list[str]:
    """The columns that some expectation names: only they are copied."""
    arguments = [value for mapping in suite.expectations for value in mapping.values()]
    flat = [inner for value in arguments for inner in (value if isinstance(value, list) else [value])]
    return [column for column in frame.columns if column == "row" or column in flat]


def _expectation(name: str, place: int, mapping: dict[str, Any]) -> Any:
    import great_expectations.expectations as gxe

    where = f"expectation.{name}.expectations[{place}]"
    kinds = {kind.lower(): kind for kind in dir(gxe) if kind.startswith("Expect")}
    kind = kinds.get(mapping["type"].replace("_", ""))
    if kind is None:
        raise ConfigError(f"{where}: Great Expectations has no {mapping['type']!r}")
    try:
        return getattr(gxe, kind)(**{key: value for key, value in mapping.items() if key not in OURS}, meta={"place": place})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {mapping['type']}: {' '.join(str(error).split())}") from None


def _crash(info: Any) -> str:
    """The message of an exception inside an expectation; empty when there was none."""
    if not info:
        return ""
    entries = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(sorted({str(entry.get("exception_message")) for entry in entries if entry.get("raised_exception")}))


def _rows(result: dict[str, Any]) -> pl.Series:
    lists = [pl.Series(entry["row"], dtype=pl.Int64) for entry in result.get("unexpected_index_list") or []]
    return pl.concat(lists) if lists else pl.Series(dtype=pl.Int64)


def _reason(mapping: dict[str, Any]) -> str:
    return str(mapping.get("reason") or f"fails {mapping['type']}")


def _cells(name: str, frame: pl.DataFrame, failed: dict[tuple[str, str], pl.Series]) -> pl.DataFrame:
    found = [pl.DataFrame(schema=REJECTS)]
    for (column, reason), rows in failed.items():
        value = pl.col(column).cast(pl.String) if column in frame.columns else pl.lit(None, pl.String)
        some = frame.filter(pl.col("row").is_in(rows.implode()))
        found.append(
            some.select(pl.lit(name).alias("table"), "row", pl.lit(column).alias("column"), value.alias("value"), reason=pl.lit(reason))
        )
    return pl.concat(found)
