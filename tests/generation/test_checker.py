"""No sentence is shown that says what its facts do not."""

import pytest

from components.generation.checker import faults, text
from components.generation.messages import Claim, Task
from components.generation.planner import reasons
from components.generation.wording import LanguageCode
from tests.generation.sheets import western

SHEET = western(slots=["Western"])
IDS = {(fact.subject, fact.relation, fact.object): fact.fact_id for fact in SHEET.facts}
SEEN = IDS["you", "seen", "Gran Torino"]
OTHER = IDS["you", "seen", "The Conversation"]
THEIRS = IDS["Gran Torino", "directed by", "Clint Eastwood"]
OWN = IDS["Unforgiven", "directed by", "Clint Eastwood"]
ACTS = IDS["Unforgiven", "stars", "Gene Hackman"]
ACTED = IDS["The Conversation", "stars", "Gene Hackman"]


def task(code: LanguageCode = "en") -> Task:
    return Task(SHEET, reasons(SHEET, "long"), "reason", code, "plain", "long")


def check(written: str, *ids: str, code: LanguageCode = "en") -> list[str]:
    return faults(task(code), [Claim(text=written, fact_ids=list(ids))])


@pytest.mark.parametrize(
    ("written", "ids"),
    [
        (f"like {{{SEEN}.object}}, it is directed by {{{OWN}.object}}", (SEEN, THEIRS, OWN)),
        (f"{{{OWN}.object}} directed it, and {{{SEEN}.object}} as well", (SEEN, THEIRS, OWN)),
        (f"it stars {{{ACTS}.object}}, as in {{{OTHER}.object}} from your history", (OTHER, ACTED, ACTS)),
        ("see {item} today", ()),
    ],
)
def test_true_sentences_pass(written: str, ids: tuple[str, ...]) -> None:
    assert not check(written, *ids)


@pytest.mark.parametrize(
    ("written", "ids", "fault"),
    [
        ("it is directed by Sofia Coppola", (OWN,), "no fact says"),
        (f"it is directed by {{{OWN}.object}}", ("f99",), "not on the sheet"),
        (f"it is directed by {{{OWN}.object}}", (SEEN, THEIRS), "does not cite"),
        (f"it stars {{{OWN}.object}}", (OWN, THEIRS, SEEN), "says stars"),
        (f"it is directed by {{{SEEN}.object}}, like {{{OWN}.object}}", (OWN, THEIRS, SEEN), "says directed"),
        (f"the director of it is {{{SEEN}.object}}", (OWN, THEIRS, SEEN), "says director"),
        (f"like {{{OTHER}.object}}, it is directed by {{{OWN}.object}}", (OTHER, OWN), "several points"),
        (f"like {{{SEEN}.object}}, it is directed by {{{OWN}.object}}", (SEEN, OWN), "no fact joins"),
        (f"like {{{SEEN}.object}}, it is directed by {{{THEIRS}.object}}", (SEEN, THEIRS), "no fact joins"),
        (f"the best film that {{{OWN}.object}} directed", (OWN, THEIRS, SEEN), "may not: best"),
        (f"directed by {{{OWN}.object}} in 1992", (OWN, THEIRS, SEEN), "number"),
        (f"directed by {{{OWN}.object}} ① times", (OWN, THEIRS, SEEN), "number"),
        (f"guaranteed: directed by {{{OWN}.object}}", (OWN, THEIRS, SEEN), "guaranteed"),
        (f"it is directed by {{{OWN}.object}} {{x}}", (OWN, THEIRS, SEEN), "placeholder"),
        (f"it is directed by {{{OWN}.object}} http://x", (OWN, THEIRS, SEEN), "http"),
        (f"it is directed by {{{OWN}.object}} <b>", (OWN, THEIRS, SEEN), "no fact says"),
        (f"it is not directed by {{{OWN}.object}}", (OWN, THEIRS, SEEN), "no fact says: not"),
        (f"与{{{SEEN}.object}}一样", (SEEN, THEIRS, OWN), "no fact says"),
        ("it stars you", (), "says stars"),
        ("because it is in your history", (), "history without"),
        ("popular with others lately", (), "others without"),
        (" , ", (), "says nothing"),
    ],
)
def test_false_sentences_do_not(written: str, ids: tuple[str, ...], fault: str) -> None:
    found = check(written, *ids)
    assert any(fault in each for each in found), found


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (f"它由{{{OWN}.object}}执导，堪称影史最佳", "最"),
        (f"它由{{{OWN}.object}}执导，值得全家观赏", "no fact says"),
        (f"它有{{{OWN}.object}}出演", "says 出演"),
        (f"由{{{OWN}.object}}执导的第三部作品", "number"),
        (f"it is directed by {{{OWN}.object}}", "no fact says"),
        (f"限时：它由{{{OWN}.object}}执导", "限时"),
    ],
)
def test_false_sentences_in_chinese_do_not(written: str, fault: str) -> None:
    found = check(written, SEEN, THEIRS, OWN, code="zh")
    assert any(fault in each for each in found), found


def test_nothing_and_too_much_are_refused() -> None:
    assert faults(task(), []) == ["nothing was said"]
    claim = Claim(text=f"it is directed by {{{OWN}.object}}", fact_ids=[OWN, THEIRS, SEEN])
    assert faults(task(), [claim] * 7) == ["more sentences than points"]
    short = Task(SHEET, task().points, "reason", "en", "plain", "short")
    wordy = Claim(text=f"{'so ' * 90}it is directed by {{{OWN}.object}}", fact_ids=[OWN, THEIRS, SEEN])
    assert faults(short, [wordy]) == ["too long"]


def test_names_are_not_looked_through_again() -> None:
    sheet = western(slots=["{f1.object} {item}"])
    task = Task(sheet, reasons(sheet, "short"), "reason", "en", "plain", "short")
    assert "{" not in text(task, [Claim(text="{f1.object}", fact_ids=["f1"])])
