"""`zhijian batch-recommend`: one file with what each user would be told."""

import polars as pl
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from components.errors import DataError, RequestError
from components.recommend import Recommender
from flows import batch
from flows.cli import app


@pytest.fixture(scope="module")
def known(bundle):
    return Recommender.load(bundle)


def test_the_file_says_what_each_user_would_be_told_alone(known, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "BLOCK", 7)  # several blocks, the last one shorter
    rows = batch.write(known, tmp_path / "new" / "all.parquet", 5)
    found = pl.read_parquet(tmp_path / "new" / "all.parquet")
    assert (rows, found["user_id"].unique(maintain_order=True).to_list()) == (len(found), list(known.users))
    assert parquet.read_schema(tmp_path / "new" / "all.parquet").metadata[b"bundle"].decode() == known.bundle
    for user in list(known.users)[::9]:
        told = [(item.item_id, item.rank, item.score) for item in known.recommend(user, k=5).items]
        assert found.filter(pl.col("user_id") == user).select("item_id", "rank", "score").rows() == told


def test_no_more_than_a_block_of_users_is_held_at_a_time(known, tmp_path, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(batch, "BLOCK", 40)
    answer = Recommender.batch
    monkeypatch.setattr(Recommender, "batch", lambda self, users, k: asked.append(len(users)) or answer(self, users, k))
    batch.write(known, tmp_path / "all.parquet", 3)
    assert asked == [40, 40, 10]


def test_the_command_writes_the_file_and_says_where(bundle, known, tmp_path):
    ended = CliRunner().invoke(app, ["batch-recommend", "--out", str(tmp_path / "all.parquet"), "-k", "2", "--bundle", str(bundle)])
    assert ended.exit_code == 0, ended.output
    assert "180 recommendations to 90 users" in ended.output
    assert pl.read_parquet(tmp_path / "all.parquet").height == 2 * len(known.users)


def test_what_cannot_be_is_refused_and_leaves_no_file(known, tmp_path):
    with pytest.raises(RequestError, match="must be from 1 to 100"):
        batch.write(known, tmp_path / "all.parquet", 101)
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="choose another place with --out"):
        batch.write(known, tmp_path / "taken" / "all.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
