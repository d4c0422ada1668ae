"""API keys: made once, shown once, kept as hashes."""

import stat

import pytest

from components.errors import ConfigError
from serving import keys
from serving.keys import Ring, create, main, read, revoke


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


def test_a_key_is_shown_once_and_kept_as_a_hash(file, capsys):
    main(["--file", str(file), "create", "--scope", "read", "--scope", "feedback", "--rate", "5"])
    said = capsys.readouterr().out.strip()
    secret = said.split("_", 2)[2]
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = Ring(file).find(said)
    assert (found.scopes, found.rate) == (["feedback", "read"], 5.0)
    main(["--file", str(file), "list"])
    listed = capsys.readouterr().out
    assert found.name in listed
    assert secret not in listed


def test_what_is_no_key_finds_none(file):
    good = create(file, ["read"])
    ring = Ring(file)
    assert ring.find(good)
    name = good.split("_")[1]
    wrong = [
        "",
        "zj",
        "zj__",
        f"zj_{name}",
        f"zj_{name}_",
        good[:-1],
        good + "a",
        good.upper(),
        f"xx{good[2:]}",
        "zj_00000000_" + good.split("_", 2)[2],
    ]
    assert [said for said in wrong if ring.find(said)] == []


def test_a_revoked_key_is_refused_without_a_restart(file, monkeypatch):
    monkeypatch.setattr(keys, "LOOK", 0.0)
    first, second = create(file, ["read"]), create(file, ["admin"])
    ring = Ring(file)
    assert ring.find(first)
    assert ring.find(second)
    revoke(file, first.split("_")[1])
    assert ring.find(first) is None
    assert ring.find(second)
    third = create(file, ["read"])
    assert ring.find(third)
    file.unlink()
    assert ring.find(third) is None


def test_a_file_that_is_none_is_refused_by_name(file):
    for content in ("", "[]", '{"keys": [{}]}', '{"keys": [], "more": 1}'):
        file.write_text(content)
        with pytest.raises(ConfigError, match=r"keys\.json"):
            read(file)
        assert Ring(file).find("zj_00000000_a") is None


def test_an_unknown_key_or_scope_is_refused(file, capsys):
    create(file, ["read"])
    with pytest.raises(SystemExit, match="no key 'feed'"):
        main(["--file", str(file), "revoke", "feed"])
    with pytest.raises(SystemExit):
        main(["--file", str(file), "create", "--scope", "all"])
    assert "invalid choice" in capsys.readouterr().err
