"""Dialogues of a corpus as questions: what was said up to a turn, and what was recommended in it (protocol D1)."""

import gzip
import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from measure import ROOT, available, measure

from components import artifacts
from components.configure import compose
from components.dialogue.facets import marked
from components.dialogue.query import Memory, Query, Said
from components.ranking.parts import Floats

STAGES = {
    "ingest": "data.ingest",
    "validate": "data.validate",
    "split": "data.split",
    "pretrain": "semantic.pretrain",
    "align": "knowledge.align",
    "train": "ranking.train",
    "converse": "dialogue.converse",
    "bundle": "delivery.bundle",
}
YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
NEAR = 0.6  # cosine of two names from which they mean the same
SUFFIX = re.compile(r" (films?|movies?)$", re.IGNORECASE)


@dataclass(frozen=True)
class Film:
    """A film of the corpus, and the id that MovieLens has for it."""

    item: str
    name: str
    about: dict[str, Any]
    year: str | None
    movie: int | None

    @property
    def title(self) -> str:
        """The name without the year."""
        return YEAR.sub("", self.name)


@dataclass(frozen=True)
class Turns:
    """Turns in which something was recommended.

    Attributes:
        dialogue: of each turn; texts, entities: what was said and linked before it, oldest first.
        said: indices of the films that were spoken of before, oldest first.
        gold: (turn, film, new): what was recommended; new if neither linked nor written out before.
    """

    dialogue: list[str]
    texts: list[list[str]]
    entities: list[list[str]]
    said: list[list[int]]
    gold: list[tuple[int, int, bool]]


def films(corpus: str) -> list[Film]:
    """The films of a corpus, by item id, joined with MovieLens by IMDb's id, or by name and year."""
    movies, links = (
        pl.read_csv(_data("ml-latest-small") / f"{name}.csv", schema_overrides={"imdbId": pl.String}) for name in ("movies", "links")
    )
    imdb = {f"tt{key}": movie for movie, key in links.select("movieId", "imdbId").iter_rows()}
    named: dict[str, list[tuple[int, int]]] = {}
    for movie, title in movies.select("movieId", "title").iter_rows():
        year = YEAR.search(title)
        for spelling in {
            spelled(YEAR.sub("", title)),
            spelled(re.sub(r"\(.*?\)", "", title)),
            *map(spelled, re.findall(r"\((.*?)\)", title)),
        }:
            named.setdefault(spelling, []).append((movie, int(year[1]) if year else 0))
    found = []
    for key, about in _read(_data(corpus) / "movies.json.gz").items():
        year = about.get("year") or next(iter(YEAR.findall(about["name"])), None)
        film = Film(f"m{key}", about["name"], about, year, None)
        same = [movie for movie, made in named.get(spelled(film.title), []) if year is None or abs(made - int(year)) <= 1]
        found.append(Film(film.item, film.name, about, year, imdb.get(about.get("imdb_id", "")) or next(iter(same), None)))
    return sorted(found, key=lambda film: film.item)


def spelled(title: str) -> str:
    """A title for comparison: plain letters, articles in front."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower().replace("&", "and").strip()
    moved = re.match(r"^(.*), (the|a|an)$", plain)
    return " ".join(re.findall(r"[a-z0-9]+", f"{moved[2]} {moved[1]}" if moved else plain))


def turns(corpus: str, catalogue: Sequence[Film]) -> Turns:
    """Read the corpus's validation turns."""
    places: dict[str, int] = {}
    for place, film in enumerate(catalogue):
        places.setdefault(film.name, place)
    found = Turns([], [], [], [], [])
    lines = gzip.decompress((_data(corpus) / "valid_turns.jsonl.gz").read_bytes()).decode().splitlines()
    for number, row in enumerate(map(json.loads, lines)):
        said = list(dict.fromkeys(places[name] for name in row["entity"] if name in places))
        written = f" {spelled(' . '.join(re.sub(YEAR.pattern[:-1], ' ', text) for text in row['context']))} "
        found.dialogue.append(str(row["dialog_id"]))
        found.texts.append([text for text in row["context"] if text])
        found.entities.append([each for name in row["entity"] for each in dict.fromkeys([name, SUFFIX.sub("", name)])])
        found.said.append(said)
        for gold in (places[name] for name in dict.fromkeys(row["rec"])):
            found.gold.append((number, gold, gold not in said and f" {spelled(catalogue[gold].title)} " not in written))
    return found


def half(dialogue: str) -> int:
    """Which half a dialogue is in: 0 is for choosing settings and never reported, 1 is reported."""
    return int(hashlib.sha256(dialogue.encode()).hexdigest(), 16) % 2


def write(catalogue: Sequence[Film], folder: Path) -> None:
    """Write the corpus's films and MovieLens' ratings of them as a data set of canonical tables."""
    rows = [_row(film) for film in catalogue]
    movies = {film.movie: film.item for film in reversed(catalogue) if film.movie is not None}
    ratings = pl.read_csv(_data("ml-latest-small") / "ratings.csv").filter(pl.col("movieId").is_in(list(movies)))
    events = ratings.select(
        user_id=pl.concat_str(pl.lit("u"), "userId"),
        item_id=pl.col("movieId").replace_strict(movies, return_dtype=pl.String),
        timestamp="timestamp",
        weight="rating",
    )
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema_overrides={"text": pl.String, "year": pl.String}).write_parquet(folder / "items.parquet")
    events.sort("timestamp", "user_id", "item_id").write_parquet(folder / "interactions.parquet")


def make(corpus: str, catalogue: Sequence[Film], work: Path, threads: int, seed: int) -> dict[str, Any]:
    """Run the pipeline's stages on the corpus's films in a work folder, where that was not done with the same code and settings."""
    data, folder = work / f"{corpus}-data", work / corpus
    write(catalogue, data)
    own = ["dataset=tables", f"dataset.root={data.resolve()}", "dataset.time=s", f"seed={seed}", f"threads={threads}"]
    sections = compose(ROOT / "conf", own)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(sections, sort_keys=False, allow_unicode=True))
    taken, key = {}, artifacts.fingerprint(data)
    for name, module in STAGES.items():
        key = hashlib.sha256(f"{key}{json.dumps(sections[name], sort_keys=True)}{_code(name)}".encode()).hexdigest()
        taken[name] = _stage(name, module, folder, key, threads)
    return {"taken": taken, "query": sections["converse"]["query"], "items": len(catalogue), "sha256": artifacts.fingerprint(data)}


def heard(query: Query, asked: Turns, cache: Path) -> Memory:
    """q of each turn: every utterance before it is one step; names and films as the corpus has them linked."""
    texts = sorted({text for said in asked.texts for text in said})
    vectors = dict(zip(texts, query.model.encoder.encode(texts, cache), strict=True))
    count, width = len(asked.texts), query.content.shape[1]
    memory, silence = query.start(count), np.zeros(width, dtype=np.float32)
    longest = max(map(len, asked.texts))
    nothing = query.start(count)
    liked = marked([(row, item) for row, said in enumerate(asked.said) for item in said], (count, len(query.content)))
    for left in range(longest, 0, -1):
        spoken = np.array([vectors[said[-left]] if left <= len(said) else silence for said in asked.texts])
        memory = query.step(memory, Said(spoken, nothing.named, nothing.liked))
    return query.step(memory, Said(np.zeros_like(memory.text), query.facets.named(linked(query, asked.entities, cache)), liked))


def linked(query: Query, entities: list[list[str]], cache: Path) -> list[list[str]]:
    """Names as the graph has them: what it has not is the genre nearest in meaning, if any is near."""
    genres = query.facets.nodes.filter(pl.col("kind") == "genre")["name"].sort().to_list()
    unknown = sorted({name for names in entities for name in names if name.casefold() not in query.facets.places})
    if not genres or not unknown:
        return entities
    cosine = query.model.encoder.encode(unknown, cache) @ query.model.encoder.encode(genres, cache).T
    near = {name: genres[row.argmax()] for name, row in zip(unknown, cosine, strict=True) if row.max() >= NEAR}
    return [[near.get(name, name) for name in names] for names in entities]


def described(films_: Sequence[Film]) -> list[str]:
    """What MiniLM retrieval reads of each film: what the catalogue's content vectors are made of."""
    from components.semantic.text import describe

    rows = pl.DataFrame([_row(film) for film in films_], schema_overrides={"text": pl.String, "year": pl.String})
    year = pl.concat_list(pl.struct(name=pl.lit("year"), value="year"))
    return describe(rows.select("title", "text", "categories", attributes=year))


def _row(film: Film) -> dict[str, Any]:
    director, actor, writer = (list(dict.fromkeys(film.about.get(name, []))) for name in ("director", "actor", "writer"))
    actor = actor or list(dict.fromkeys(film.about.get("star", [])))
    told = [f"Directed by {', '.join(director)}." if director else "", f"Starring {', '.join(actor[:4])}." if actor else ""]
    text = film.about.get("plot") or " ".join(part for part in told if part) or None
    genres = list(dict.fromkeys(film.about.get("genre", [])))
    people = {"director": director, "actor": actor, "writer": writer}
    return {"item_id": film.item, "title": film.title, "text": text, "categories": genres, "year": film.year} | people


def _stage(name: str, module: str, folder: Path, key: str, threads: int) -> dict[str, Any]:
    mark = folder / f"{name}.json"
    if not mark.exists() or artifacts.read_json(mark)["key"] != key:
        print(f"{folder.name}: {name}", flush=True)
        done = measure("python", "-m", f"components.{module}", cwd=folder, code=ROOT, threads=threads)
        if done.status:
            raise SystemExit(done.output[-3000:])
        artifacts.write_json(mark, {"key": key, "seconds": done.seconds, "cpu_seconds": done.cpu_seconds, "peak_mb": done.peak_mb})
    return {what: value for what, value in artifacts.read_json(mark).items() if what != "key"}


def _code(stage: str) -> str:
    """The code that dvc.yaml says a stage depends on."""
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    return artifacts.fingerprint(*(ROOT / path for path in declared if path.startswith("components/")))


def _data(name: str) -> Path:
    path = available(name)
    if path is None:
        raise SystemExit(f"no ../shared/data/{name}: this benchmark needs data that may not be shipped with the project")
    return path


def _read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def mentioned(corpus: str, catalogue: Sequence[Film]) -> Floats | None:
    """How often each film was recommended in the corpus's training turns; None where they are not here."""
    path = _data(corpus) / "train_turns.jsonl.gz"
    if not path.exists():
        return None
    found = Counter(name for line in gzip.decompress(path.read_bytes()).decode().splitlines() for name in json.loads(line)["rec"])
    return np.array([found[film.name] for film in catalogue], dtype=np.float64)


def popular(films_: Sequence[Film]) -> Floats:
    """How often MovieLens' users rated each film."""
    ratings = pl.read_csv(_data("ml-latest-small") / "ratings.csv")
    counts = dict(ratings.group_by("movieId").len().iter_rows())
    return np.array([counts.get(film.movie, 0) for film in films_], dtype=np.float64)
