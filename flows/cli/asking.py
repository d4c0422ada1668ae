"""Verbs that ask a bundle, without a service."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.terminal import Bundle, Json, note, show
from flows.settings import BUNDLE

if TYPE_CHECKING:
    from pydantic import BaseModel

    from components.schema import Filters

User = Annotated[str | None, typer.Option("--user", "-u", help="A user's id.")]
History = Annotated[str | None, typer.Option("--history", help="Item ids, oldest first, with commas between.")]
Many = Annotated[int, typer.Option("-k", help="How many.")]
Profile = Annotated[str | None, typer.Option(help="What the user says of himself, in words.")]
Category = Annotated[list[str] | None, typer.Option(help="Only items of this category; may be repeated.")]

New = Annotated[bool, typer.Option("--new", help="Only items that nobody had chosen when the bundle was made.")]


def recommend(
    *,
    user: User = None,
    history: History = None,
    profile: Profile = None,
    k: Many = 10,
    category: Category = None,
    new: New = False,
    bundle: Bundle = None,
    json: Json = False,
) -> None:
    """Recommend items to a user, or to anyone with a history or a profile in words."""
    from components.recommend import Recommender
    from flows import tables

    known = Recommender.load(bundle or BUNDLE)
    fresh = [item for item, count in zip(known.items, known.counts, strict=True) if not count] if new else None
    if fresh == []:
        note("every item of this bundle has been chosen by somebody: none is new")
    found = known.recommend(user=user, history=_ids(history), k=k, filters=_filters(category, fresh), profile=profile)
    if json:
        print(found.model_dump_json(indent=2))
        return
    if found.unknown:
        note(f"not known to this bundle: {', '.join(found.unknown)}")
    if found.source == "popularity":
        note("nothing is known of this user's taste: these are the most popular items")
    show(tables.answer(found))


def similar(
    of: Annotated[str, typer.Argument(metavar="ID", help="An item's id, or with --user a user's.")],
    *,
    user: Annotated[bool, typer.Option("--user", "-u", help="The id is a user's.")] = False,
    users: Annotated[bool, typer.Option("--users", help="Find users, not items.")] = False,
    by: Annotated[str, typer.Option(help="content, behaviour or both.")] = "both",
    k: Many = 10,
    bundle: Bundle = None,
    json: Json = False,
) -> None:
    """Find items, or users, like an item or a user."""
    from components.recommend import Recommender
    from flows import tables

    known, asked = Recommender.load(bundle or BUNDLE), (None if user else of, k, by, of if user else None)
    found = known.peers(*asked) if users else known.similar(*asked)
    if json:
        print(_json(found))
    else:
        show(tables.neighbours(found))


def find(
    query: Annotated[str, typer.Argument(help='A title, or words such as "space adventure for children".')],
    k: Many = 10,
    category: Category = None,
    bundle: Bundle = None,
    json: Json = False,
) -> None:
    """Find items by title or description."""
    from components.recommend import Recommender
    from flows import tables

    found = Recommender.load(bundle or BUNDLE).search(query, k, _filters(category))
    if json:
        print(_json(found))
    else:
        show(tables.neighbours(found))


def explain(
    item: Annotated[str, typer.Option("--item", "-i", help="An item's id.")],
    user: User = None,
    history: History = None,
    bundle: Bundle = None,
    json: Json = False,
) -> None:
    """Explain an item's score: reason, parts, attention, paths."""
    from components.recommend import Recommender
    from flows import tables

    found = Recommender.load(bundle or BUNDLE).explain(user=user, history=_ids(history), item=item)
    if json:
        print(found.model_dump_json(indent=2))
        return
    note(f"{found.item.title} ({found.item.item_id}), rank {found.item.rank}, score {found.item.score:.4f}")
    note(found.item.reason)
    for table in tables.evidence(found):
        show(table)


def batch_recommend(
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file to write.", resolve_path=True)],
    k: Many = 10,
    bundle: Bundle = None,
) -> None:
    """Recommend to all users of a bundle, into one Parquet file."""
    from components.recommend import Recommender
    from flows import batch

    known = Recommender.load(bundle or BUNDLE)
    note(f"{batch.write(known, out, k)} recommendations to {len(known.users)} users: {out}")


def chat(
    user: User = None,
    language: Annotated[str | None, typer.Option(help="en or zh; the conversation follows you when it is not given.")] = None,
    bundle: Bundle = None,
) -> None:
    """Talk about what you would like, in your own words."""
    from flows import chat

    chat.converse(bundle or BUNDLE, user, language)


def _ids(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _filters(category: list[str] | None, items: list[str] | None = None) -> "Filters":
    from components.schema import Filters

    return Filters(include={"category": category} if category else {}, items=items)


def _json(found: "Sequence[BaseModel]") -> str:
    return "[" + ",\n ".join(each.model_dump_json() for each in found) + "]"
