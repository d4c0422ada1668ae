"""The conversation in the terminal: one line in, recommendations with reasons out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.dialogue.conversation import Conversation
from components.dialogue.reply import Reply
from components.dialogue.state import State
from components.errors import RequestError

COMMANDS = {
    "en": "/undo [turn] takes back · /state shows what is remembered · /remove N forgets one of it · /new starts over · /en /zh · /quit",
    "zh": "/undo [轮次] 撤回 · /state 查看条件 · /remove N 去掉一个条件 · /new 重新开始 · /en /zh 切换语言 · /quit 退出",
}
GOODBYE = {"en": "Goodbye.", "zh": "再见。"}
NOTHING = {"en": "Nothing is remembered yet.", "zh": "还没有任何条件。"}
UNKNOWN = {"en": "There is no such command.", "zh": "没有这个命令。"}


@dataclass
class Chat:
    """One conversation in a terminal.

    Attributes:
        read: gives the next line, or raises EOFError or KeyboardInterrupt.
    """

    conversation: Conversation
    console: Console
    read: Callable[[str], str]
    state: State
    open: bool = field(default=True, init=False)

    def run(self) -> None:
        """Talk until /quit or the end of input."""
        wording = self.conversation.wording(self.state)
        self.say(wording.say("welcome"))
        self.console.print(COMMANDS[self.state.language], style="dim", markup=False)
        while self.open:
            try:
                line = self.read("> ")
            except (EOFError, KeyboardInterrupt):
                break
            self.take(line)
        self.say(GOODBYE[self.state.language])

    def take(self, line: str) -> None:
        """Answer one line; a wrong command is answered in words."""
        try:
            if line.strip().startswith("/"):
                self._command(*line.strip()[1:].split(maxsplit=1))
            else:
                self._show(self.conversation.turn(self.state, line))
        except RequestError as error:
            self.say(str(error))

    def say(self, text: str) -> None:
        """Print a line as it is."""
        if text:
            self.console.print(text, markup=False, highlight=False)

    def _command(self, name: str = "", rest: str = "") -> None:
        number = int(rest) if rest.isdecimal() else None
        match name:
            case "quit" | "exit" | "q":
                self.open = False
            case "undo":
                self._show(self.conversation.undo(self.state, number))
            case "state":
                self._remembered()
            case "remove":
                self._remove(number)
            case "new":
                self.state = self.state.restart()
                self.say(self.conversation.wording(self.state).say("restarted"))
            case "en" | "zh":
                self.state = self.state.but(language=name, fixed=True)
                self.say(self.conversation.wording(self.state).say("language"))
            case _:
                self.say(f"{UNKNOWN[self.state.language]} {COMMANDS[self.state.language]}")

    def _remembered(self) -> None:
        chips = self.conversation.words(self.state)
        for number, chip in enumerate(chips, 1):
            self.say(f"  {number}. {chip.words}")
        if not chips:
            self.say(NOTHING[self.state.language])

    def _remove(self, number: int | None) -> None:
        chips = self.conversation.words(self.state)
        if number is None or not 1 <= number <= len(chips):
            raise RequestError("/remove", f"give a number from 1 to {len(chips)}, as /state shows them")
        self._show(self.conversation.remove(self.state, chips[number - 1].id))

    def _show(self, reply: Reply) -> None:
        self.state = reply.state
        self.say(reply.text)
        if reply.items:
            table = Table(show_header=False, box=None, padding=(0, 1))
            for item in reply.items:
                table.add_row(f"{item.rank}.", f"[bold]{escape(self.conversation.lexicon.title(item.item_id))}[/bold]", escape(item.reason))
            self.console.print(table)
        if reply.question:
            self.say(reply.question.text)
        if reply.chips:
            self.console.print("  " + " · ".join(chip.words for chip in reply.chips), style="dim", markup=False, highlight=False)
        if reply.provider.startswith("fallback"):
            self.console.print(f"  {reply.provider}", style="dim", markup=False, highlight=False)


def converse(bundle: Path, user: str | None = None, language: str | None = None, read: Callable[[str], str] = input) -> None:
    """Talk in the terminal over a bundle; raises BundleError where there is none, RequestError for a wrong language."""
    conversation = Conversation.load(bundle)
    Chat(conversation, Console(), read, conversation.start(user, language)).run()
