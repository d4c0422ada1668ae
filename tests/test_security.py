"""SECURITY.md: each promise names a test that there is."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOLD = (ROOT / "SECURITY.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", TOLD)
WATCHED = """
import json, sys
from pathlib import Path
from components.dialogue.conversation import Conversation

folder = Path(sys.argv[1])
seen = []
forbidden = ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
Conversation.load(folder)  # what libraries do when they are first used is theirs
def watch(event, arguments):
    if event in forbidden:
        seen.append([event, repr(arguments)[:200]])
sys.addaudithook(watch)
talk = Conversation.load(folder)
known = talk.recommender
known.recommend(next(iter(known.users)))
known.search("a quiet drama")
known.similar(known.items[0])
talk.turn(talk.start(), "a comedy from the 90s, not " + known.catalogue.titles[0])
quiet = list(seen)
import pickle, socket
pickle.loads(pickle.dumps(Path("x")))
socket.socket().connect_ex(("127.0.0.1", 9))
print(json.dumps([quiet, seen]))
"""


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_a_promise_names_a_test_that_there_is(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in functions
    asserts = [node for node in ast.walk(functions[name]) if isinstance(node, ast.Assert | ast.With | ast.Call)]
    assert asserts, "a test that tests nothing"


def test_every_promise_has_a_test() -> None:
    promised = TOLD.partition("### Who may do what")[2].partition("## Not yet")[0]
    lines = [line for line in promised.splitlines() if line.startswith("- ")]
    assert len(lines) > 50
    assert [line for line in lines if not re.search(r"`[\w/]+\.py::test_\w+`$", line)] == []


def test_nothing_is_unpickled_and_nobody_called_while_a_bundle_answers(bundle: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", WATCHED, str(bundle)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    quiet, provoked = json.loads(ended.stdout.splitlines()[-1])
    assert quiet == []
    assert {event for event, _ in provoked} == {"pickle.find_class", "socket.connect"}, "the hook sees what it should"
