"""Which modules and pins a piece of code needs."""

import re

import pytest

from components.delivery.closure import closure, pins
from components.errors import DataError


@pytest.fixture
def tree(tmp_path):
    files = {
        "shop/__init__.py": "",
        "shop/till.py": "import json\nfrom shop import coins\nimport numpy as np\n",
        "shop/coins.py": "def late():\n    from shop.bank.vault import key\n    import yaml\n",
        "shop/bank/__init__.py": "import polars.selectors\n",
        "shop/bank/vault.py": "from shop import till\nkey = 1\n",
        "shop/unused.py": "import torch\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_wherever_they_stand(tree):
    found = closure(tree, ["shop.till"])
    assert [str(path) for path in found.files] == [
        "shop/__init__.py",
        "shop/bank/__init__.py",
        "shop/bank/vault.py",
        "shop/coins.py",
        "shop/till.py",
    ]
    assert found.outside == ["numpy", "polars", "yaml"]


def test_pins_name_all_that_is_required(tmp_path):
    (tmp_path / "constraints.txt").write_text(
        "# pinned\nPyYAML==6.0.3\nhttpx==0.28.1\nanyio==4.16.0\ncertifi==1\nhttpcore==1\nidna==3\nh11==0.16.0\ntyping_extensions==4\n"
    )
    assert pins(["yaml"], tmp_path / "constraints.txt") == ["PyYAML==6.0.3"]
    assert {re.split("==", line)[0] for line in pins(["httpx"], tmp_path / "constraints.txt")} >= {
        "httpx",
        "anyio",
        "certifi",
        "httpcore",
        "idna",
        "h11",
    }


def test_what_has_no_pin_is_named(tmp_path):
    (tmp_path / "constraints.txt").write_text("httpx==0.28.1\n")
    with pytest.raises(DataError, match=r"no pin for anyio, certifi"):
        pins(["httpx"], tmp_path / "constraints.txt")


def test_what_is_not_installed_is_named(tmp_path):
    (tmp_path / "constraints.txt").write_text("")
    with pytest.raises(DataError, match=r"not installed: no_such_thing"):
        pins(["no_such_thing"], tmp_path / "constraints.txt")
