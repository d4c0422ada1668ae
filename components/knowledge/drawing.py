"""A drawing of the graph around one recommendation: the paths that lead to it, from left to right, as SVG."""

import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from components.schema import Edge, Path

WIDTH, ROW, MARGIN = 720, 44, 12
BOX, HEIGHT = 132, 26  # of a name
AT = 0.3  # along an edge, where lines that meet in one name are still apart, its label stands
LONG, SHORT = 18, 16  # characters of a name and of a relation that have room
TEXT = 'text-anchor="middle" fill="currentColor" stroke="none"'
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML
Spot = tuple[int, str]  # column, name


def walk(source: str, edges: Sequence[Edge]) -> list[str]:
    """The names along a path, from its source on; each edge is gone through from the end that the one before it leads to."""
    names = [source]
    for edge in edges:
        names.append(edge.tail if edge.head == names[-1] else edge.head)
    return names


def draw(title: str, paths: Sequence[Path]) -> str:
    """Draw the paths to the item of this title; an empty text where there are none.

    The colour is that of the text around it, for light and dark pages; what is drawn is also said in words, in `title`,
    `desc` and the label for screen readers. Neither script, link nor style sheet, and no id, so that a page may hold many.
    """
    if not paths:
        return ""
    columns = max(len(path.edges) for path in paths)
    chains = [_spots(path, columns) for path in paths]
    spots = _places(chains, columns)
    height = 2 * MARGIN + ROW * max(sum(column == spot[0] for spot in spots) for column in range(columns + 1))
    heaviest = max(path.weight for path in paths) or 1.0
    lines: dict[tuple[Spot, Spot], dict[int, str]] = {}
    for path, chain in zip(paths, chains, strict=True):
        for edge, (start, end) in zip(path.edges, pairwise(chain), strict=True):
            beside = lines.setdefault((start, end), {})
            if edge.edge_id not in beside:
                beside[edge.edge_id] = _line(edge, start, spots[start], spots[end], (path.weight / heaviest, len(beside)))
    boxes = [_box(name, *spots[column, name], strong=column in (0, columns)) for column, name in spots]
    drawn = [line for beside in lines.values() for line in beside.values()]
    words = _text("; ".join(_said(path) for path in paths))
    head = _text(f"Why {title}: paths in the knowledge graph")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{head}" '
        f'fill="none" stroke="currentColor" font-family="system-ui, sans-serif" font-size="11">'
        f"<title>{head}</title><desc>{words}</desc>{''.join([*drawn, *boxes])}</svg>"
    )


def _spots(path: Path, columns: int) -> list[Spot]:
    """The places of a path: its source in the first column, the recommended item in the last."""
    names = walk(path.source, path.edges)
    return [*((place, name) for place, name in enumerate(names[:-1])), (columns, names[-1])]


def _places(chains: list[list[Spot]], columns: int) -> dict[Spot, tuple[float, float]]:
    """The middle of each name's box, columns evenly apart, names of a column in the order of the paths, centred."""
    order = list(dict.fromkeys(spot for chain in chains for spot in chain))
    tall = max(sum(column == spot[0] for spot in order) for column in range(columns + 1))
    gap = (WIDTH - 2 * MARGIN - BOX) / columns
    found: dict[Spot, tuple[float, float]] = {}
    for column in range(columns + 1):
        names = [spot for spot in order if spot[0] == column]
        top = MARGIN + ROW * (tall - len(names)) / 2
        found |= {spot: (MARGIN + BOX / 2 + gap * column, top + ROW * (row + 0.5)) for row, spot in enumerate(names)}
    return found


def _line(edge: Edge, start: Spot, left: tuple[float, float], right: tuple[float, float], drawn: tuple[float, int]) -> str:
    """An edge with its relation, an arrow showing which way the fact reads.

    It is the thicker the heavier its path, `drawn[0]`; the label stands above those of `drawn[1]` edges between the same boxes.
    """
    (x1, y1), (x2, y2) = (left[0] + BOX / 2, left[1]), (right[0] - BOX / 2, right[1])
    share, above = drawn
    forward = edge.head == start[1]
    word = _text(_cut(edge.relation, SHORT))
    shown = f"{word} →" if forward else f"← {word}"
    return (
        f"<g><title>{_text(f'{edge.head} – {edge.relation} – {edge.tail}')}</title>"
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke-width="{0.8 + 2 * share:.1f}" stroke-opacity="0.5"/>'
        f'<text x="{x1 + AT * (x2 - x1):.1f}" y="{y1 + AT * (y2 - y1) - 4 - 9 * above:.1f}" {TEXT} font-size="9">{shown}</text></g>'
    )


def _box(name: str, x: float, y: float, *, strong: bool) -> str:
    weight = ' font-weight="600"' if strong else ""
    return (
        f"<g><title>{_text(name)}</title>"
        f'<rect x="{x - BOX / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{BOX}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" {TEXT}{weight}>{_text(_cut(name, LONG))}</text></g>'
    )


def _said(path: Path) -> str:
    return ", ".join(f"{edge.head} {edge.relation} {edge.tail}" for edge in path.edges)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(text: str) -> str:
    return escape(FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))
