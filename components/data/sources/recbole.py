"""RecBole's atomic files: `.inter`, `.item`, `.user`, `.kg`, `.link`, tab-separated, headers `name:type`."""

from pathlib import Path

import polars as pl

from components.data.sources.raw import Raw, Read, attributes, find, gathered, read, split, typed
from components.data.sources.tables import bare
from components.errors import DataError
from components.schema import ITEMS, USERS, node, table

TITLES = ("movie_title", "title", "name", "book_title", "artist_name", "item_name")
GENRES = ("class", "genre", "genres", "categories", "category")
WEIGHTS = ("rating", "weight", "count", "label")
TEXTS = ("text", "description", "plot", "review")


@node
class RecBole:
    """The atomic files of the data set `name` under `root`; the name of the only .inter file when not given.

    Of an .item file, the first column found among the usual names is the title, the categories (split at `separator`),
    the text; every other one is an attribute, a `release_year` or `year` the attribute `year`.
    """

    root: Path
    name: str | None = None
    separator: str = " "

    def read(self) -> Read:
        """Read all tables that are there; raises DataError that names the file and the column."""
        name = self.name or self._only()
        rejects: list[pl.DataFrame] = []
        inter = _open(find(self.root, f"{name}.inter")).need("user_id", "item_id")
        weight = next((column for column in WEIGHTS if column in inter.frame.columns), None)
        times = {"timestamp": "s"}
        tables = {"interactions": typed(inter.rename({weight: "weight"} if weight else {}), "interactions", times, rejects)}
        rows, files = {"interactions": len(inter.frame)}, {"interactions": [inter.path.name]}
        more = {"items": ("item", self._items), "users": ("user", self._users), "triples": ("kg", _triples), "links": ("link", _links)}
        for key, (ending, shape) in more.items():
            if (self.root / f"{name}.{ending}").is_file():
                raw = _open(self.root / f"{name}.{ending}")
                tables[key], rows[key], files[key] = shape(raw), len(raw.frame), [raw.path.name]
        return Read(bare(tables, rows, files), gathered(rejects), rows, files)

    def _only(self) -> str:
        found = sorted(self.root.glob("*.inter"))
        if len(found) != 1:
            names = ", ".join(path.stem for path in found) or "none"
            raise DataError(f"{self.root}: needs one .inter file, has {names}; set dataset.name or dataset.root")
        return found[0].stem

    def _items(self, raw: Raw) -> pl.DataFrame:
        frame = raw.need("item_id").frame
        title, genre, text = (_first(frame, names) for names in (TITLES, GENRES, TEXTS))
        other = [name for name in frame.columns if name not in {"row", "item_id", title, genre, text}]
        pairs = attributes(frame, {name: "year" if name == "release_year" else name for name in other}, {})
        kept = {"title": title, "text": text}
        named = [pl.col(column).alias(target) for target, column in kept.items() if column]
        categories = split(genre, self.separator).alias("categories") if genre else pl.lit(None).alias("categories")
        return table(frame.select("row", "item_id", *named, categories, pairs), ITEMS)

    def _users(self, raw: Raw) -> pl.DataFrame:
        frame = raw.need("user_id").frame
        other = {name: name for name in frame.columns if name not in {"row", "user_id"}}
        return table(frame.select("row", "user_id", attributes(frame, other, {})), USERS)


def _open(path: Path) -> Raw:
    raw = read(path, separator="\t")
    names = {name: name.partition(":")[0] for name in raw.frame.columns}
    if not any(":" in name for name in raw.frame.columns):
        raise DataError(f"{path}: the header is not RecBole's; columns are written `name:type`, such as user_id:token")
    return raw.rename(names)


def _triples(raw: Raw) -> pl.DataFrame:
    raw.need("head_id", "relation_id", "tail_id")
    return raw.frame.select("row", head="head_id", relation="relation_id", tail="tail_id")


def _links(raw: Raw) -> pl.DataFrame:
    return raw.need("item_id", "entity_id").frame.select("row", "item_id", entity="entity_id")


def _first(frame: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in frame.columns), None)
