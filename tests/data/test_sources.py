"""Readers: what they read, and what they say of files that are wrong."""

import csv
import gzip
import io
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import artifacts
from components.data import ingest
from components.data.sources.movielens import MovieLens
from components.data.sources.movietweetings import MovieTweetings
from components.data.sources.raw import Read, read
from components.data.sources.recbole import RecBole
from components.data.sources.tables import Tables
from components.errors import DataError
from components.schema import TABLES

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"

GOOD = (
    "user_id,item_id,timestamp,event,weight\nu1,a,2020-01-01T00:00:00Z,view,1\nu1,b,2020-01-02 10:00:00+02:00,view,2.5\nu2,a,2020-01-03,,\n"
)
FILMS = "item_id,title,categories,director,colour\na,Heat,Crime|Drama,Michael Mann|Nobody,red\nb,Ran,,Akira Kurosawa,\n"


def tables(root: Path, **settings: object) -> Read:
    return Tables(root=root, **settings).read()  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "interactions.csv").write_text(GOOD)
    (tmp_path / "items.csv").write_text(FILMS)
    return tmp_path


def test_tables_become_canonical(folder: Path) -> None:
    found = tables(folder, lists=["director"])
    assert {name: table.schema for name, table in found.tables.items()} == {
        name: pl.Schema(TABLES[name]) for name in ("interactions", "items")
    }
    times = found.tables["interactions"]["timestamp"].dt.epoch("s").to_list()
    assert times == [1577836800, 1577952000, 1578009600]
    item = found.tables["items"].row(0, named=True)
    assert item["categories"] == ["Crime", "Drama"]
    assert item["attributes"] == [
        {"name": "director", "value": "Michael Mann"},
        {"name": "director", "value": "Nobody"},
        {"name": "colour", "value": "red"},
    ]
    assert found.rows == {"interactions": 3, "items": 2}


@pytest.mark.parametrize("ending", [".csv.gz", ".parquet"])
def test_gzip_and_parquet_read_the_same(folder: Path, ending: str) -> None:
    expected = tables(folder).tables["interactions"]
    path = folder / "interactions.csv"
    if ending == ".csv.gz":
        (folder / "interactions.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    else:
        pl.read_csv(path, infer_schema=False).write_parquet(folder / "interactions.parquet")
    path.unlink()
    assert tables(folder).tables["interactions"].equals(expected)


def test_items_are_made_of_interactions_where_there_is_no_table(folder: Path) -> None:
    (folder / "items.csv").unlink()
    assert tables(folder).tables["items"]["item_id"].to_list() == ["a", "b"]


def test_order_column_stands_for_time(folder: Path) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id,position\nu1,b,10\nu1,a,9\nu0,c,1\n")
    found = tables(folder, order="position").tables["interactions"]
    assert found["item_id"].to_list() == ["c", "a", "b"]
    assert found["row"].to_list() == [1, 2, 3]


def test_byte_order_mark_and_windows_lines_are_no_matter(folder: Path) -> None:
    (folder / "interactions.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert tables(folder).tables["interactions"]["user_id"].to_list() == ["u1", "u1", "u2"]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("timestamp", "yesterday", "not a time (iso)"),
        ("timestamp", "2020-13-45", "not a time (iso)"),
        ("weight", "much", "not a number"),
        ("weight", "NaN", "not a number"),
    ],
)
def test_unreadable_cells_are_rejected_with_their_row(folder: Path, column: str, value: str, reason: str) -> None:
    frame = pl.read_csv(folder / "interactions.csv", infer_schema=False)
    frame[1, column] = value
    frame.write_csv(folder / "interactions.csv")
    found = tables(folder)
    assert found.rejects.rows() == [("interactions", 2, column, value, reason)]
    assert found.tables["interactions"]["row"].to_list() == [1, 3]
    assert found.rows["interactions"] == 3


@pytest.mark.parametrize("value", ["1e300", "inf", "-1e20", "99999999999999999999"])
def test_times_beyond_all_bounds_are_rejected(folder: Path, value: str) -> None:
    (folder / "interactions.csv").write_text(f"user_id,item_id,timestamp\nu1,a,{value}\nu1,b,100\n")
    found = tables(folder, time="s")
    assert found.rejects["row"].to_list() == [1]
    assert len(found.tables["interactions"]) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"  \n", "the file is empty"),
        (b"user_id,item_id\n", "no data row"),
        (b"user,item_id\nu1,a\n", "no column 'user_id'"),
        (b"user_id,item_id,user_id\nu1,a,u1\n", "stands twice"),
        (b"user_id,,\nu1,a,b\n", "column 2 of the header has no name"),
        (b"user_id,item_id\nu1,a\nu2,b,c\n", "line 3 has 3 fields, the header 2"),
        (b"user_id,item_id\nu1,a\nu2\nu3,c\n", "line 3 has 1 fields, the header 2"),
        (b"user_id,item_id\nu1,a\n\nu3,c\n", "line 3 is empty"),
        (b'user_id,item_id\n"u\n1",a\nu2\n', "line 4 has 1 fields, the header 2"),
        (b'user_id,item_id\nu1,"a\nu2,b\n', "a quote is not closed"),
        (b'user_id,item_id\nu1,"a" b\nu2,b\n', "look for a quote inside a field"),
        ("user_id,item_id\nu1,a\n".encode("utf-16"), "is UTF-16"),
        (b"user_id,item_id\nu1,\x00a\n", "NUL byte in line 2"),
        (b"user_id,item_id\nu1,caf\xe9\n", "not UTF-8 in line 2"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(folder: Path, content: bytes, said: str) -> None:
    (folder / "interactions.csv").write_bytes(content)
    with pytest.raises(DataError) as error:
        tables(folder)
    assert "interactions.csv" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("content", [GOOD + "\n\n", GOOD.replace("\n", "\r"), GOOD.replace("user_id,", "user_id ,")])
def test_line_ends_and_spaces_of_the_header_are_no_matter(folder: Path, content: str) -> None:
    (folder / "interactions.csv").write_text(content, newline="")
    assert tables(folder).tables["interactions"]["user_id"].to_list() == ["u1", "u1", "u2"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=6)] * 3), min_size=1))
def test_what_a_csv_library_writes_is_read_cell_by_cell(rows: list[tuple[str, ...]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.csv"
        path.write_text(buffer.getvalue(), encoding="utf-8", newline="")
        assert read(path).frame.select("a", "b", "c").rows() == rows


def test_two_files_for_one_table_are_refused(folder: Path) -> None:
    (folder / "interactions.csv.gz").write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(DataError, match=r"interactions\.csv: interactions\.csv\.gz stands beside it"):
        tables(folder)


def test_a_misspelt_optional_column_is_not_passed_over(folder: Path) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id,timestmap\nu1,a,2020-01-01\n")
    with pytest.raises(DataError, match="'timestmap' is not one of interactions; did you mean 'timestamp'"):
        tables(folder)


def test_columns_that_are_not_read_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id,position\nu1,a,1\n")
    tables(folder)
    assert "columns not read: position" in capsys.readouterr().err


def test_lists_may_name_columns_of_users(folder: Path) -> None:
    (folder / "users.csv").write_text("user_id,langs\nu1,en|zh\n")
    pairs = tables(folder, lists=["langs", "director"]).tables["users"]["attributes"].to_list()
    assert pairs == [[{"name": "langs", "value": "en"}, {"name": "langs", "value": "zh"}]]
    with pytest.raises(DataError, match="no column 'lungs'"):
        tables(folder, lists=["lungs"])


@pytest.mark.parametrize("ids", [[1.0, 2.0], [["u1"], ["u2"]]])
def test_ids_of_a_type_that_would_not_survive_are_refused(folder: Path, ids: list[object]) -> None:
    (folder / "interactions.csv").unlink()
    pl.DataFrame({"user_id": ids, "item_id": ["a", "b"]}).write_parquet(folder / "interactions.parquet")
    with pytest.raises(DataError, match=r"interactions\.parquet: column 'user_id' is (Float64|List)"):
        tables(folder)


def test_parquet_keeps_its_types(folder: Path) -> None:
    (folder / "interactions.csv").unlink()
    (folder / "items.csv").unlink()
    local = pl.Series([datetime(2020, 1, 1, 1), datetime(2020, 1, 2)]).dt.replace_time_zone("Europe/Berlin")
    pl.DataFrame({"user_id": [1, 2], "item_id": [7, 8], "timestamp": local}).write_parquet(folder / "interactions.parquet")
    pl.DataFrame({"item_id": [7, 8], "tags": [["x", "y"], None], "price": [1.5, None]}).write_parquet(folder / "items.parquet")
    found = tables(folder).tables
    assert found["interactions"]["user_id"].to_list() == ["1", "2"]
    assert found["interactions"]["timestamp"].dt.epoch("s")[0] == 1577836800
    assert [len(pairs) for pairs in found["items"]["attributes"]] == [3, 0]


def test_a_near_name_is_suggested(folder: Path) -> None:
    (folder / "interactions.csv").write_text("user_id,itemid\nu1,a\n")
    with pytest.raises(DataError, match="did you mean 'itemid'"):
        tables(folder)


@pytest.mark.parametrize("reader", [MovieTweetings, Tables, MovieLens, RecBole])
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_the_files_is_named(tmp_path: Path, reader: Callable[..., Tables], there: bool) -> None:
    root = tmp_path / "data"
    if there:
        root.mkdir()
    with pytest.raises(DataError, match=str(root)):
        reader(root=root).read()


def test_torn_gzip_and_parquet_are_named(folder: Path) -> None:
    (folder / "interactions.csv").unlink()
    (folder / "interactions.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:40])
    with pytest.raises(DataError, match=r"interactions\.csv\.gz: not readable"):
        tables(folder)
    (folder / "interactions.csv.gz").unlink()
    (folder / "interactions.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"interactions\.parquet: not a readable Parquet"):
        tables(folder)


def test_ingest_writes_nothing_when_a_file_is_bad(folder: Path, tmp_path: Path) -> None:
    (folder / "items.csv").write_text("id\na\n")
    with pytest.raises(DataError, match="no column 'item_id'"):
        ingest.main(source=Tables(root=folder), feedback=None, share=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ingest_counts_every_row(folder: Path, tmp_path: Path) -> None:
    (folder / "interactions.csv").write_text(GOOD + "u3,a,soon,view,1\n")
    ingest.main(source=Tables(root=folder), feedback=None, share=1, out=tmp_path / "out")
    about = artifacts.read_json(tmp_path / "out" / "ingest.json")["tables"]["interactions"]
    kept, rejected = (len(artifacts.read_table(tmp_path / "out" / f"{name}.parquet")) for name in ("interactions", "rejects"))
    assert about == {"rows": 4, "files": ["interactions.csv"]}
    assert kept + rejected == 4


def test_movielens_dat_family(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::10::5::978300760\n2::10::3::978300761\n")
    (tmp_path / "movies.dat").write_text("10::Heat (1995)::Crime|Drama\n")
    found = MovieLens(root=tmp_path).read().tables
    assert found["interactions"]["weight"].to_list() == [5.0, 3.0]
    assert found["items"].row(0, named=True)["title"] == "Heat"
    assert found["items"].row(0, named=True)["attributes"] == [{"name": "year", "value": "1995"}]


def test_movielens_dat_is_latin_and_knows_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::10::5::978300760\n")
    (tmp_path / "movies.dat").write_bytes('10::"Léon" (1994)::Crime\n11::Six" feet, The (2006-2007)::Drama\n'.encode("latin-1"))
    assert MovieLens(root=tmp_path).read().tables["items"]["title"].to_list() == ['"Léon"', 'Six" feet, The']


def test_movielens_tags_and_knowledge(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,5,978300760\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n10,Heat (1995),(no genres listed)\n11,Ran (1985),Drama\n")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,10,Tense ,1\n2,10,tense,2\n2,10,rare,3\n")
    (tmp_path / "facts.tsv.gz").write_bytes(gzip.compress(b"movieId\tdirectors\tplot\n10\tMichael Mann|X\tTwo men.\n"))
    heat, ran = MovieLens(root=tmp_path, knowledge="facts.tsv.gz").read().tables["items"].rows(named=True)
    assert [(pair["name"], pair["value"]) for pair in heat["attributes"]] == [
        ("year", "1995"), ("director", "Michael Mann"), ("director", "X"), ("tag", "tense"),
    ]  # fmt: skip
    assert (heat["categories"], heat["text"], ran["categories"], ran["text"]) == ([], "Two men.", ["Drama"], None)
    with pytest.raises(DataError, match=r"nothing\.tsv: no such file"):
        MovieLens(root=tmp_path, knowledge="nothing.tsv").read()


def test_recbole_becomes_canonical(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user:token\tartist_id:token\ttime:float\n1\t2\t881250949.0\n")
    columns = "artist_id:token\tname:token_seq\tgenre:token_seq\tmoods:token_seq\timage:token"
    (tmp_path / "x.item").write_text(f'{columns}\n2\tThe "Who\trock pop\tloud old\ta.png\n')
    (tmp_path / "x.user").write_text("user:token\tage:float\n1\t30\n")
    (tmp_path / "x.kg").write_text("head_id:token\trelation_id:token\ttail_id:token\ne1\tr\te2\n")
    (tmp_path / "x.link").write_text("artist_id:token\tentity_id:token\n2\te1\n")
    found = RecBole(root=tmp_path, user="user", item="artist_id", time="time").read().tables
    assert found["interactions"].select("user_id", "item_id", pl.col("timestamp").dt.epoch("s")).rows() == [("1", "2", 881250949)]
    item = found["items"].row(0, named=True)
    assert (item["title"], item["categories"], item["image"]) == ('The "Who', ["rock", "pop"], "a.png")
    assert item["attributes"] == [{"name": "moods", "value": "loud"}, {"name": "moods", "value": "old"}]
    assert found["users"]["attributes"].to_list() == [[{"name": "age", "value": "30"}]]
    assert found["triples"].rows() == [(1, "e1", "r", "e2")]
    assert found["links"].rows() == [(1, "2", "e1")]


def test_recbole_names_the_column_that_is_missing_or_twice(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id:token\tartist_id:token\n1\t2\n")
    with pytest.raises(DataError, match=r"x\.inter: no column 'item_id'"):
        RecBole(root=tmp_path).read()
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\titem_id:float\n1\t2\t3\n")
    with pytest.raises(DataError, match=r"x\.inter: column 'item_id' stands twice"):
        RecBole(root=tmp_path).read()


def test_recbole_header_is_needed(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id\titem_id\n1\t2\n")
    with pytest.raises(DataError, match="not RecBole's"):
        RecBole(root=tmp_path).read()


def test_recbole_with_two_sets_asks_which(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / f"{name}.inter").write_text("user_id:token\titem_id:token\n1\t2\n")
    with pytest.raises(DataError, match=r"set dataset\.name"):
        RecBole(root=tmp_path).read()
    assert len(RecBole(root=tmp_path, name="x").read().tables["interactions"]) == 1


def test_the_embedded_data_are_whole() -> None:
    found = MovieTweetings(root=ROOT / "data" / "movietweetings").read()
    interactions, items = found.tables["interactions"], found.tables["items"]
    assert (len(interactions), interactions["user_id"].n_unique(), len(items)) == (68055, 4333, 2414)
    assert set(interactions["item_id"]) == set(items["item_id"])
    assert items["text"].is_not_null().sum() == 1813
    assert found.rejects.is_empty()


@pytest.mark.skipif(not SHARED.exists(), reason="the development data are not here")
@pytest.mark.parametrize(
    ("source", "events", "items", "triples"),
    [
        (RecBole(root=SHARED / "ml-100k"), 100_000, 1682, 91_631),
        (MovieLens(root=SHARED / "ml-latest-small", knowledge="knowledge.tsv.gz"), 100_836, 9742, 0),
        (Tables(root=SHARED / "amazon-beauty", order="position"), 198_502, 12_101, 0),
    ],
    ids=["ml-100k", "ml-latest-small", "amazon-beauty"],
)
def test_public_sets_open(source: Tables, events: int, items: int, triples: int) -> None:
    found = source.read().tables
    assert (len(found["interactions"]), len(found["items"])) == (events, items)
    assert len(found.get("triples", [])) == triples
