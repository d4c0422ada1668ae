import numpy as np
import polars as pl
import pytest

from components import artifacts
from components.data.warm import Warm
from components.errors import DataError


@pytest.fixture
def laid(tmp_path):
    """Weights of a champion of forty items and two users."""
    place = tmp_path / "champion"
    place.mkdir()
    items = {"row": range(1, 41), "item_id": [f"i{n:02d}" for n in range(40)][::-1], "title": ["t"] * 40}  # as a bundle has them
    artifacts.write_table(place / "items.parquet", pl.DataFrame(items))
    artifacts.write_table(place / "users.parquet", pl.DataFrame({"user_id": ["a", "c"]}))
    artifacts.write_tensors(place / "behaviour.safetensors", {"residual": np.arange(40, dtype=np.float32)[:, None], "head": np.ones(3)})
    return place


def test_rows_are_found_by_id_whatever_came_between(laid):
    items = sorted([f"i{n:02d}" for n in range(40)] + ["i05a"])
    warm = Warm.read(laid, items, ["a", "b", "c"])
    assert warm.rows["users"].tolist() == [0, -1, 1]
    assert warm.rows["items"].tolist() == [*range(6), -1, *range(6, 40)]
    start = warm.start("behaviour", {"residual": "items"})
    assert start.rows["residual"] is warm.rows["items"]
    assert set(start.tensors) == {"residual", "head"}
    assert warm.start("no such part", {}) is None


def test_where_too_much_is_new_or_nothing_lies_there_training_begins_from_nothing(laid, tmp_path):
    items = [f"i{n:02d}" for n in range(40)]
    assert Warm.read(laid, [*items, "x", "y"], ["a"]) is not None
    assert Warm.read(laid, [*items, "x", "y", "z"], ["a"]) is None, "3 of 43"
    assert Warm.read(None, items, []) is None
    assert Warm.read(tmp_path / "none", items, []) is None
    (laid / "items.parquet").write_text("torn")
    with pytest.raises(DataError, match="items"):
        Warm.read(laid, items, [])
