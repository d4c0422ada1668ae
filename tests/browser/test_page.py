"""What a person can do with the page."""

import re
import shutil
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from components import artifacts
from serving.keys import create
from tests.browser.conftest import Service, enter, titles, visit

AUDIT = Path(__file__).with_name("audit.js").read_text()
HOSTILE = "<img src=x onerror=window.harmed=1><script>window.harmed=1</script>"


def liked(page: Page) -> str:
    """Like the first of the list and wait for the next one."""
    title = titles(page)[0]
    page.get_by_role("button", name=f"Like : {title}", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text(f"You like {title}")
    return title


def test_a_new_user_likes_something_and_the_list_becomes_theirs(opened: Page) -> None:
    enter(opened, "Mia")
    expect(opened.get_by_text("Nothing is known of your taste yet")).to_be_visible()
    before = titles(opened)
    title = liked(opened)
    after = titles(opened)
    assert title not in after
    assert after != before
    expect(opened.locator(".card.fresh .badge").first).to_have_text("New")
    expect(opened.get_by_text("Ranked by what you chose before")).to_be_visible()
    expect(opened.locator(".card .reason").first).to_contain_text(title)
    expect(opened.locator(".card svg.path").first).to_have_attribute("aria-label", re.compile(re.escape(title)))


def test_what_was_liked_and_dismissed_is_there_after_a_restart_behind_keys(opened: Page, service: Service) -> None:
    enter(opened, "Noah")
    gone = titles(opened)[1]
    opened.get_by_role("button", name=f"Dismiss : {gone}", exact=True).click()
    expect(opened.get_by_role("status")).to_contain_text(f"{gone} will not come again")
    assert gone not in titles(opened)
    taken = liked(opened)
    after = titles(opened)
    service.stop()
    key = create(service.folder / "keys.json", ["read", "feedback"])
    service.start(ZHIJIAN_KEYS=str(service.folder / "keys.json"))
    try:
        opened.reload()
        opened.get_by_label("This service asks for an API key").last.fill(key)
        opened.get_by_role("button", name="Use the key").click()
        expect(opened.get_by_role("heading", name="For you, Noah")).to_be_visible()
        assert titles(opened) == after
        assert not {gone, taken} & set(after)
    finally:
        service.stop()
        service.start()


def test_what_is_said_becomes_chips_that_can_be_removed(known: Page) -> None:
    visit(known, "#/talk")
    known.get_by_label("Say something").fill("a comedy, no horror")
    known.get_by_role("button", name="Send").click()
    chips = known.locator("[data-chip]")
    expect(chips).to_have_count(2)
    expect(known.locator(".turn.it .card").first).to_be_visible()
    assert all("Comedy" in text for text in known.locator(".turn.it .card h3").all_inner_texts())
    words = chips.first.inner_text().removesuffix("✕").strip()
    known.get_by_role("button", name=f"Forget: {words}").click()
    expect(chips).to_have_count(1)
    known.reload()
    expect(chips).to_have_count(1)
    known.get_by_role("button", name="Take the last turn back").click()
    expect(chips).to_have_count(2)


def test_a_title_is_found_and_opened(known: Page) -> None:
    known.get_by_role("searchbox", name="Search in words").fill("Horror film 6")
    known.keyboard.press("Enter")
    found = known.get_by_role("link", name="Horror film 6", exact=True)
    expect(found).to_be_visible()
    found.click()
    expect(known.get_by_role("heading", name="Horror film 6", level=1)).to_be_focused()
    expect(known.get_by_text("A horror film, number 6.")).to_be_visible()


def test_the_page_of_an_item_says_why_and_what_is_like_it(known: Page) -> None:
    title = titles(known)[0]
    known.get_by_role("link", name=title, exact=True).click()
    why = known.locator("section.panel", has=known.get_by_role("heading", name="Why for u001"))
    expect(why.locator("svg.path")).to_have_attribute("aria-label", re.compile(re.escape(title)))
    expect(why).to_contain_text("your history")
    near = known.locator(".tile h3")
    expect(near).to_have_count(8)
    both = near.all_inner_texts()
    known.get_by_label("who chose it").check()
    expect(near.first).to_be_visible()
    known.wait_for_function("both => [...document.querySelectorAll('.tile h3')].map(e => e.innerText).join() !== both", arg=",".join(both))
    known.go_back()
    expect(known.get_by_role("link", name=title, exact=True)).to_be_visible()  # the list as it was left


def test_the_model_page_shows_figures_verdict_curves_data_and_champions(known: Page, service: Service) -> None:
    switch = {"number": 1, "since": "2026-01-02T03:04:05+00:00", "how": "promoted", "previous": None, "folder": "b/bundle"}
    visit(known, "#/model")
    expect(known.get_by_text("Nothing was promoted yet")).to_be_visible()
    expect(known.get_by_role("link", name="Data Docs")).to_have_count(0)
    artifacts.write_json(service.folder / "champions/history/000001.json", switch | {"bundle": "0123456789abcdef"})
    artifacts.write_text(service.folder / "reports/data_docs/index.html", "<title>Data Docs</title><h1>Rows</h1><script>alert(1)</script>")
    known.reload()
    expect(known.get_by_role("row", name=re.compile("Zhijian.*0.4321 .0.4000, 0.4700."))).to_be_visible()
    expect(known.get_by_role("row", name=re.compile("Users: known.*90"))).to_be_visible()
    expect(known.get_by_role("row", name=re.compile("floor.*NDCG@10 0.1 is below 0.2"))).to_be_visible()
    expect(known.get_by_role("img", name=re.compile("loss over 2 epochs")).first).to_be_visible()
    expect(known.get_by_role("row", name=re.compile("Interactions.*1,080"))).to_be_visible()
    expect(known.get_by_role("row", name=re.compile("1 .*promoted 0123456789ab"))).to_be_visible()
    link = known.get_by_role("link", name="Data Docs")
    policy = httpx.get(service.url + str(link.get_attribute("href"))).headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    shutil.rmtree(service.folder / "champions")


def test_who_wants_to_be_forgotten_is(opened: Page) -> None:
    enter(opened, "Ada")
    liked(opened)
    visit(opened, "#/you")
    opened.get_by_role("button", name="Forget me").click()
    opened.get_by_role("button", name="Yes, forget Ada").click()
    expect(opened.get_by_role("status")).to_contain_text(re.compile(r"Ada is forgotten: [1-9]\d* events"))
    enter(opened, "Ada")
    expect(opened.get_by_text("Nothing is known of your taste yet")).to_be_visible()


def test_an_answer_that_does_not_come_is_told_and_asked_for_again(known: Page) -> None:
    known.route(re.compile("/models$"), lambda route: route.fulfill(status=500, json={"error": "it broke"}))
    visit(known, "#/model")
    expect(known.get_by_role("heading", level=1)).to_have_text("That did not work")
    expect(known.get_by_text("it broke")).to_be_visible()
    known.unroute_all()
    known.get_by_role("button", name="Try again").click()
    expect(known.get_by_role("heading", level=1)).to_have_text("The model that answers")


def test_the_page_speaks_chinese(known: Page) -> None:
    known.get_by_role("button", name="中文").click()
    expect(known.get_by_role("heading", level=1)).to_have_text("u001，为你推荐")
    assert known.locator("html").get_attribute("lang") == "zh-CN"
    expect(known.locator(".card .reason[lang=zh-CN]").first).to_be_visible()
    known.reload()
    expect(known.get_by_role("link", name="聊一聊")).to_be_visible()
    known.get_by_role("button", name="EN").click()
    expect(known.get_by_role("heading", level=1)).to_have_text("For you, u001")


def test_it_is_dark_where_that_is_preferred_and_when_it_is_asked_for(opened: Page) -> None:
    def light() -> int:
        return sum(map(int, re.findall(r"\d+", opened.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]))

    assert light() > 600
    opened.emulate_media(color_scheme="dark")
    expect(opened.locator("html[data-theme=dark]")).to_be_attached()
    assert light() < 150
    opened.get_by_role("button", name="Switch to light").click()
    opened.reload()
    expect(opened.locator("html[data-theme=light]")).to_be_attached()
    assert light() > 600


@pytest.mark.parametrize("width", [320, 400])
def test_nothing_is_wider_than_a_telephone(known: Page, width: int) -> None:
    known.set_viewport_size({"width": width, "height": 800})
    for view in ("#/talk", "#/model", "#/you", "#/item/i002", "#/search/horror", "#/"):
        visit(known, view)
        known.wait_for_load_state("networkidle")
        assert known.evaluate("document.documentElement.scrollWidth") <= width, view


def test_everything_can_be_done_with_the_keyboard(known: Page) -> None:
    known.reload()
    expect(known.locator(".card").first).to_be_visible()
    before = titles(known)
    known.keyboard.press("Tab")
    expect(known.get_by_role("link", name="Skip to the content")).to_be_focused()
    known.keyboard.press("Enter")
    for _ in range(30):
        known.keyboard.press("Tab")
        if known.evaluate("document.activeElement.dataset.event") == "like":
            break
    assert known.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    known.keyboard.press("Enter")
    expect(known.get_by_role("status")).to_contain_text("You like")
    assert titles(known) != before
    expect(known.get_by_role("heading", level=1)).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_has_a_name_headings_are_in_order_and_text_stands_out(known: Page, theme: str) -> None:
    known.emulate_media(color_scheme=theme, reduced_motion="reduce")
    for view in ("#/talk", "#/model", "#/you", "#/item/i002", "#/search/horror", "#/"):
        visit(known, view)
        known.wait_for_load_state("networkidle")
        assert known.evaluate(AUDIT) == [], view


def test_a_title_that_is_markup_is_text(known: Page) -> None:
    def spoil(route: Route) -> None:
        """The service cleans titles; this is a service that does not."""
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("Horror film 6", HOSTILE.replace('"', '\\"')))

    known.route(re.compile("/(recommend|items/show|search|similar|explain)$"), spoil)
    visit(known, "#/item/i006")
    expect(known.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    visit(known, "#/search/Horror film 6")
    expect(known.get_by_role("link", name=HOSTILE).first).to_be_visible()
    visit(known, "#/search/horror <img src=x onerror=window.harmed=1>")
    known.evaluate("localStorage.setItem('zhijian.user', '<b>u000</b>')")
    visit(known, "#/")
    expect(known.get_by_role("heading", level=1)).to_have_text("For you, <b>u000</b>")
    assert known.evaluate("window.harmed") is None
    assert known.locator("main img, main script, main b").count() == 0
    known.unroute_all(behavior="wait")  # an answer still under way would be asked for after the page is gone


def test_the_answers_tell_the_browser_to_trust_nothing_else(service: Service) -> None:
    with httpx.Client(base_url=service.url) as client:
        for path, kind in (("/", "text/html"), ("/web/app.js", "text/javascript"), ("/web/zh.json", "application/json")):
            said = client.get(path)
            assert said.headers["content-type"].startswith(kind)
            policy = said.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert said.headers["x-content-type-options"] == "nosniff"
            assert said.headers["referrer-policy"] == "no-referrer"
            assert client.get(path, headers={"if-none-match": said.headers["etag"]}).status_code == 304
        assert client.get("/web/../service.py").status_code == 404
        assert client.post("/").status_code in (404, 405)
