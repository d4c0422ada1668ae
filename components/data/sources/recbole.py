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
TYPES = ("token", "token_seq", "float", "float_seq")
Lists = dict[str, str]


@node
class RecBole:
    """The atomic files of the data set `name` under `root`; the name of the only .inter file when not given.

    Of an .item file, the first column found among the usual names is the title, the categories (split at `separator`),
    the text; `image` and `video` are paths; every other one is an attribute, with several values where its type is a
    sequence; a `release_year` or `year` is the attribute `year`. `user`, `item` and `time` name the columns that are called
    otherwise than in most sets, such as artist_id or product_id.
    """

    root: Path
    name: str | None = None
    separator: str = " "
    user: str = "user_id"
    item: str = "item_id"
    time: str = "timestamp"

    def read(self) -> Read:
        """Read all tables that are there; raises DataError that names the file and the column."""
        name = self.name or self._only()
        rejects: list[pl.DataFrame] = []
        inter, _ = self._open(find(self.root, f"{name}.inter"), self.user, self.item)
        weight = next((column for column in WEIGHTS if column in inter.frame.columns), None)
        times = {"timestamp": "s"}
        tables = {"interactions": typed(inter.rename({weight: "weight"} if weight else {}), "interactions", times, rejects)}
        rows, files = {"interactions": len(inter.frame)}, {"interactions": [inter.path.name]}
        more = {
            "items": ("item", [self.item], self._items),
            "users": ("user", [self.user], _users),
            "triples": ("kg", ["head_id", "relation_id", "tail_id"], _triples),
            "links": ("link", [self.item, "entity_id"], _links),
        }
        for key, (ending, needed, shape) in more.items():
            if (self.root / f"{name}.{ending}").is_file():
                raw, lists = self._open(self.root / f"{name}.{ending}", *needed)
                tables[key], rows[key], files[key] = shape(raw.frame, lists), len(raw.frame), [raw.path.name]
        return Read(bare(tables, rows, files), gathered(rejects), rows, files)

    def _only(self) -> str:
        found = sorted(self.root.glob("*.inter"))
        if len(found) != 1:
            names = ", ".join(path.stem for path in found) or "none"
            raise DataError(f"{self.root}: needs one .inter file, has {names}; set dataset.name or dataset.root")
        return found[0].stem

    def _open(self, path: Path, *needed: str) -> tuple[Raw, Lists]:
        """Read a file, with canonical names; also the separator of each column that holds sequences."""
        raw = read(path, separator="\t", quoted=False)
        names: dict[str, str] = {}
        lists: Lists = {}
        for column in raw.frame.columns[1:]:
            name, _, kind = column.partition(":")
            if kind not in TYPES:
                raise DataError(f"{path}: column {column!r} of the header is not RecBole's; write it as `name:type`, such as user_id:token")
            names[column] = name
            if kind.endswith("_seq"):
                lists[name] = self.separator
        canonical = {self.user: "user_id", self.item: "item_id", self.time: "timestamp"}
        return raw.rename(names).need(*needed).rename(canonical), lists

    def _items(self, frame: pl.DataFrame, lists: Lists) -> pl.DataFrame:
        title, genre, text = (_first(frame, names) for names in (TITLES, GENRES, TEXTS))
        media = [name for name in ("image", "video") if name in frame.columns]
        other = [name for name in frame.columns if name not in {"row", "item_id", title, genre, text, *media}]
        pairs = attributes(frame, {name: "year" if name == "release_year" else name for name in other}, lists)
        kept = {"title": title, "text": text}
        named = [pl.col(column).alias(target) for target, column in kept.items() if column]
        categories = split(genre, self.separator).alias("categories") if genre else pl.lit(None).alias("categories")
        return table(frame.select("row", "item_id", *media, *named, categories, pairs), ITEMS)


def _users(frame: pl.DataFrame, lists: Lists) -> pl.DataFrame:
    other = {name: name for name in frame.columns if name not in {"row", "user_id"}}
    return table(frame.select("row", "user_id", attributes(frame, other, lists)), USERS)


def _triples(frame: pl.DataFrame, _: Lists) -> pl.DataFrame:
    return frame.select("row", head="head_id", relation="relation_id", tail="tail_id")


def _links(frame: pl.DataFrame, _: Lists) -> pl.DataFrame:
    return frame.select("row", "item_id", entity="entity_id")


def _first(frame: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in frame.columns), None)
