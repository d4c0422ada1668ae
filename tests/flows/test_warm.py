"""The champion's weights are laid where training reads them, DVC sees them, and from scratch they are taken away."""

import json

import pytest

from components import artifacts
from components.errors import BundleError
from flows import champions, warm

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")  # dvc and its pygtrie


@pytest.fixture
def crowned(inside):
    """A project with a champion of one part, and the weights of the BERT beside it."""
    inside.write("params.yaml", "train: {warm: data/warm/champion}\n")
    inside.write("data/warm/.gitignore", "/champion\n")
    bundle = inside.root / "made"
    bundle.mkdir()
    (bundle / "ranker.json").write_text(json.dumps({"parts": {"attention": {}}}))
    for name in ("attention.safetensors", "vectors.safetensors", *warm.IDS):
        (bundle / name).write_text(name)
    identity = artifacts.seal(bundle, {})
    inside.write("kept", "weights")
    champions.lay_in(bundle, {warm.BEHAVIOUR.name: inside.root / "kept"}, {"bundle": identity})
    champions.switch(identity, "promoted")
    return inside


def test_weights_are_laid_once_and_taken_away_for_a_training_from_scratch(crowned):
    place = crowned.root / "data/warm/champion"
    assert (warm.wanted(False), warm.wanted(True)) == ([], ["warm"])
    assert warm.lay(True, 60, print) == "Ran"
    assert {path.name for path in place.iterdir()} == {"attention.safetensors", "behaviour.safetensors", *warm.IDS}
    assert (crowned.root / "data/warm/champion.dvc").exists()
    assert warm.lay(True, 60, print) == "Cached"
    assert warm.wanted(False) == ["warm"], "what lies there is to be taken away"
    assert warm.lay(False, 60, print) == "Ran"
    assert [path.name for path in (crowned.root / "data/warm").iterdir()] == [".gitignore"]


def test_a_damaged_champion_is_trained_on_by_nobody(crowned):
    (champions.STORE / champions.current().folder / "attention.safetensors").write_text("other")
    with pytest.raises(BundleError, match="attention"):
        warm.lay(True, 60, print)
    assert not (crowned.root / "data/warm/champion").exists()


def test_where_nothing_names_a_folder_nothing_is_laid(inside):
    assert warm.wanted(True) == []
    inside.write("params.yaml", "ingest: {}\n")
    assert warm.wanted(True) == []
