import json

import numpy as np
import pytest
import transformers as hf
from PIL import Image

from components.errors import ConfigError
from components.semantic import image as module
from components.semantic.image import ImageEncoder
from components.semantic.media import Files
from components.semantic.text import TextEncoder
from tests.semantic.pictures import encoded, film, picture, put, shades

BYTES = 2**25
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SEEING = SMALL | {"image_size": 32, "patch_size": 8}
WORDS = SMALL | {"vocab_size": 99, "max_position_embeddings": 8}
SIZE = {"height": 32, "width": 32}


def vit():
    return hf.ViTModel(hf.ViTConfig(**SEEING)), hf.ViTImageProcessorPil(size=SIZE)


def clip():
    config = hf.CLIPConfig(text_config=WORDS | {"eos_token_id": 2}, vision_config=SEEING, projection_dim=12)
    return hf.CLIPModel(config), hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIZE)


def siglip():
    return hf.SiglipModel(hf.SiglipConfig(text_config=WORDS, vision_config=SEEING)), hf.SiglipImageProcessorPil(size=SIZE)


def dino():
    return hf.Dinov2Model(hf.Dinov2Config(**SEEING)), hf.BitImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIZE)


KINDS = {"vit": (vit, 16), "clip": (clip, 12), "siglip": (siglip, 16), "dino": (dino, 16)}


@pytest.fixture(scope="module", params=KINDS)
def model(request, tmp_path_factory):
    """A folder as `save_pretrained` writes it, and the width of its vectors."""
    folder = tmp_path_factory.mktemp(request.param)
    make, width = KINDS[request.param]
    for part in make():
        part.save_pretrained(folder)
    return folder, width


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("model")
    for part in vit():
        part.save_pretrained(made)
    return made


@pytest.fixture
def images(tmp_path):
    """Seven images, the third truncated and the fifth not there."""
    for place in range(7):
        draw = np.random.default_rng(place).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        data = encoded(Image.fromarray(draw))
        put(tmp_path, f"set/{place}.png", data[:900] if place == 2 else data)
    return tmp_path / "set"


def looked(root, changed=None):
    paths = [changed if place == 6 and changed else "none.png" if place == 4 else f"{place}.png" for place in range(7)]
    return Files.among(root, paths, BYTES, "image")


def test_encodes_by_every_family(model, images):
    where, width = model
    vectors, refused = ImageEncoder(model=str(where), batch=4).encode(looked(images))
    assert vectors.shape == (6, width)
    assert list(refused) == [2]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 0, 1, 1, 1], abs=1e-5)
    assert len(np.unique(vectors.round(5), axis=0)) == 6


def test_a_vector_does_not_depend_on_its_company(folder, images):
    encoder = ImageEncoder(model=str(folder), batch=4)
    alone, _ = encoder.encode(Files.among(images, ["6.png"], BYTES, "image"))
    assert np.array_equal(encoder.encode(looked(images))[0][-1], alone[0])


def test_second_run_encodes_nothing_and_a_change_encodes_one(folder, images, tmp_path, monkeypatch):
    encoder = ImageEncoder(model=str(folder), batch=4)
    seen = []
    real = module.Model._forward
    monkeypatch.setattr(module.Model, "_forward", lambda self, pictures: seen.append(len(pictures)) or real(self, pictures))
    first, refused = encoder.encode(looked(images), tmp_path / "cache")
    assert sum(seen) == 5
    seen.clear()
    again, still = encoder.encode(looked(images), tmp_path / "cache")
    assert sum(seen) == 0
    assert np.array_equal(first, again)
    assert refused == still == {2: "truncated or damaged"}
    put(images, "new.png", encoded(picture()))
    changed, _ = encoder.encode(looked(images, "new.png"), tmp_path / "cache")
    assert sum(seen) == 1
    assert np.array_equal(changed[:5], first[:5])
    assert not np.allclose(changed[5], first[5])


def test_frames_of_videos_are_encoded_one_by_one(folder, tmp_path):
    put(tmp_path, "a.mp4", film(shades(9)))
    put(tmp_path, "b.mp4", film(shades(9)[::-1]))
    put(tmp_path, "c.mp4", b"none")
    vectors, refused = ImageEncoder(model=str(folder), batch=4).frames(
        Files.among(tmp_path, ["a.mp4", "b.mp4", "c.mp4"], BYTES, "video"), 3
    )
    assert vectors.shape == (3, 3, 16)
    assert refused == {2: "no video container that is read"}
    assert np.abs(vectors[0] - vectors[1][::-1]).max() < 0.2
    assert np.abs(vectors[0] - vectors[1]).max() > np.abs(vectors[0] - vectors[1][::-1]).max()


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_pooling_and_dtype_are_settings(folder, images, pooling):
    one, _ = ImageEncoder(model=str(folder)).encode(looked(images))
    other, _ = ImageEncoder(model=str(folder), pooling=pooling, dtype="bfloat16", normalise=False).encode(looked(images))
    assert np.isfinite(other).all()
    assert not np.allclose(one[0], other[0], atol=0.05)


def broken(folder, target, how):
    """Copy a model's folder, with something wrong."""
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    config = json.loads((target / "config.json").read_text())
    if how == "pickle":
        (target / "model.safetensors").rename(target / "pytorch_model.bin")
    elif how == "unknown":
        (target / "config.json").write_text(json.dumps(config | {"model_type": "telepathy", "auto_map": {"AutoModel": "code.Mind"}}))
    elif how == "layer":
        (target / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    elif how == "shape":
        (target / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
    elif how == "torn":
        (target / "model.safetensors").write_bytes((target / "model.safetensors").read_bytes()[:900])
    elif how == "no json":
        (target / "config.json").write_text("{")
    else:
        (target / how).unlink()
    return target


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("pickle", "pickled weights are not read"),
        ("config.json", "no config.json"),
        ("preprocessor_config.json", "no image processor"),
        ("unknown", "no architecture 'telepathy'.*code of its own, which is not run"),
        ("layer", "incomplete: .* weights are missing"),
        ("shape", "can't be loaded"),
        ("torn", "can't be loaded"),
        ("no json", "can't be loaded"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_refused_by_name(folder, images, tmp_path, how, words):
    (tmp_path / "model").mkdir()
    where = broken(folder, tmp_path / "model", how)
    with pytest.raises(ConfigError, match=f"image_encoder.model: '{where}'.*{words}"):
        ImageEncoder(model=str(where)).encode(looked(images))


def test_a_model_of_another_kind_is_refused_by_name(folder, images, tmp_path):
    with pytest.raises(ConfigError, match="tokenizer"):
        TextEncoder(model=str(folder)).encode(["a"])
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    hf.BertModel(hf.BertConfig(**WORDS)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="BertModel encodes no images"):
        ImageEncoder(model=str(tmp_path)).encode(looked(images))
