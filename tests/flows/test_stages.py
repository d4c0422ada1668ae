import subprocess
import sys

import pytest

from components.errors import ConfigError
from flows import stages
from flows.stages import BusyError, StageError

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")  # dvc and its pygtrie


def test_order_follows_dvc_s_graph_not_the_file(inside):
    assert stages.order() == ["first", "second", "gate", "package"]


def test_equal_stages_come_in_the_file_s_order(inside):
    inside.declare({name: {"cmd": "true"} for name in ("zulu", "alpha", "mike")})
    assert stages.order() == ["zulu", "alpha", "mike"]


def test_order_leaves_out_other_files_stages(inside):
    inside.write("sub/dvc.yaml", "stages:\n  other:\n    cmd: 'true'\n")
    assert "other" not in stages.order()


@pytest.mark.parametrize("text", ["", "stages: 3", "stages: [", "other: {}"])
def test_a_broken_file_is_named(inside, text):
    inside.write("dvc.yaml", text)
    with pytest.raises(ConfigError, match=r"dvc\.yaml"):
        stages.declared()


def test_run_then_cached_and_every_line_is_told(inside):
    told = []
    assert stages.reproduce("first", 60, told.append) == "Ran"
    assert stages.reproduce("second", 60, told.append) == "Ran"
    assert "second works" in told
    assert stages.reproduce("second", 60, told.append) == "Cached"


def test_the_stage_s_own_words_are_the_error(inside):
    inside.write("second.sh", "echo at work\necho 'second: data/x.csv: column time is missing' >&2\nexit 2\n")
    stages.reproduce("first", 60, print)
    with pytest.raises(StageError, match=r"^second: data/x\.csv: column time is missing$"):
        stages.reproduce("second", 60, print)


def test_a_missing_dependency_is_dvc_s_word(inside):
    (inside.root / "in.txt").unlink()
    with pytest.raises(StageError, match=r"^first: .*in\.txt"):
        stages.reproduce("first", 60, print)


def test_the_limit_ends_a_stage(inside):
    inside.declare({"slow": {"cmd": "sleep 600"}})
    with pytest.raises(StageError, match=r"slow: ended after its time limit of 1\.5 s"):
        stages.reproduce("slow", 1.5, print)


def test_busy_is_retried_then_said(inside, until):
    inside.declare({"slow": {"cmd": "touch started && sleep 600 && touch slow.txt", "outs": ["slow.txt"]}})
    with stages.leashed(60, [sys.executable, "-m", "dvc", "repro", "slow"], subprocess.DEVNULL):
        until((inside.root / "started").exists)
        with pytest.raises(BusyError, match="slow: busy: another DVC process"):
            stages.reproduce("slow", 60, print, busy=1)


def test_busy_passes_when_the_other_ends(inside, until):
    inside.declare({"slow": {"cmd": "touch started && sleep 2 && touch slow.txt", "outs": ["slow.txt"]}})
    with stages.leashed(60, [sys.executable, "-m", "dvc", "repro", "slow"], subprocess.DEVNULL):
        until((inside.root / "started").exists)
        assert stages.reproduce("slow", 60, print) == "Cached"


def test_unchanged_is_what_neither_changed_nor_depends_on_what_did(inside):
    for name in stages.order():
        stages.reproduce(name, 60, print)
    assert stages.unchanged() == {"first", "second", "gate", "package"}
    inside.judge(passed=False)
    assert stages.unchanged() == {"first", "second"}
    (inside.root / "second.txt").unlink()
    assert stages.unchanged() == {"first"}
    inside.write("in.txt", "two\n")
    assert stages.unchanged() == set()


def test_configure_runs_first_where_dvc_yaml_needs_its_parameters(inside):
    configure = {"cmd": "echo 'a: {source: in.txt}' > params.yaml", "outs": [{"params.yaml": {"cache": False}}]}
    inside.declare({"configure": configure, "a": {"cmd": "cp ${a.source} a.txt", "deps": ["${a.source}"], "outs": ["a.txt"]}})
    with pytest.raises(ConfigError, match=r"a\.source"):
        stages.order()
    stages.prepare(60, print)
    assert stages.order() == ["configure", "a"]


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        (["> python x", "warming up", "ERROR: failed to reproduce 's': failed to run: x, exited with 1"], 255, "s: warming up"),
        (["s: two", "> x", "s: one", "  more", "ERROR: failed to run: x, exited with 2"], 255, "s: one\n  more"),
        (
            ["> x", "s: 3 of 5", "Traceback (most recent call last):", "  File", "KeyError: 'a'", "ERROR: failed to run: x, e"],
            255,
            "s: KeyError: 'a'",
        ),
        (
            ["ERROR: failed to reproduce 's': missing data 'source': in.txt"],
            255,
            "s: failed to reproduce 's': missing data 'source': in.txt",
        ),
        (["> x", "at work", "ERROR: failed to reproduce 's': failed to run: x, exited with -9"], 255, "s: killed from outside (signal 9)"),
        ([], 5, "s: failed with exit status 5 and no word"),
    ],
)
def test_last_words(lines, code, words):
    assert stages.last_words("s", lines, code).startswith(words)


def test_what_may_pass_is_tried_again(inside):
    fail = "{ echo 'second: Connection reset by peer' >&2; exit 2; }"
    inside.write("second.sh", f"echo tried >> tries\n[ $(wc -l < tries) = 3 ] || {fail}\ncp first.txt second.txt\n")
    told = []
    stages.reproduce("first", 60, told.append)
    assert stages.reproduce("second", 60, told.append, pause=0.1) == "Ran"
    again = [line for line in told if "; again in" in line]
    assert again == [f"second: Connection reset by peer; again in {wait} s" for wait in (0.1, 0.4)]


def test_what_does_not_pass_fails_after_three_tries(inside):
    inside.write("second.sh", "echo tried >> tries\nkill -9 $$\n")
    stages.reproduce("first", 60, print)
    with pytest.raises(StageError, match=r"second: killed from outside \(signal 9\)"):
        stages.reproduce("second", 60, print, pause=0.01)
    assert (inside.root / "tries").read_text().count("tried") == stages.TRIES


def test_what_will_not_pass_is_tried_once(inside):
    inside.write("second.sh", "echo tried >> tries\necho 'second: column time is missing' >&2\nexit 2\n")
    stages.reproduce("first", 60, print)
    with pytest.raises(StageError):
        stages.reproduce("second", 60, print, pause=60)
    assert (inside.root / "tries").read_text() == "tried\n"
