"""Numbers in an utterance: years, decades, spans of time, and figures with a unit, in English and Chinese."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.dialogue.acts import Range
from components.dialogue.lexicon import Lexicon
from components.dialogue.vocabulary import Role

WORDS = {
    "twenties": 2,
    "thirties": 3,
    "forties": 4,
    "fifties": 5,
    "sixties": 6,
    "seventies": 7,
    "eighties": 8,
    "nineties": 9,
    "noughties": 0,
    "tens": 1,
}
HAN = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
FIGURES = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twenty": 20, "half an": 0.5}
YEAR = r"(?:18|19|20)\d\d"
PART = r"early|mid|late"
DECADE = (
    rf"(?:(?:(?P<part>{PART})[ -]+)?(?:the +)?(?:(?P<part2>{PART})[ -]+)?"
    rf"(?:(?P<long>(?:18|19|20)\d)0'?s|'?(?P<short>\d)0'?s|(?P<word>{'|'.join(WORDS)}))(?!\w))"
)
DECADE_HAN = (
    r"(?:(?:上世纪|二十世纪|20世纪)?(?P<han>(?:18|19|20)?\d0|[二三四五六七八九]十|零零|〇〇|一零)年代"
    r"(?P<hanpart>初期|初|中期|中|末期|末|后期)?)"
)
BEFORE = r"before|older than|earlier than|prior to|pre|until before"
AFTER = r"after|newer than|later than|more recent than|younger than|past|post"
FROM = r"(?:from|since|starting(?: from| in)?|as of)"
NOT_BEFORE = r"(?:not before|no older than|no earlier than|at least(?: from)?)"
YEARS = (  # what a year is bounded by, and how far from it the first and the last year are
    (rf"(?:{FROM} +(?:the year +)?)?(\b{YEAR}\b) *(?:or|and) +(?:later|newer|after|more recent|onwards?|up)", 0, None),
    (rf"(?:{FROM}|{NOT_BEFORE}) +(?:the year +)?(\b{YEAR}\b) +(?:onwards?|on)\b", 0, None),
    (rf"(?:since|as of|starting(?: from| in)?|{NOT_BEFORE}) +(?:the year +)?(\b{YEAR}\b)", 0, None),
    (rf"(\b{YEAR}\b) *(?:or|and) +(?:earlier|older|before)", None, 0),
    (rf"(?:up to|until|till|no later than|no newer than|at most) +(?:the year +)?(\b{YEAR}\b)", None, 0),
    (rf"(\b{YEAR}\b) +at the earliest", 0, None),
    (rf"(\b{YEAR}\b) +at the latest", None, 0),
    (rf"最早(?:也|得|要|是|在|不早于)*({YEAR}) *年?(?:的)?", 0, None),
    (rf"最晚(?:也|得|要|是|在|不晚于)*({YEAR}) *年?(?:的)?", None, 0),
    (rf"(?:{BEFORE})[ -]+(?:the year +)?(\b{YEAR}\b)", None, -1),
    (rf"(?:{AFTER})[ -]+(?:the year +)?(\b{YEAR}\b)", 1, None),
)
BETWEEN = re.compile(
    rf"(?:between +|from +|in +)?(?:the +)?(?P<a>{YEAR}) *(?:and|to|-|–|—|~|through|till|until|年?[到至]) *"
    rf"(?:the +)?(?P<b>{YEAR})(?: *年)?(?:之间|间)?"
)
AROUND = re.compile(rf"(?:around|about|circa|roughly) +(?P<y>{YEAR})|(?P<z>{YEAR}) *年?(?:左右|前后)")
HAN_YEAR = re.compile(
    rf"(?:比 *)?(?P<y>{YEAR}) *年?(?P<op>以后|之后|以来|后|起|以前|之前|前|或更早|及以前|或更晚|及以后|"
    r"(?:更|还|要)?[新晚](?:的|一点|一些)?|(?:更|还|要)?[老早旧](?:的|一点|一些)?)"
)
PLAIN = re.compile(
    rf"(?:(?:in|from|of|made in|released in|the year|year) +)?(?<!\d)(?P<y>{YEAR})(?:'s)?(?!\w|[’']?s\b)(?: *年(?:的|份)?)?"
    rf"|(?P<z>{YEAR}) *年(?:的|份)?"
)
LAST = re.compile(
    r"(?:in |from |of )?(?:the )?(?:last|past) (?P<n>\d{1,3}|two|three|five|ten|twenty) years"
    r"|(?:最近|近|过去)(?P<m>\d{1,3}|[一二两三四五六七八九十]{1,3})年(?:的|内)?"
)
DECADES = re.compile(
    rf"(?P<op>before|after|since|older than|newer than|until|up to|pre|post|in|from|of)?[ -]*{DECADE}"
    r"(?P<on> (?:or|and) (?:later|newer|earlier|older)| onwards?)?"
)
DECADES_HAN = re.compile(rf"{DECADE_HAN}(?P<op>以前|之前|前|以后|之后|后|以来)?(?:的)?")
FIGURE = (
    r"(?P<n>\d{1,9}(?:[.,]\d{1,6})?|half an|an|a|one|two|three|four|five|six|ten|twenty|[一二两三四五六七八九十]{1,3}|半)"
    r"(?P<half> *个?半| and a half)?"
)
LESS = (
    r"under|less than|below|at most|up to|no more than|not more than|no longer than|not longer than|shorter than|cheaper than|"
    r"maximum|max|within|fewer than|不超过|少于|不到|低于|短于|小于|最多|至多"
)
MORE = (
    r"over|more than|at least|above|longer than|no less than|not less than|no shorter than|minimum|min|pricier than|"
    r"超过|多于|不少于|高于|长于|大于|最少|至少"
)


@dataclass(frozen=True)
class Figure:
    """A number found: where, and the range it asks for; `missing` is the role of a number that the catalogue does not have."""

    start: int
    end: int
    range: Range | None = None
    missing: str = ""


def digits(text: str) -> str:
    """Write the years of a Chinese text in figures: 二〇一〇年 is 2010年, 两千年 is 2000年."""
    plain = re.sub(r"[两二]千(?=年)", "2000", text)
    return re.sub(r"[零〇一二三四五六七八九]{4}(?=年)", lambda match: "".join(str(HAN[letter]) for letter in match.group()), plain)


def figures(text: str, lexicon: Lexicon) -> list[Figure]:
    """Find the numbers of a text in small letters, from left to right, none within another."""
    found: list[Figure] = []
    for figure in [*_amounts(text, lexicon), *_times(text, lexicon)]:
        if all(figure.end <= other.start or figure.start >= other.end for other in found):
            found.append(figure)
    return sorted(found, key=lambda figure: figure.start)


def recent(lexicon: Lexicon, sign: str) -> Range | None:
    """What `new` and `old` mean in this catalogue: the last five years; what is thirty years old or more."""
    name = lexicon.number("time")
    if name is None:
        return None
    last = float(np.nanmax(lexicon.numbers[name]))
    return Range(name=name, low=last - 5) if sign == "recent" else Range(name=name, high=last - 30)


def _times(text: str, lexicon: Lexicon) -> Iterator[Figure]:
    name = lexicon.number("time")
    last = float(np.nanmax(lexicon.numbers[name])) if name else 2100.0
    for start, end, low, high in _spans(text, last):
        yield Figure(start, end, Range(name=name, low=low, high=high) if name else None, "" if name else "time")


def _spans(text: str, last: float) -> Iterator[tuple[int, int, float | None, float | None]]:
    """Spans of time: where, and the first and last year."""
    for match in BETWEEN.finditer(text):
        a, b = sorted((float(match["a"]), float(match["b"])))
        yield match.start(), match.end(), a, b
    for match in LAST.finditer(text):
        yield match.start(), match.end(), last - _figure(match["n"] or match["m"]) + 1, None
    for pattern, low, high in YEARS:
        for match in re.finditer(pattern, text):
            year = float(match[1])
            yield match.start(), match.end(), None if low is None else year + low, None if high is None else year + high
    for match in AROUND.finditer(text):
        year = float(match["y"] or match["z"])
        yield match.start(), match.end(), year - 2, year + 2
    for match in HAN_YEAR.finditer(text):
        yield match.start(), match.end(), *_bounded(float(match["y"]), float(match["y"]), match["op"])
    for match in DECADES.finditer(text):
        yield match.start(), match.end(), *_bounded(*_decade(match), (match["op"] or "") + (match["on"] or ""))
    for match in DECADES_HAN.finditer(text):
        yield match.start(), match.end(), *_bounded(*_han_decade(match), match["op"] or "")
    for match in PLAIN.finditer(text):
        year = float(match["y"] or match["z"])
        yield match.start(), match.end(), year, year


def _bounded(low: float, high: float, op: str) -> tuple[float | None, float | None]:
    """What a word makes of a span: before it, after it, from it on, up to it, or itself."""
    if re.search(r"since|later|newer$|onward|以来|起|更晚|及以后", op) and "than" not in op:
        return low, None
    if re.search(r"until|up to|earlier$|or older|and older|更早|及以前", op):
        return None, high
    if re.search(r"before|older|pre|前|老|早|旧", op):
        return None, low - 1
    if re.search(r"after|newer|post|后|新|晚", op):
        return high + 1, None
    return low, high


def _decade(match: re.Match[str]) -> tuple[float, float]:
    if match["long"]:
        start = float(match["long"]) * 10
    else:
        ten = int(match["short"]) if match["short"] else WORDS[match["word"]]
        start = (2000 if ten < 2 else 1900) + ten * 10
    return _part(start, match["part"] or match["part2"] or "")


def _han_decade(match: re.Match[str]) -> tuple[float, float]:
    said = match["han"]
    if said.isdigit() and len(said) == 4:
        start = float(said)
    else:
        ten = int(said[0]) if said.isdigit() else {"零零": 0, "〇〇": 0, "一零": 1}.get(said, HAN[said[0]])
        start = (2000 if ten < 2 else 1900) + ten * 10
    return _part(start, {"初": "early", "中": "mid", "末": "late", "后": "late"}.get((match["hanpart"] or " ")[0], ""))


def _part(start: float, part: str) -> tuple[float, float]:
    low, high = {"early": (0, 3), "mid": (3, 6), "late": (6, 9)}.get(part, (0, 9))
    return start + low, start + high


def _amounts(text: str, lexicon: Lexicon) -> Iterator[Figure]:
    for role in lexicon.words.roles.values():
        if role.units:
            for match in _pattern(role).finditer(text):
                yield _amount(match, role, lexicon.number(role.name))


def _pattern(role: Role) -> re.Pattern[str]:
    units = "|".join(sorted(map(re.escape, role.units), key=len, reverse=True))
    money = r"[$€£¥￥]" if role.name == "price" else r"(?!)"
    return re.compile(
        rf"(?:(?P<less>{LESS})|(?P<more>{MORE}))? *"
        rf"(?:(?P<sign>{money}) *(?P<sum>\d{{1,9}}(?:\.\d{{1,6}})?)|(?<![\d.a-z]){FIGURE}[ -]*(?P<unit>{units})(?P<half2> and a half)?)"
        r"(?: *(?:(?P<less2>以内|之内|以下|内|or less|or shorter|or under|at most)|(?P<more2>以上|or more|or longer|at least)))?"
    )


def _amount(match: re.Match[str], role: Role, name: str | None) -> Figure:
    if name is None:
        return Figure(match.start(), match.end(), missing=role.name)
    counted = 0.0 if match["sum"] else (_figure(match["n"]) + (0.5 if match["half"] or match["half2"] else 0)) * role.units[match["unit"]]
    value = float(match["sum"]) if match["sum"] else counted
    if match["less"] or match["less2"]:
        return Figure(match.start(), match.end(), Range(name=name, high=value))
    if match["more"] or match["more2"]:
        return Figure(match.start(), match.end(), Range(name=name, low=value))
    return Figure(match.start(), match.end(), Range(name=name, low=round(value * 0.9, 6), high=round(value * 1.1, 6)))


def _figure(word: str) -> float:
    if word in FIGURES:
        return float(FIGURES[word])
    if word == "半":
        return 0.5
    if word[0] in HAN:
        tens, ten, ones = word.partition("十")
        return float((HAN[tens] if tens else 1) * 10 + (HAN[ones] if ones else 0)) if ten else float(HAN[word[0]])
    return float(word.replace(",", "."))
