"""The pages in a real Chromium against the real service: each test fails on any console message or policy violation."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from ledger.log import Entry
from ledger.statement import GenerationStatement, open_statement
from tests.e2e.conftest import DESKTOP, PHONE, Site, keep_screenshot
from tests.e2e.story import EXCERPT, STORY, log_story

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

Open = Callable[..., Page]
SEED = 2**53 + 1  # not a JavaScript number
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def generated(site: Site) -> Entry:
    """A public run of the service's own model."""
    from inference.sampling import SamplingParams

    return site.services.generation.run("Once upon a time", SamplingParams(max_tokens=40)).entry


@pytest.fixture(scope="session")
def story(site: Site) -> Entry:
    return log_story(site.services)


def verify(page: Page, text: str, verdict: str) -> None:
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Verify").click()
    expect(page.locator(f"[data-verdict={verdict}]")).to_be_visible()


def test_a_generation_becomes_a_record_whose_proof_holds_until_a_byte_is_flipped(open_page: Open, site: Site) -> None:
    page = open_page("/")
    page.get_by_role("textbox", name="Prompt").fill("Once upon a time, there was a fox")
    page.get_by_label("Seed").fill(str(SEED))
    page.get_by_label("Max tokens").fill("60")
    page.get_by_text("Min-p and penalties").click()
    page.get_by_label("Presence").fill("-0.125")
    page.get_by_role("button", name="Generate").click()
    link = page.locator("#record-link")
    link.wait_for()
    assert page.locator("#used-seed").inner_text() == str(SEED)
    assert "your browser gets the same hash" in page.locator("#record").inner_text()
    index = int(re.findall(r"[0-9]+", link.inner_text())[0])
    content = site.services.log.content(index)
    assert content is not None
    statement = open_statement(site.services.log.entry(index).statement).payload
    assert isinstance(statement, GenerationStatement) and statement.sampling.presence_micro == -125_000
    shown = page.locator("#output").evaluate("element => element.lastChild.textContent")
    assert shown == content.output_text
    keep_screenshot(page, "generate-done-desktop")

    link.click()
    expect(page.locator("[data-proof=verified]")).to_have_text("All 8 checks passed")
    assert page.locator("#output-text").evaluate("element => element.textContent") == content.output_text
    expect(page.locator(".ladder .own.whole")).to_contain_text("equal to the checkpoint")
    page.get_by_role("button", name="Flip one byte").click()
    expect(page.locator("[data-proof=refused]")).to_have_text("Refused: the proof does not hold")
    failed = page.locator(".checks li", has=page.locator(".bad"))
    expect(failed.filter(has_text="The operator signed this statement")).to_have_count(1)
    expect(failed.filter(has_text="This entry is in the tree")).to_have_count(1)
    expect(page.locator(".ladder .own.whole")).to_contain_text("not the checkpoint")
    keep_screenshot(page, "record-flipped-desktop")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("[data-proof=verified]")).to_be_visible()


def test_a_seed_is_drawn_when_none_is_given_and_a_private_text_is_not_shown(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_label("Max tokens").fill("8")
    page.get_by_label("Private").check()
    page.get_by_role("button", name="Generate").click()
    page.locator("#record-link").wait_for()
    assert page.locator("#used-seed").inner_text().isdigit()
    assert "key=" in (page.get_by_role("link", name=re.compile("receipt.json")).get_attribute("href") or "")
    page.locator("#record-link").click()
    expect(page.locator("[data-proof=verified]")).to_have_text("All 6 checks passed")
    expect(page.get_by_text("The text of this record is not public")).to_be_visible()


def test_a_run_that_the_reader_stops_is_still_logged(open_page: Open, site: Site) -> None:
    before = site.services.log.size()
    page = open_page("/")
    # The service finishes, but its answer is kept back until the reader has lost patience.
    page.route("**/v1/completions", lambda route: route.fetch())
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#progress")).to_contain_text("Stopped")
    expect(page.locator("#record").get_by_role("link", name="records")).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    deadline = time.monotonic() + 20
    while site.services.log.size() == before and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert site.services.log.size() == before + 1
    page.unroute_all(behavior="ignoreErrors")


def test_a_browser_without_ed25519_says_what_it_did_not_check(open_page: Open, generated: Entry) -> None:
    refuse = "crypto.subtle.importKey = async () => { throw new DOMException('', 'NotSupportedError'); }"
    page = open_page(f"/records/{generated.index}", script=refuse)
    expect(page.locator("[data-proof=open]")).to_have_text("5 of 8 checks passed, 3 not checked by this browser")
    page.get_by_role("button", name="Flip one byte").click()
    expect(page.locator("[data-proof=refused]")).to_be_visible()
    page.goto("/log")
    expect(page.locator("#signature")).to_have_text("not checked by this browser")


def test_a_browser_that_withholds_hashing_checks_nothing_and_says_so(open_page: Open, generated: Entry) -> None:
    withhold = "Object.defineProperty(crypto, 'subtle', { value: undefined })"
    page = open_page(f"/records/{generated.index}", script=withhold)
    expect(page.locator("#proof-result")).to_contain_text("Not checked by this browser")
    expect(page.get_by_role("button", name="Flip one byte")).to_be_hidden()


def test_a_forged_receipt_is_refused(open_page: Open, generated: Entry, site: Site) -> None:
    page = open_page("/log")

    def forge(route: Route) -> None:
        receipt = route.fetch().json()
        receipt["entry"]["statement"] = receipt["operator"]["statement"]
        route.fulfill(json=receipt)

    page.route("**/receipt", forge)
    page.goto(f"/records/{generated.index}")
    expect(page.locator("[data-proof=refused]")).to_be_visible()
    # A sound receipt, but of another record.
    page.route("**/receipt", lambda route: route.fulfill(json=site.services.log.receipt(0, False).to_object()))
    page.reload()
    expect(page.locator("[data-proof=refused]")).to_be_visible()
    expect(page.locator(".checks li", has=page.locator(".bad"))).to_have_text(
        re.compile("The receipt is of this record")
    )
    page.route("**/receipt", lambda route: route.fulfill(json={"format": "something else"}))
    page.reload()
    expect(page.locator("#proof-result")).to_contain_text("could not be checked")
    assert page.locator("[data-proof]").count() == 0


def test_a_replay_on_request_gives_the_same_bits(open_page: Open, generated: Entry) -> None:
    page = open_page(f"/records/{generated.index}")
    page.get_by_role("button", name="Replay it now").click()
    expect(page.locator("#replay-result")).to_contain_text("Same bits:")


def test_the_whole_text_is_an_exact_match(open_page: Open, story: Entry) -> None:
    page = open_page(f"/records/{story.index}")
    expect(page.locator("[data-proof=verified]")).to_be_visible()
    page.get_by_role("button", name="Verify this output").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value(STORY)
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("[data-verdict=exact]")).to_contain_text("byte for byte")
    expect(page.locator("[data-verdict=exact]")).to_contain_text("Found, not yet replayed")
    assert page.locator("#marked mark.echo").inner_text() == "The keeper of the lighthouse"
    assert page.locator("#marked mark:not(.echo)").count() == 1
    keep_screenshot(page, "verify-exact-desktop")
    assert "?" not in page.url


def test_changed_spaces_and_quotes_are_still_an_exact_match(open_page: Open, story: Entry) -> None:
    page = open_page("/verify")
    verify(page, STORY.replace(" ", "  ").replace("lamp", "la\u200bmp"), "exact")
    expect(page.locator("[data-verdict=exact]")).to_contain_text("invisible characters are set aside")


def test_exactly_the_excerpt_is_marked_inside_a_foreign_text(open_page: Open, story: Entry) -> None:
    page = open_page("/verify")
    verify(
        page,
        f"\U0001f4dd Somebody \U0001f600 wrote this down [{EXCERPT}] and added <b>words</b> of their own.",
        "excerpt",
    )
    mark = page.locator("#marked mark")
    assert mark.count() == 1
    assert mark.evaluate("element => element.firstChild.textContent") == EXCERPT
    expect(mark.get_by_role("link")).to_have_attribute("href", f"/records/{story.index}")
    assert page.locator("#marked b").count() == 0
    evidence = page.locator(f"[data-record='{story.index}']")
    expect(evidence).to_contain_text(f"{len(EXCERPT)} of")
    expect(evidence).to_contain_text("the operator’s word only, cannot be replayed")
    for term in (
        "Longest run",
        "Prompt echo",
        "First registered",
        "Stated time",
        "Registered by",
        "Model",
        "Assurance",
        "Replay",
        "Witnesses",
    ):
        expect(evidence.locator("dt", has_text=re.compile(f"^{term}$"))).to_have_count(1)
    expect(evidence.locator(".witnesses")).to_contain_text("only the log’s own key vouches for it")
    keep_screenshot(page, "verify-excerpt-desktop")


def test_witnesses_are_asked_for_once_however_many_records_are_shown(
    open_page: Open, site: Site, story: Entry, generated: Entry
) -> None:
    page = open_page("/verify")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    content = site.services.log.content(generated.index)
    assert content is not None
    verify(page, f"{STORY}\n\n{content.output_text}", "excerpt")
    expect(page.locator(".witnesses", has_text="only the log’s own key")).to_have_count(2)
    assert len([url for url in asked if url.endswith("/log.json")]) == 1


def test_the_evidence_is_downloaded_without_the_text(open_page: Open, story: Entry) -> None:
    page = open_page("/verify")
    verify(page, STORY, "exact")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the evidence").click()
    bundle = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert bundle["verdict"]["verdict"] == "exact"
    assert [receipt["entry"]["index"] for receipt in bundle["receipts"]] == [story.index]
    assert len(bundle["text_sha256"]) == 64


def test_an_unknown_text_is_not_found_and_nobody_is_named_its_author(open_page: Open) -> None:
    page = open_page("/verify")
    verify(page, "Tax forms for the coming year are due in April, as they have been for the last thirty years.", "none")
    result = page.locator("[data-verdict=none]")
    expect(result).to_contain_text("Not found in these logs")
    expect(result).to_contain_text("This does not mean that a person wrote it.")
    keep_screenshot(page, "verify-none-desktop")


@pytest.mark.parametrize(
    ("text", "code"),
    [("too short", "too_short"), ("\u200b\u200b", "invisible"), (" ".join(map(str, range(21_000))), "truncated")],
    ids=["short", "invisible", "long"],
)
def test_a_text_that_shows_nothing_could_not_be_checked(open_page: Open, text: str, code: str) -> None:
    page = open_page("/verify")
    verify(page, text, "unchecked")
    expect(page.locator("[data-verdict=unchecked]")).to_contain_text("Could not check")
    expect(page.locator("[data-verdict=unchecked]")).to_contain_text(code)
    keep_screenshot(page, "verify-unchecked-desktop")


def test_the_verify_page_works_from_the_keyboard(open_page: Open, story: Entry) -> None:
    page = open_page("/verify")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.get_by_label("Text", exact=True).focus()
    page.keyboard.insert_text(EXCERPT)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-verdict=excerpt]")).to_be_visible()


def test_the_log_page_checks_the_signature_and_remembers_the_key(open_page: Open, site: Site, story: Entry) -> None:
    page = open_page("/log")
    expect(page.locator("#signature")).to_contain_text("valid for this key")
    expect(page.locator("#key-memory")).to_contain_text("will remember")
    page.reload()
    expect(page.locator("#key-memory")).to_contain_text("same key")
    expect(page.locator("#checkpoint")).to_contain_text(site.services.log.origin)


def test_models_lead_to_the_file_of_the_loaded_model(open_page: Open, site: Site) -> None:
    page = open_page("/models")
    page.locator("main .what a").first.click()
    root = site.services.engine.model.root.hex()
    assert page.url.endswith(root)
    with page.expect_download() as download:
        page.locator("a[download]").click()
    assert Path(download.value.path()).stat().st_size == site.services.engine.model.size_bytes


def pages_of(generated: Entry, site: Site) -> dict[str, str]:
    return {
        "generate": "/",
        "verify": "/verify",
        "records": "/records",
        "record": f"/records/{generated.index}",
        "models": "/models",
        "model": f"/models/{site.services.engine.model.root.hex()}",
        "log": "/log",
        "audits": "/audits",
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_fits_its_screen_and_can_be_read(
    open_page: Open, site: Site, generated: Entry, story: Entry, viewport: dict[str, int], dark: bool
) -> None:
    page = open_page("/", viewport, dark)
    device = "desktop" if viewport is DESKTOP else "phone"
    for name, path in pages_of(generated, site).items():
        page.goto(path)
        if name == "record":
            page.locator("[data-proof]").wait_for()
        keep_screenshot(page, f"{name}-{device}{'-dark' if dark else ''}")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], name
        assert page.evaluate(CONTRAST) == [], name
    page.goto("/verify")
    verify(page, f"Read this: {EXCERPT}", "excerpt")
    keep_screenshot(page, f"verify-excerpt-{device}{'-dark' if dark else ''}")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.evaluate(CONTRAST) == []
