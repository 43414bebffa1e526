"""The attribution page in Chromium: its figures are the database's, on a desk, on a phone, in print, by keyboard."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from customer360.portal.build import PAGES
from marketed import Company

MAIN = [name for name, _ in PAGES]
LOOKED_AT = [*MAIN, "order_campaign_all_amount.html", "identified_acquisition_all_conversions.html"]


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def shown(page: Page, table: str = "table") -> list[list[str]]:
    """Texts of a table's body, cell by cell."""
    found: list[list[str]] = page.locator(table).first.evaluate(
        "t => [...t.tBodies[0].rows].map(r => [...r.cells].map(c =>"
        " (c.querySelector('.term') || c).textContent.trim()))"
    )
    return found


# Figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "column", "grain", "measure"),
    [
        ("order_channel_all_amount", "channel_group", "channel", "amount"),
        ("order_campaign_all_amount", "campaign", "campaign", "amount"),
        ("identified_acquisition_all_conversions", "acquisition_source", "channel", "conversions"),
    ],
)
def test_what_is_shown_is_what_the_database_says_and_what_is_downloaded(
    company: Company, address: str, page: Page, name: str, column: str, grain: str, measure: str
) -> None:
    conversion_set = name.split("_")[0]
    found = company.ask(
        f"select case when channel_group = 'unattributed' then 'unattributed' else {column} end, model, sum({measure})"
        " from marketing.attribution where grain = %s and conversion_set = %s group by 1, 2",
        grain,
        conversion_set,
    )
    wanted: dict[str, dict[str, Decimal]] = {}
    for label, model, value in found:
        wanted.setdefault(label, {})[model] = value
        wanted.setdefault("total", {}).setdefault(model, Decimal())
        wanted["total"][model] += value
    page.goto(f"{address}/{name}.html")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Download")).click()
    path = Path(download.value.path())
    header, *lines = rows_of(path.read_text("utf-8"))
    models = header[1:]
    assert {line[0]: dict(zip(models, map(Decimal, line[1:]), strict=True)) for line in lines} == {
        label: {model: values.get(model, Decimal()) for model in models} for label, values in wanted.items()
    }
    link = page.get_by_role("link", name=re.compile("^Download")).inner_text()
    assert link == f"Download {len(lines)} rows (CSV)"
    assert [[line[0], *(f"{Decimal(value):,.2f}" for value in line[1:])] for line in lines] == [
        row[:-1] for row in shown(page)
    ]
    assert [line[0] for line in lines[-2:]] == ["unattributed", "total"]
    ((total,),) = company.ask(
        f"select sum({measure}) from marketing.attribution"
        " where grain = 'channel' and model = 'first' and conversion_set = %s",
        conversion_set,
    )
    assert {Decimal(value) for value in lines[-1][1:]} == {total}
    expect(page.get_by_text(f"adds up to {total:,.2f}")).to_be_visible()


def test_every_download_of_every_page_has_the_rows_that_are_shown(folder: Path, address: str, page: Page) -> None:
    seen = 0
    for name in LOOKED_AT:
        page.goto(f"{address}/{name}")
        for section in page.locator("section:has(.download)").all():
            link = section.locator(".download")
            body = rows_of((folder / str(link.get_attribute("href"))).read_text("utf-8"))[1:]
            assert link.inner_text() == f"Download {len(body)} {'row' if len(body) == 1 else 'rows'} (CSV)"
            assert section.locator("tbody tr").count() == len(body)
            seen += 1
    assert seen >= 6


def test_the_bars_of_every_model_have_one_length(address: str, page: Page) -> None:
    page.goto(f"{address}/index.html")
    lengths: list[float] = page.locator(".bar").evaluate_all(
        "bars => bars.map(b => b.lastElementChild.getBoundingClientRect().right - b.getBoundingClientRect().left)"
    )
    assert len(lengths) >= 3
    assert max(lengths) - min(lengths) < 1
    assert page.locator(".bar .ku").count() == len(lengths)


def test_every_page_says_the_night_and_what_was_tested(company: Company, address: str, page: Page) -> None:
    ((number, passed),) = company.ask("select publication_id, tests_passed from marketing.publication")
    for name in LOOKED_AT:
        page.goto(f"{address}/{name}")
        state = page.get_by_role("group", name="State of the data").inner_text()
        assert "Night of 2 March 2026" in state
        assert f"Publication {number}" in state
        assert f"{passed} tests of the data passed" in state
        expect(page.locator("nav.main a[aria-current]")).to_have_count(1)


def test_no_person_is_on_any_page(company: Company, folder: Path) -> None:
    persons = company.persons()
    for path in [*folder.glob("*.html"), *folder.glob("data/*.csv")]:
        text = path.read_text("utf-8").lower()
        assert not [person for person in persons if person in text], path.name


def test_every_link_leads_somewhere(folder: Path) -> None:
    for path in folder.glob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#]+)"', path.read_text("utf-8")):
            assert link.startswith("data:") or (path.parent / link).exists(), (path.name, link)


# Readers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_axe_finds_nothing_serious(address: str, page: Page, scheme: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    axe = Axe()
    for name in LOOKED_AT:
        page.goto(f"{address}/{name}")
        found = axe.run(page).response["violations"]
        grave = [
            (each["id"], [node["html"] for node in each["nodes"]][:3])
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]
        assert grave == [], name


@pytest.mark.parametrize("width", [800, 1080, 1280, 1600])
def test_no_width_scrolls_sideways(address: str, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for name in LOOKED_AT:
        page.goto(f"{address}/{name}")
        wide = page.evaluate(
            "w => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w)"
            ".map(e => e.tagName + '.' + e.className).slice(0, 8)",
            width,
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, wide)


def test_a_phone_shows_all_of_it_without_scrolling_sideways(address: str, page: Page, folder: Path) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    for path in sorted(folder.glob("*.html")):
        page.goto(f"{address}/{path.name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path.name
    page.goto(f"{address}/order_channel_all_amount.html")
    cell = page.locator("tbody tr").first.locator("td").first
    name = cell.evaluate("c => getComputedStyle(c, '::before').content")
    assert name.strip('"') == "first"  # every figure carries the name of its column
    sizes: list[float] = page.locator("td, th, dd, p, li").evaluate_all(
        "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12


def test_tooltips_are_the_contracts_words_and_work_by_keyboard(company: Company, address: str, page: Page) -> None:
    ((words,),) = company.ask(
        "select col_description('marketing.attribution'::regclass, attnum) from pg_attribute"
        " where attrelid = 'marketing.attribution'::regclass and attname = 'channel_group'"
    )
    page.goto(f"{address}/order_channel_all_amount.html")
    term = page.get_by_role("button", name="Channel", exact=True)
    tip = page.locator(f"#{term.get_attribute('aria-describedby')}")
    expect(tip).to_be_hidden()
    page.get_by_role("link", name=re.compile("^Download")).focus()
    page.keyboard.press("Tab")
    expect(term).to_be_focused()
    expect(tip).to_be_visible()
    assert tip.inner_text() == words
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    expect(term).to_be_focused()
    page.keyboard.press("Tab")
    expect(tip).to_be_hidden()
    page.keyboard.press("Shift+Tab")
    expect(tip).to_be_visible()
    described = page.locator(".term").evaluate_all(
        "all => all.every(t => document.getElementById(t.getAttribute('aria-describedby')).textContent.length > 3)"
    )
    assert described


def test_a_tooltip_stays_on_the_screen(address: str, page: Page) -> None:
    for width in (1280, 375):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{address}/order_channel_all_amount.html")
        for term in page.locator("tbody .term, thead .term").all():
            if not term.is_visible():
                continue
            term.focus()
            box = page.locator(f"#{term.get_attribute('aria-describedby')}").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_the_skip_link_and_the_pages_are_reached_by_keyboard(address: str, page: Page) -> None:
    page.goto(f"{address}/index.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the figures")).to_be_focused()
    expect(page.get_by_role("link", name="To the figures")).to_be_in_viewport()
    page.get_by_role("link", name="Campaign", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("_campaign_"))


def test_print_holds_the_figures_and_leaves_out_what_paper_cannot_do(address: str, page: Page) -> None:
    page.goto(f"{address}/order_channel_all_amount.html")
    page.emulate_media(media="print", color_scheme="dark")
    for hidden in ("nav.main", "nav.pick", ".theme", ".download"):
        expect(page.locator(hidden).first).to_be_hidden()
    for visible in ("h1", ".status", ".bar >> nth=0", "tr.unattributed", "tr.total"):
        expect(page.locator(visible)).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.locator(".bar i").first.evaluate("e => getComputedStyle(e).printColorAdjust") == "exact"
    made = page.pdf(prefer_css_page_size=True)
    assert re.search(rb"/MediaBox \[0 0 84[12][.\d]* 59[456][.\d]*\]", made)  # A4, landscape


def test_dark_is_what_the_reader_wants_and_a_button_remembers(address: str, page: Page) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/index.html")
    dark = paper()
    page.emulate_media(color_scheme="light")
    light = paper()
    assert dark != light
    button = page.get_by_role("button", name=re.compile("^Theme"))
    button.click()
    button.click()
    expect(button).to_have_text("Theme: dark")
    assert paper() == dark
    page.goto(f"{address}/spend.html")
    assert paper() == dark


def test_it_needs_no_script(chromium: Browser, address: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/index.html")
    assert page.locator("tr.total td").count() >= 3
    expect(page.locator(".theme")).to_be_hidden()
    term = page.locator("thead .term").first
    term.focus()
    expect(page.locator("thead .tip").first).to_be_visible()
    context.close()


def test_it_opens_from_a_file(folder: Path, page: Page) -> None:
    page.goto(f"file://{folder}/index.html")
    expect(page.locator("tr.total")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.bar i')).backgroundColor") == "rgb(0, 114, 178)"
