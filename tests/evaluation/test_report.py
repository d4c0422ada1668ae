import re
from html.parser import HTMLParser

import pytest

from components.evaluation.assess import assess
from components.evaluation.compare import Plan
from components.evaluation.report import number, render, summary

VOID = {"meta", "link", "br"}
CURVE = [
    {"epoch": 0.0, "loss": 2.0, "score": 0.1, "seconds": 2.0},
    {"epoch": 1.0, "loss": 1.5, "score": 0.2, "seconds": 4.0},
    {"epoch": 2.0, "loss": 1.2, "score": 0.15, "seconds": 3.0},
]
ABOUT = {
    "curves": {"attention": CURVE, "linear": []},
    "bounds": [0, 5],
    "weights": [{"attention": 0.25, "linear": 0.75}] * 3,
}


@pytest.fixture(scope="module")
def metrics(bundle, dataset, categories, baselines):
    return assess(bundle, dataset, categories, baselines, Plan(k=5, depth=10, resamples=40, seed=1))[1]


@pytest.fixture(scope="module")
def page(metrics):
    return render(metrics, ABOUT)


class Tree(HTMLParser):
    """Checks that tags nest, and collects what they point at."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [value for name, value in attrs if name in {"src", "href", "xlink:href", "action", "data"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_its_ids_are_unique(page):
    tree = Tree(page)
    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))


def test_it_asks_for_nothing_outside_itself(page):
    tree = Tree(page)
    assert all(link.startswith("#") and link[1:] in tree.ids for link in tree.links)
    assert "<script" not in page
    assert not re.search(r"@import|url\((?!#)", page)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(tree.ids)


def test_the_same_bytes_each_time(page, metrics):
    assert render(metrics, ABOUT) == page


def test_it_shows_models_slices_curves_weights_and_worth(page):
    for text in (
        "item knn",
        "history 6-20",
        "category odd",
        "Learning curve: attention",
        "more than 5",
        "What each part is worth",
        "Learned weights",
        "Reliability",
        "15 bins of equal mass",
        "@media (prefers-color",
    ):
        assert text in page
    assert page.count("<svg") == 7


def test_a_curve_tells_its_best_epoch(page):
    assert "Learning curve of attention; best epoch 2, score 0.2000" in page


def test_a_curve_without_scores_or_seconds_is_drawn(metrics):
    plain = [{"epoch": 0.0, "loss": 2.0}, {"epoch": 1.0, "loss": 1.0}]
    page = render(metrics, {"curves": {"entities": plain}})
    assert 'aria-label="Learning curve of entities"' in page


def test_a_state_without_users_and_one_part_are_no_trouble(metrics):
    states = [{"state": "all", "users": 3}, {"state": "cold", "users": 0}]
    row = {"difference": -0.01, "low": -0.02, "high": -0.001}
    page = render(metrics | {"worth": {"states": states, "parts": {"only": [row, None]}}}, ABOUT)
    assert '<td class="bad">-0.0100<small>-0.0200 to -0.0010</small></td>' in page
    assert "What each part is worth" not in render(metrics | {"worth": {"states": states, "parts": {}}}, ABOUT)


def test_what_diversity_would_cost_is_shown(page, metrics):
    point = {"trade": 0.3, "NDCG": 0.1, "diversity": 0.4, "NDCG_change": -0.0123, "diversity_change": 0.234}
    assert "What diversity would cost" in page
    assert all(text in render(metrics | {"exchange": [point]}, ABOUT) for text in ("-1.2&nbsp;%", "+23.4&nbsp;%"))


def test_costs_are_shown_where_there_are_any(page, metrics):
    assert "What rules and diversity cost" not in page
    assert "+0.0031" in render(metrics | {"costs": {"diversity": {"difference": 0.0031, "low": 0.001, "high": 0.005}}}, ABOUT)


def test_states_may_be_named(metrics):
    named = {"states": ["new & idle", "old"], "weights": [{"a": 0.25, "b": 0.75}] * 2}
    assert "new &amp; idle" in render(metrics, named)


def test_a_part_without_a_curve_has_no_plot(page):
    assert "Learning curve: linear" not in page


def test_what_the_manifest_does_not_say_is_left_out(metrics):
    page = render(metrics, {})
    assert "Weights of the hybrid" not in page
    assert "Learning curve" not in page


def test_names_from_outside_are_escaped(metrics):
    hostile = '<img src="https://example.org/x.png">"--><script>'
    rows = [*metrics["slices"], {"slice": "category", "value": hostile, "users": 30, "NDCG@5": 0.1, "HR@5": 0.2}]
    page = render(metrics | {"slices": rows, "bundle": hostile}, {"curves": {hostile: CURVE}})
    assert "<img" not in page
    assert "<script" not in page
    assert Tree(page).open == []


def test_dollar_signs_in_names_are_no_formulas(metrics):
    rows = [*metrics["slices"], {"slice": "category", "value": "$\\frac{$", "users": 30, "NDCG@5": 0.1, "HR@5": 0.2}]
    assert "$\\frac{$" in render(metrics | {"slices": rows}, {})


def test_the_summary_says_whom_it_beats(metrics):
    said = summary(metrics)
    assert "For 80 test users and 30 items" in said
    assert "not distinguishable from ease, item knn and sequential." in said
    better = {"better": {"NDCG@5": {"difference": 0.1, "low": 0.05, "high": 0.2}}}
    worse = {"worse": {"NDCG@5": {"difference": -0.1, "low": -0.2, "high": -0.05}}}
    said = summary(metrics | {"paired": better | worse})
    assert "It is better than better" in said
    assert "It is worse than worse" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1234, "1,234"), (0.12345, "0.1235"), (443.61, "443.6"), (0.0, "0.0000")],
)
def test_numbers(value, text):
    assert number(value) == text
