"""Write docs/dialogue-en.md and docs/dialogue-zh.md: conversations as the programme leads them over a bundle.

python -m benchmarks.transcripts [--bundle artifacts/bundle] [--out docs]
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from components import artifacts
from components.dialogue.conversation import Conversation
from components.dialogue.reply import Reply
from components.dialogue.shelf import Moment
from components.dialogue.state import State

USER = "u00056"
AT = datetime(2013, 9, 16, tzinfo=UTC)  # when the embedded ratings end: the documents do not change with the day
TALKS = {
    "en": {
        "A new user": [
            "hi",
            "I'm in the mood for a comedy from the 90s, but nothing romantic",
            "I liked The Big Lebowski and Fargo",
            "why the second?",
            "something newer, and the 90s are not a must",
            "any year",
            "romance is fine after all",
            "undo",
            "compare the first and the third",
            "I liked Batman too",
            "the 1989 one",
            "I'll take the first",
        ],
        "A user with a history": [
            "what should I watch tonight?",
            "no horror please, and I've seen the second one",
            "something like The Dark Knight but older",
            "with Tom Hanks",
            "anything but war films",
            "a bit shorter",
            "why the first?",
            "horror is ok again",
            "undo",
            "more",
            "none of these, make it a western musical from the 2000s",
            "yes",
            "what do you remember?",
            "thanks, bye",
        ],
    },
    "zh": {
        "新用户": [
            "你好",
            "想看九十年代的科幻片，不要恐怖的",
            "我喜欢《Blade Runner》和《Alien》",
            "为什么推荐第二个？",
            "新一点的",
            "不限年代",
            "恐怖片也可以",
            "撤销",
            "比较第一个和第三个",
            "我也喜欢《Batman》",
            "老的那部",
            "就看第一个",
        ],
        "老用户": [
            "今晚看什么好？",
            "不要恐怖片，第二个我看过了",
            "像《The Dark Knight》那样但是老一点的",
            "Tom Hanks主演的",
            "除了战争片都行",
            "短一点的",
            "为什么推荐第一个",
            "恐怖片可以了",
            "撤回",
            "换一批",
            "都不喜欢，来一部两千年以后的西部歌舞片",
            "好的",
            "你记得什么",
            "谢谢，再见",
        ],
    },
}
WORDS = {
    "en": (
        "Conversations",
        "Written by `python -m benchmarks.transcripts` over bundle {bundle}; no language model takes part. What was typed is quoted; "
        "below each answer stands what is remembered, each a condition that can be removed.",
        "remembered",
    ),
    "zh": (
        "对话实录",
        "由 `python -m benchmarks.transcripts` 在模型包 {bundle} 上生成，没有大语言模型参与。"
        "引用是用户输入；每个回答下面是记住的条件，每一条都可以去掉。",
        "记住的条件",
    ),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bundle", type=Path, default=Path("artifacts/bundle"))
    options.add_argument("--out", type=Path, default=Path("docs"))
    given = options.parse_args()
    conversation = Conversation.load(given.bundle)
    for language, talks in TALKS.items():
        title, about, _ = WORDS[language]
        parts = [f"# {title}", about.format(bundle=f"`{conversation.recommender.bundle}`")]
        for number, (who, lines) in enumerate(talks.items()):
            parts += [f"## {who}", *transcript(conversation, conversation.start(USER if number else None, language), lines)]
        artifacts.write_text(given.out / f"dialogue-{language}.md", "\n\n".join(parts) + "\n")


def transcript(conversation: Conversation, state: State, lines: list[str]) -> list[str]:
    """What is said in one conversation, as Markdown."""
    parts: list[str] = []
    for line in lines:
        reply = conversation.turn(State.read(state.write()), line, Moment(AT))
        state = reply.state
        parts += [f"> {line}", *answer(conversation, reply)]
    return parts


def answer(conversation: Conversation, reply: Reply) -> list[str]:
    """One reply, as Markdown."""
    parts = [reply.text] if reply.text else []
    if reply.items:
        parts.append("\n".join(f"{item.rank}. **{conversation.lexicon.title(item.item_id)}**: {item.reason}" for item in reply.items))
    if reply.question:
        parts.append(reply.question.text)
    if reply.chips:
        name = WORDS[reply.state.language][2]
        parts.append(f"<sub>{name}: {' · '.join(chip.words for chip in reply.chips)}</sub>")
    return parts


if __name__ == "__main__":
    main()
