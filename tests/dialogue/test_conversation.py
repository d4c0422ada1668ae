"""Conversations over a bundle: what is shown obeys, what is asked is answered, and any turn can be undone."""

from collections.abc import Iterator

import numpy as np
import pytest

from components.dialogue.acts import Act, Entity
from components.dialogue.conversation import Conversation
from components.dialogue.reply import Reply
from components.dialogue.state import State
from components.errors import RequestError


class Talk:
    """Says things one after another, through JSON as a client would."""

    def __init__(self, conversation: Conversation, user: str | None = None, language: str | None = None) -> None:
        self.conversation = conversation
        self.state = conversation.start(user, language)

    def __call__(self, text: str) -> Reply:
        reply = self.conversation.turn(State.read(self.state.write()), text)
        self.state = reply.state
        return reply

    def genres(self, reply: Reply) -> set[str]:
        index = self.conversation.lexicon.catalogue.index
        return {fact[1] for item in reply.items for fact in self.conversation.lexicon.has[index[item.item_id]] if fact[0] == "genre"}

    def years(self, reply: Reply) -> list[float]:
        index = self.conversation.lexicon.catalogue.index
        return [float(self.conversation.lexicon.numbers["year"][index[item.item_id]]) for item in reply.items]


@pytest.fixture
def talk(conversation: Conversation) -> Talk:
    return Talk(conversation)


def words(reply: Reply) -> list[str]:
    return [chip.words for chip in reply.chips]


def test_a_negation_holds_until_it_is_lifted(talk: Talk) -> None:
    assert "Horror" not in talk.genres(talk("no horror"))
    for text in ("I liked “Comedy film 1”", "newer", "more", "hello", "older than 2030", "recommend something"):
        assert "Horror" not in talk.genres(talk(text))
        assert "no Horror" in words(talk("what do you know"))
    lifted = talk("horror is fine")
    assert "no Horror" not in words(lifted)
    talk("start over")
    assert talk.genres(talk("horror please")) == {"Horror"}


def test_conditions_add_up_and_are_shown(talk: Talk) -> None:
    talk("a comedy")
    reply = talk("from after 2000")
    assert talk.genres(reply) == {"Comedy"}
    assert min(talk.years(reply)) > 2000
    assert words(reply) == ["Comedy", "2001 or later"]
    assert talk.genres(talk("a drama instead")) == {"Drama"}


def test_an_answer_leads_and_closes_nothing(talk: Talk) -> None:
    talk("recommend something")
    assert talk.state.question is not None
    option, lexicon = talk.state.question.entities[0], talk.conversation.lexicon
    reply = talk(option.value)
    assert words(reply) == [f"{option.value} first"]
    assert lexicon.mask([option])[lexicon.catalogue.index[reply.items[0].item_id]]
    assert talk.conversation.constraints.mask(talk.state.slots).all()


def test_a_critique_is_relative_to_what_was_shown(talk: Talk) -> None:
    shown = talk.years(talk("a comedy"))
    newer = talk("newer")
    assert min(talk.years(newer)) > np.median(shown)
    assert any("or later" in each for each in words(newer))


def test_liked_items_count_as_history_and_are_not_shown_again(talk: Talk) -> None:
    assert talk("show me something").source == "popularity"
    reply = talk("I liked “Horror film 0”")
    assert reply.source == "hybrid"
    assert "i000" not in [item.item_id for item in reply.items]
    assert all(item.reason for item in reply.items)


def test_a_known_user_has_a_history_and_what_is_liked_comes_on_top(conversation: Conversation) -> None:
    known, stranger = Talk(conversation, "u000"), Talk(conversation, "nobody")
    assert known("recommend something").source == "hybrid"
    assert stranger("recommend something").source == "popularity"
    before = [item.item_id for item in known("recommend something").items]
    after = [item.item_id for item in known("I liked “Comedy film 1”").items]
    assert before != after
    assert "i001" not in after


def test_more_shows_others(talk: Talk) -> None:
    first = {item.item_id for item in talk("a comedy").items}
    second = {item.item_id for item in talk("more").items}
    third = {item.item_id for item in talk("more").items}
    assert first
    assert second
    assert not first & second
    assert not third & (first | second)


def test_rejected_and_seen_items_do_not_come_back(talk: Talk) -> None:
    first = [item.item_id for item in talk("a comedy").items]
    left = [item.item_id for item in talk("not the first one").items]
    assert first[0] not in left
    assert left[1] not in [item.item_id for item in talk("I've seen the second").items]


def test_what_is_chosen_is_confirmed(talk: Talk) -> None:
    shown = talk("a comedy").items
    reply = talk("I'll take the second")
    assert shown[1].title in reply.text
    assert not reply.items
    assert "taken" not in reply.text


def test_nothing_left_is_said_and_the_way_out_works(talk: Talk) -> None:
    talk("a comedy")
    reply = talk("and horror")
    assert not reply.items
    assert reply.question is not None
    assert reply.question.kind == "relax"
    assert "Comedy" in reply.text
    assert "Horror" in reply.text
    out = talk("yes")
    assert len(out.items) > 0
    talk("start over")
    talk("a comedy")
    talk("and horror")
    assert not talk("no").items


def test_why_and_compare_speak_of_what_was_shown(talk: Talk) -> None:
    shown = talk("a comedy").items
    why = talk("why the second?")
    assert shown[1].title in why.text
    assert not why.items
    compared = talk("compare the first and the second")
    assert shown[0].title in compared.text
    assert "Comedy" in compared.text
    assert Talk(talk.conversation)("why?").text
    closed = talk("why not “Horror film 0”?")
    assert "Comedy" in closed.text


def test_undo_restores_what_was_shown(talk: Talk) -> None:
    first = talk("a comedy")
    talk("after 2010")
    back = talk("undo")
    assert words(back) == words(first)
    assert [item.item_id for item in back.items] == [item.item_id for item in first.items]
    assert talk("undo").chips == []
    assert "nothing" in talk("undo").text.lower()


def test_any_turn_can_be_undone_and_any_chip_removed(conversation: Conversation) -> None:
    talk = Talk(conversation)
    talk("a comedy")
    reply = talk("no horror")
    assert words(conversation.undo(reply.state, 1)) == ["no Horror"]
    chip = next(chip for chip in reply.chips if chip.words == "no Horror")
    removed = conversation.remove(reply.state, chip.id)
    assert words(removed) == ["Comedy"]
    assert "no Horror" in removed.text
    with pytest.raises(RequestError, match="chip"):
        conversation.remove(reply.state, "never-000")
    with pytest.raises(RequestError, match="turn"):
        conversation.undo(reply.state, 17)


def test_a_question_is_asked_when_it_tells_much_and_its_answer_is_understood(talk: Talk) -> None:
    reply = talk("recommend something")
    assert reply.question is not None
    assert reply.question.kind == "facet"
    assert len(reply.question.options) > 1
    answered = talk(reply.question.options[0])
    assert len(answered.chips) == 1
    assert all(talk.conversation.constraints.broken(answered.state.slots, item.item_id) == [] for item in answered.items)


def test_no_preference_is_respected(talk: Talk) -> None:
    asked = talk("recommend something").question
    reply = talk("I don't care")
    assert reply.chips == []
    assert reply.items
    assert reply.question is None or asked is None or reply.question.text != asked.text


def test_the_language_follows_the_user_and_can_be_chosen(talk: Talk) -> None:
    assert "喜剧" in words(talk("想看喜剧"))
    assert "Comedy" in words(talk("something newer please"))
    talk("说中文")
    assert "喜剧" in words(talk("something newer please"))
    assert Talk(talk.conversation, language="zh")("hello").text.startswith("你好")
    with pytest.raises(RequestError, match="language"):
        talk.conversation.start(language="fr")


def test_the_same_words_give_the_same_reply(conversation: Conversation) -> None:
    first, second = Talk(conversation), Talk(conversation)
    for text in ("a comedy", "no horror", "newer", "why?"):
        assert first(text) == second(text)


def test_small_talk_changes_nothing(talk: Talk) -> None:
    talk("a comedy")
    for text in ("hello", "thanks", "who are you", "how are you", "you idiot", "help", "???", "", "   "):
        reply = talk(text)
        assert words(reply) == ["Comedy"]
        assert reply.text
        assert not reply.items


@pytest.fixture(scope="module")
def entities(conversation: Conversation) -> list[Entity]:
    return [Entity(kind="genre", value=value) for value in conversation.lexicon.kinds["genre"]]


def walks(seed: int, count: int) -> Iterator[str]:
    """Random utterances that add and lift conditions."""
    draw = np.random.default_rng(seed)
    refine = ["no {g}", "{g} is fine", "a {g} film", "{g} or drama", "newer", "older", "before {y}", "since {y}", "nothing from the {d}s"]
    judge = ["more", "not the first", "I liked the second", "I hate the third", "anything but {g}", "any year", "any genre"]
    texts = [*refine, *judge, "undo", "yes", "no", "start over", "surprise me"]
    for _ in range(count):
        genre, year = draw.choice(["horror", "comedy", "drama"]), int(draw.integers(1980, 2040))
        yield str(draw.choice(texts)).format(g=genre, y=year, d=year // 10 * 10)


def test_nothing_shown_breaks_a_condition_on_a_hundred_random_turns(conversation: Conversation) -> None:
    talk, shown = Talk(conversation), 0
    for text in walks(7, 100):
        reply = talk(text)
        shown += len(reply.items)
        for item in reply.items:
            assert conversation.constraints.broken(reply.state.slots, item.item_id, reply.state.passed) == [], text
    assert shown > 100


def test_what_the_ranker_lets_through_is_caught_at_the_end(conversation: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = np.ones(len(conversation.recommender.items), dtype=bool)
    monkeypatch.setattr(type(conversation.constraints), "mask", lambda *_: everything)
    state = conversation.start()
    reply = conversation.act(state, (Act(kind="never", entities=(Entity(kind="genre", value="Horror"),)),))
    index = conversation.lexicon.catalogue.index
    assert all(("genre", "Horror", "") not in conversation.lexicon.has[index[item.item_id]] for item in reply.items)


def test_a_state_of_another_bundle_loses_only_what_is_gone(conversation: Conversation) -> None:
    gone = Act(kind="judge", items=("i999",), how="liked")
    kept = Act(kind="must", entities=(Entity(kind="genre", value="Comedy"),))
    state = conversation.act(conversation.start(), (kept,)).state
    older = state.but(bundle="older", turns=tuple(turn.but(acts=(*turn.acts, gone)) for turn in state.turns))
    assert words(conversation.turn(older, "newer than 1990"))[0] == "Comedy"
    with pytest.raises(RequestError, match=r"state.turns.0.acts.1.items"):
        conversation.turn(older.but(bundle=conversation.recommender.bundle), "more")
