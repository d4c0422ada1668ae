import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image

from components import training
from components.data.histories import Histories
from components.errors import ConfigError
from components.semantic.contrast import Companions
from components.semantic.image import ImageEncoder
from components.semantic.media import Media
from components.semantic.teach import Lesson, Target
from components.semantic.video import VideoEncoder
from components.semantic.vision import Clips, SmallViT
from components.training import Plan
from tests.semantic.pictures import encoded, film, put

SIZE, COUNT = 16, 60
FORM = {"size": SIZE, "patch": 8, "width": 16, "layers": 1}


def target(epochs, **more):
    return Target(**{"held": 0.0, "plan": Plan(epochs=epochs, batch=32, rate=0.005, decay=0.01)} | more)


def lesson(kinds, texts=None):
    """Items of a kind are chosen by the same users; texts say nothing unless given."""
    rng = np.random.default_rng(1)
    rows = [rng.permutation(np.flatnonzero(kinds == kind))[:8] for kind in np.unique(kinds) for _ in range(30)]
    offsets = np.arange(len(rows) + 1) * 8
    histories = Histories(np.concatenate(rows), np.zeros(8 * len(rows), dtype=np.int64), offsets, np.arange(len(rows)))
    none = torch.zeros(len(kinds), 4)
    return Lesson(none if texts is None else texts, Companions.of(histories, len(kinds)))


def parted(vectors, kinds, unseen):
    """Share of the unseen items whose nearest other item is of their kind."""
    near = vectors @ vectors.T
    np.fill_diagonal(near, -2)
    return (kinds[near.argmax(1)] == kinds)[unseen].mean()


@pytest.fixture
def stripes(tmp_path):
    """Noisy images, striped across (kind 0) or along (1); the last twenty nobody has chosen."""
    rng = np.random.default_rng(2)
    kinds = np.arange(COUNT) % 2
    for place, kind in enumerate(kinds):
        wave = np.tile((np.arange(SIZE) // 2 % 2) * 120.0, (SIZE, 1))
        shown = np.clip((wave if kind else wave.T)[..., None] * rng.uniform(0.5, 1, 3) + rng.uniform(0, 60, (SIZE, SIZE, 3)), 0, 255)
        put(tmp_path, f"{place}.png", encoded(Image.fromarray(shown.astype(np.uint8))))
    return tmp_path, kinds


def looked(root, name, ending):
    return Media(root=root).files(name, [f"{place}.{ending}" for place in range(COUNT)])


def learn(form, root, told, name="state"):
    return form.view(looked(root, "image", "png"), told, seed=5, cache=root / "cache", checkpoint=root / name)


def test_what_people_take_together_teaches_pixels(stripes):
    root, kinds = stripes
    view = learn(SmallViT(**FORM, target=target(8)), root, known(kinds))
    assert parted(view.vectors, kinds, np.arange(COUNT) >= 40) > 0.85
    assert view.there.all()


def known(kinds, texts=None):
    """Behaviour of the first forty alone."""
    made = lesson(kinds[:40])
    events = made.companions
    histories = (events.items, events.first, events.last, events.order)
    offsets = torch.cat([events.offsets, events.offsets[-1:].expand(len(kinds) - 40)])
    return Lesson(torch.zeros(len(kinds), 4) if texts is None else texts, Companions(*histories, offsets))


def test_texts_teach_pixels_where_nobody_chose_anything(stripes):
    root, kinds = stripes
    texts = torch.zeros(COUNT, 4)
    texts[np.arange(40), kinds[:40]] = 1.0
    nobody = Companions.of(Histories(*(np.zeros(0, dtype=np.int64),) * 2, np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64)), COUNT)
    view = learn(SmallViT(**FORM, target=target(8)), root, Lesson(texts, nobody))
    assert parted(view.vectors, kinds, np.arange(COUNT) >= 40) > 0.85


def test_a_killed_learning_goes_on_and_ends_in_the_same_bits(stripes, monkeypatch):
    root, kinds = stripes
    form = SmallViT(**FORM, target=target(3, held=0.4))
    whole = learn(form, root, known(kinds))
    assert len(whole.curves["image"]) == 3
    assert "score" in whole.curves["image"][0]

    real, saved = training._save, []

    def dying(*given):
        real(*given)
        saved.append(1)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_save", dying)
    with pytest.raises(KeyboardInterrupt):
        learn(form, root, known(kinds), "killed")
    resumed = learn(form, root, known(kinds), "killed")
    assert len(saved) == 3
    assert np.array_equal(resumed.vectors, whole.vectors)


def test_most_bounds_what_is_learned_from_and_all_are_encoded(stripes):
    root, kinds = stripes
    put(root, "7.png", b"none")
    put(root, "8.png", b"none")
    view = learn(SmallViT(**FORM, target=target(1, most=41)), root, known(kinds))
    assert view.there.sum() == COUNT - 2
    assert set(view.refused) == {7, 8}


@pytest.mark.parametrize(("wrong", "words"), [({"patch": 7}, "patch: 7 does not divide"), ({"heads": 3}, "heads: 3 does not divide")])
def test_sizes_that_do_not_fit_are_refused(stripes, wrong, words):
    root, kinds = stripes
    with pytest.raises(ConfigError, match=words):
        learn(SmallViT(**FORM | wrong, target=target(1)), root, known(kinds))


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """Films of any colour that grow bright (kind 0) or dark (1): both have the same frames, in another order."""
    root, rng = tmp_path_factory.mktemp("films"), np.random.default_rng(3)
    kinds = np.arange(COUNT) % 2
    for place, kind in enumerate(kinds):
        colour = rng.uniform(0.4, 1, 3)
        shots = [(np.full((16, 16, 3), 30 + 30 * step) * colour).astype(np.uint8) for step in range(8)]
        put(root, f"{place}.mp4", film(shots if kind else shots[::-1]))
    return root, kinds


def test_what_changes_over_time_is_told(moving, tmp_path):
    root, kinds = moving
    view = VideoEncoder(frames=4, width=16, target=target(12)).view(
        looked(root, "video", "mp4"),
        SmallViT(**FORM, target=target(1)),
        known(kinds),
        seed=5,
        cache=tmp_path / "cache",
        checkpoint=tmp_path / "state",
    )
    assert parted(view.vectors, kinds, np.arange(COUNT) >= 40) > 0.85


def test_frames_of_a_pretrained_encoder_are_pooled_by_what_is_learned(moving, tmp_path):
    root, kinds = moving
    torch.manual_seed(0)
    small = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 32,
        "patch_size": 8,
    }
    hf.ViTModel(hf.ViTConfig(**small)).save_pretrained(tmp_path / "model")
    hf.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "model")
    put(root, "3.mp4", b"none")
    view = VideoEncoder(frames=4, width=16, target=target(2)).view(
        looked(root, "video", "mp4"),
        ImageEncoder(model=str(tmp_path / "model"), pooling="mean"),
        known(kinds),
        seed=5,
        cache=tmp_path / "cache",
        checkpoint=tmp_path / "state",
    )
    assert view.vectors.shape == (COUNT, 16)
    assert view.there.sum() == COUNT - 1
    assert view.refused == {3: "no video container that is read"}
    assert list((tmp_path / "cache").rglob("*.safetensors"))


def test_attention_over_time_sums_to_one_and_sees_the_order_of_frames():
    torch.manual_seed(1)
    module = Clips(None, 6, 8, 5, 4).eval()
    clips = torch.randn(3, 5, 6)
    assert module(clips).shape == (3, 8)
    assert not torch.allclose(module(clips), module(clips.flip(1)), atol=1e-3)
