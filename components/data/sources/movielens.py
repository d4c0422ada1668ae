"""The MovieLens family: `ratings.csv` and `movies.csv` with a header, or `ratings.dat` and `movies.dat` without."""

from pathlib import Path

import polars as pl
from pydantic import PositiveInt

from components.data.sources.raw import Raw, Read, attributes, find, gathered, read, split, typed
from components.errors import DataError
from components.schema import ITEMS, node, table

RATINGS = {"userId": "user_id", "movieId": "item_id", "rating": "weight"}
NONE = "(no genres listed)"
YEAR = r"\s*\((\d{4})(?:[-–]\d{0,4})?\)$"  # also (2006–2007) and (2011-)
NAMES = {"year": "year", "directors": "director", "actors": "actor", "writers": "writer", "keywords": "keyword", "tags": "tag"}
LISTS: dict[str, str] = dict.fromkeys(("directors", "actors", "writers", "keywords", "tags"), "|")


@node
class MovieLens:
    """`ratings` and `movies` under `root`, as .csv or .dat; `tags.csv` where there is one; more facts from `knowledge`.

    `tags` is how many people must have given a film a tag, lower-cased, for it to become an attribute. `knowledge` is a
    tab-separated file under `root` with movieId and any of directors, actors, writers, keywords (split at |) and plot.
    """

    root: Path
    tags: PositiveInt = 2
    knowledge: str | None = None

    def read(self) -> Read:
        """Read interactions (event `rating`) and items; raises DataError that names the file."""
        rejects: list[pl.DataFrame] = []
        ratings = self._open("ratings", ["userId", "movieId", "rating", "timestamp"])
        films = self._open("movies", ["movieId", "title", "genres"])
        frame = films.frame.with_columns(
            title=pl.col("title").str.strip_chars().str.replace(YEAR, ""),
            year=pl.col("title").str.strip_chars().str.extract(YEAR),
            genres=pl.when(pl.col("genres") != NONE).then("genres"),
        )
        for more in (self._tags(), self._knowledge()):
            if more is not None:
                frame = frame.join(more, "movieId", "left", maintain_order="left")
        items = frame.rename({"movieId": "item_id"}).with_columns(split("genres", "|").alias("categories"), attributes(frame, NAMES, LISTS))
        interactions = typed(ratings.rename(RATINGS), "interactions", {"timestamp": "s"}, rejects).with_columns(event=pl.lit("rating"))
        rows = {"interactions": len(ratings.frame), "items": len(films.frame)}
        files = {"interactions": [ratings.path.name], "items": [films.path.name]}
        return Read({"interactions": interactions, "items": table(items, ITEMS)}, gathered(rejects), rows, files)

    def _open(self, name: str, columns: list[str]) -> Raw:
        path = find(self.root, f"{name}.csv", f"{name}.dat", f"{name}.csv.gz")
        if path.suffix == ".dat":  # no quoting; MovieLens 1M is Latin-1, 10M is UTF-8
            return read(path, separator="::", header=columns, quoted=False, fallback="latin-1")
        return read(path).need(*columns)

    def _tags(self) -> pl.DataFrame | None:
        if not (self.root / "tags.csv").is_file():
            return None
        raw = read(self.root / "tags.csv").need("userId", "movieId", "tag").frame
        given = raw.select("movieId", "userId", tag=pl.col("tag").str.to_lowercase().str.strip_chars()).drop_nulls().unique()
        often = given.group_by("movieId", "tag").len().filter(pl.col("len") >= self.tags).sort("movieId", "tag")
        return often.group_by("movieId", maintain_order=True).agg(tags=pl.col("tag").str.join("|"))

    def _knowledge(self) -> pl.DataFrame | None:
        if self.knowledge is None:
            return None
        raw = read(find(self.root, self.knowledge), separator="\t").need("movieId")
        wanted = [name for name in ("directors", "actors", "writers", "keywords", "plot") if name in raw.frame.columns]
        if not wanted:
            raise DataError(f"{raw.path}: none of the columns directors, actors, writers, keywords, plot")
        return (
            raw.frame.select("movieId", *wanted).unique("movieId", keep="first", maintain_order=True).rename({"plot": "text"}, strict=False)
        )
