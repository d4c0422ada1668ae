"""The drawing of the paths to a recommendation."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from components.knowledge.drawing import draw, walk
from components.schema import Edge, Path

NAME = "{http://www.w3.org/2000/svg}"


def path(source, *edges, weight=1.0):
    return Path(source=source, edges=[Edge(edge_id=n, head=h, relation=r, tail=t) for n, h, r, t in edges], weight=weight)


HEAT = path("Heat", (1, "Heat", "directed by", "Michael Mann"), (2, "Ali", "directed by", "Michael Mann"), weight=0.6)
LONG = path(
    "Heat", (3, "Heat", "stars", "Al Pacino"), (4, "Al Pacino", "born in", "New York"), (5, "Ali", "set in", "New York"), weight=0.4
)
PART = path("Ali II", (6, "Ali", "followed by", "Ali II"), weight=0.2)


def texts(svg):
    return [node.text for node in ET.fromstring(svg).iter(f"{NAME}text")]


def test_shows_every_name_once_and_every_relation_with_its_direction():
    svg = draw("Ali", [HEAT, LONG, PART])
    shown = texts(svg)
    for name in ("Heat", "Ali", "Michael Mann", "Al Pacino", "New York", "Ali II"):
        assert shown.count(name) == 1
    assert shown.count("directed by →") == 1
    assert shown.count("← directed by") == 1
    assert {"stars →", "born in →", "← set in", "← followed by"} <= set(shown)
    assert len(svg) < 6000


def test_says_in_words_what_it_draws():
    root = ET.fromstring(draw("Ali", [HEAT]))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == root[0].text == "Why Ali: paths in the knowledge graph"
    assert root[1].tag == f"{NAME}desc"
    assert root[1].text == "Heat directed by Michael Mann, Ali directed by Michael Mann"


def test_an_edge_of_two_paths_is_drawn_once():
    twin = path("Heat", (1, "Heat", "directed by", "Michael Mann"), (9, "Ali", "produced by", "Michael Mann"), weight=0.1)
    assert draw("Ali", [HEAT, twin]).count("<line") == 3


def test_nothing_to_draw():
    assert draw("Ali", []) == ""


def test_walks_edges_in_either_direction():
    assert walk("Heat", LONG.edges) == ["Heat", "Al Pacino", "New York", "Ali"]
    assert walk("x", [Edge(edge_id=0, head="x", relation="r", tail="x")]) == ["x", "x"]


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_any_name_is_drawn_safely(one, two, relation):
    found = draw(two, [path(one, (0, one, relation, two))])
    assert {node.tag.removeprefix(NAME) for node in ET.fromstring(found).iter()} == {"svg", "title", "desc", "g", "line", "text", "rect"}


def test_markup_in_names_is_text():
    bad = '<script>alert("1")</script>&'
    svg = draw(bad, [path(bad, (0, bad, bad, "x\x00\ud800"))])
    assert "<script" not in svg
    assert " id=" not in svg
    assert bad in [node.text for node in ET.fromstring(svg).iter(f"{NAME}title")]
