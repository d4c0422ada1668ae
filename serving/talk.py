"""Conversations and promotional texts: what a request says becomes one call of the conversation, and its reply an answer."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from components.errors import RequestError
from components.schema import Recommendation
from serving.live import Live
from serving.messages import ChatReply, ChatRequest, Copied, CopyRequest, ExplainRequest

if TYPE_CHECKING:
    from components.dialogue.conversation import Conversation
    from components.dialogue.reply import Reply
    from components.dialogue.shelf import Shelf
    from components.generation.messages import Text
    from components.recommend.session import Session


def chat(conversation: "Conversation", request: ChatRequest, session: "Session | None") -> ChatReply:
    """Take one turn; raises RequestError that names the field that is wrong."""
    from components.dialogue.shelf import Moment  # late: the process that only supervises needs no model
    from components.dialogue.state import State

    state = State.read(request.state) if request.state else conversation.start(request.user_id, request.language)
    if state.user != request.user_id:
        raise RequestError("user_id", "is not the user of this conversation; start a new one, without a state")
    now = Moment(request.at, session)
    if sum(part is not None for part in (request.utterance, request.remove, request.undo)) != 1:
        raise RequestError("utterance", "give one of utterance, remove and undo")
    if request.remove is not None:
        return _answer(conversation, conversation.remove(state, request.remove, now))
    if request.undo is not None:
        return _answer(conversation, conversation.undo(state, request.undo or None, now))
    return _answer(conversation, conversation.turn(state, request.utterance or "", now))


def pieces(reply: ChatReply) -> Iterator[str]:
    """The parts of a reply as server-sent events, in the order in which people read: text, each item, question, and the rest."""
    yield _event("text", {"text": reply.text})
    for item in reply.items:
        yield _event("item", item.model_dump(mode="json"))
    if reply.question:
        yield _event("question", reply.question.model_dump(mode="json"))
    yield _event("done", reply.model_dump(mode="json", exclude={"text", "items", "question"}))


def problem(error: RequestError) -> str:
    """What is wrong, as an event."""
    return _event("problem", {"error": str(error).removeprefix(f"{error.field}: "), "field": error.field})


def worded(live: Live, request: ExplainRequest, item: Recommendation) -> "Text":
    """The reason for an item in the words of the writer."""
    return _shelf(live).worded(item, request.user_id, request.language)


def copy(live: Live, request: CopyRequest, session: "Session | None") -> Copied:
    """Promote an item to a user, to who has a history, or to anyone."""
    history = request.history if request.user_id is None else None
    nobody = [] if request.user_id is None and history is None else history
    found = live.recommender.explain(request.item_id, request.user_id, nobody, session=session)
    text = _shelf(live).promoted(found.item, request.user_id, request.language, request.tone, request.length)
    return Copied(bundle=found.bundle, item_id=request.item_id, text=text)


def _shelf(live: Live) -> "Shelf":
    """What words reasons and texts, over the catalogue as it is now: the conversation may not know what was just added."""
    return replace(live.conversation.shelf, recommender=live.recommender)


def _answer(conversation: "Conversation", reply: "Reply") -> ChatReply:
    told = {name: getattr(reply, name) for name in ("text", "items", "question", "chips", "source", "provider")}
    return ChatReply(bundle=conversation.recommender.bundle, state=reply.state.write(), **told)


def _event(name: str, said: object) -> str:
    return f"event: {name}\ndata: {json.dumps(said, ensure_ascii=False)}\n\n"
