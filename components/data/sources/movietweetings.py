"""The embedded data set: films rated on Twitter, with facts and Wikipedia's opening paragraphs."""

from pathlib import Path

import polars as pl

from components.data.sources.raw import Read, attributes, find, gathered, read, split, typed
from components.schema import ITEMS, node, table

NAMES = {"year": "year", "directors": "director", "actors": "actor"}
LISTS = {"directors": "|", "actors": "|"}
REMARK = r"\s*\([^)]*\)|[^|]*\)"  # such as "(Director)", in the place of a name or behind one


@node
class MovieTweetings:
    """`ratings.csv.gz`, `movies.csv.gz` and `extracts.csv.gz` under `root`."""

    root: Path

    def read(self) -> Read:
        """Read interactions (event `rating`, weight 0 to 10) and items; raises DataError that names the file."""
        rejects: list[pl.DataFrame] = []
        paths = {name: find(self.root, f"{name}.csv.gz", f"{name}.csv") for name in ("ratings", "movies", "extracts")}
        ratings = read(paths["ratings"]).need("user_id", "item_id", "rating", "timestamp").rename({"rating": "weight"})
        films = read(paths["movies"]).need("item_id", "title", "year", "genres", "directors", "actors")
        named = films.frame.with_columns(pl.col("directors", "actors").str.replace_all(REMARK, ""))
        extracts = read(paths["extracts"]).need("item_id", "extract").frame.select("item_id", text="extract")
        joined = named.join(extracts.unique("item_id", keep="first", maintain_order=True), "item_id", "left", maintain_order="left")
        items = joined.with_columns(split("genres", "|").alias("categories"), attributes(joined, NAMES, LISTS))
        interactions = typed(ratings, "interactions", {"timestamp": "s"}, rejects).with_columns(event=pl.lit("rating"))
        tables = {"interactions": interactions, "items": table(items, ITEMS)}
        rows = {"interactions": len(ratings.frame), "items": len(films.frame)}
        files = {"interactions": [paths["ratings"].name], "items": [paths["movies"].name, paths["extracts"].name]}
        return Read(tables, gathered(rejects), rows, files)
