"""The page in a real Chromium, before a real service."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.serving.conftest import Server, bento, free_port, serve

__all__ = ["bento"]  # the fixture

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
STATUS = re.compile("status of (401|500)")  # a key is wanted, or a test has it break: the browser notes each such answer
expect.set_options(timeout=30_000)


@dataclass
class Service:
    """A service that can be started again where it was, on the same data."""

    bento: Path
    folder: Path
    port: int = field(default_factory=free_port)
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **environment: str) -> Server:
        return self.running.enter_context(serve(self.bento, self.folder, self.port, **environment))

    def stop(self) -> None:
        self.running.close()


@pytest.fixture(scope="module")
def service(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(bento, tmp_path_factory.mktemp("site"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")  # while Playwright runs, no later test of this process could run a loop of its own
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium here: install it (Debian: chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser, service: Service) -> Iterator[Page]:
    """The page as somebody sees it who was never here; whatever it complains of in the console fails the test."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith(service.url) else None)
    page.goto(service.url)
    yield page
    context.close()
    assert [said for said in complaints if not STATUS.search(said)] == []


@pytest.fixture
def known(opened: Page) -> Page:
    """The page of a user with a history."""
    return enter(opened, "u001")


def enter(page: Page, name: str) -> Page:
    """Become a user."""
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".cards .card").first).to_be_visible()
    return page


def visit(page: Page, view: str) -> Page:
    """Go to a view and wait until it is shown."""
    page.evaluate("view => { document.querySelector('main h1').dataset.old = 1; location.hash = view }", view)
    expect(page.locator("main h1:not([data-old])")).to_be_visible()
    return page


def titles(page: Page) -> list[str]:
    return page.locator(".cards .card h2").all_inner_texts()
