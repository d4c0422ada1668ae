"""The conversation in the terminal, line by line."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from components.dialogue.conversation import Conversation
from flows import chat


def talk(conversation: Conversation, *lines: str, user: str | None = None, language: str | None = None) -> str:
    """What the terminal shows for some lines."""
    said, out = iter(lines), io.StringIO()

    def read(prompt: str) -> str:
        try:
            return next(said)
        except StopIteration:
            raise EOFError from None

    chat.Chat(conversation, Console(file=out, width=160), read, conversation.start(user, language)).run()
    return out.getvalue()


def test_lists_have_reasons_and_conditions_are_shown(conversation: Conversation) -> None:
    out = talk(conversation, "I liked “Horror film 0”, no comedy", "/quit", "never read")
    assert " 1. " in out
    assert "no Comedy" in out
    assert "never read" not in out
    assert out.rstrip().endswith("Goodbye.")


def test_commands(conversation: Conversation) -> None:
    out = talk(
        conversation,
        "/state",
        "a comedy",
        "no horror",
        "/state",
        "/remove 2",
        "/undo",
        "/undo 1",
        "/remove 9",
        "/undo 99",
        "/nonsense",
        "/",
        "/new",
        "/state",
    )
    assert "Nothing is remembered yet." in out
    assert "2. no Horror" in out
    assert "Dropped: no Horror" in out
    assert "Taken back: “Removed: no Horror.”" in out
    assert "/remove: give a number from 1 to" in out
    assert "turn: no turn 99" in out
    assert out.count("There is no such command.") == 2
    assert "We start over" in out


def test_the_language_is_switched(conversation: Conversation) -> None:
    out = talk(conversation, "/zh", "a comedy", "/en", "喜剧", language=None)
    assert "好的，接下来说中文。" in out
    assert "好的：喜剧" in out
    assert out.count("in English from now on") == 1


def test_the_end_of_input_ends_it(conversation: Conversation, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    chat.converse(bundle, language="zh", read=interrupt)
    assert capsys.readouterr().out.rstrip().endswith("再见。")


def test_markup_in_what_is_said_is_no_markup(conversation: Conversation) -> None:
    out = talk(conversation, "I liked [bold]nothing[/bold] [/x] “[red]”")
    assert "Goodbye" in out
