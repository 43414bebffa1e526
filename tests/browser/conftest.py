"""A real Chromium, and the attribution page of the made-up company on a loopback port."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from customer360.exports.run import export_night
from customer360.portal.build import build
from customer360.site import build_site
from marketed import Company

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The machine's Chromium; skips where there is none, fails where it must not be missing (`make browser`)."""
    path = os.environ.get("C360_CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        why = "no Chromium on this machine: `make browser` as root installs it, or set C360_CHROMIUM to its path"
        if os.environ.get("CI") or os.environ.get("C360_BROWSER") == "required":
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def folder(company: Company) -> Path:
    """The folder of the built site."""
    export_night(company.settings)
    index = build(company.settings)
    build_site(company.settings, with_dbt_docs=False)
    return index.parent


@pytest.fixture(scope="session")
def address(folder: Path) -> Iterator[str]:
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/marketing"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a desktop's size. What it complains about, and what it asks of other machines, fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    found = context.new_page()
    complaints: list[str] = []
    found.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on("requestfailed", lambda request: complaints.append(request.url))
    own = ("http://127.0.0.1:", "file://", "data:")
    found.on("request", lambda request: None if request.url.startswith(own) else complaints.append(request.url))
    yield found
    context.close()
    assert complaints == []
