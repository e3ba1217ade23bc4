"""The private lookup in a real Chromium: the same fingerprints as the server's, and no text in any request."""

import json
import random

import pytest
from playwright.sync_api import Request, expect

from ledger.index.normalise import Trace
from ledger.index.text import Text
from ledger.log import Entry
from tests.e2e.conftest import keep_screenshot
from tests.e2e.story import EXCERPT, STORY, log_story
from tests.e2e.test_browser import Open, Site
from web.cli.demo_texts import UNRELATED

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TEXTS = [
    STORY,
    "“The ﬁrst  ant,” said Andy—a busy one—“hid 3 shiny things…”",
    "西遊記第一回靈根育孕源流出心性修持大道生詩曰混沌未分天地亂茫茫渺渺無人見。自從盤古破鴻蒙，開闢從茲清濁辨。",
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。ｶﾞｷﾞｸﾞ ㍿",
    "ภาษาไทยเป็นภาษาที่มีระดับเสียงของคำแน่นอนหรือวรรณยุกต์เช่นเดียวกับภาษาจีน",
    "Straße, ΌΣΟΣ ΣΟΦΌΣ, İstanbul, DŽ, ŉ, ẞ, ﬄ, Ⅷ, ½, x\u0301\u0323\u0301 e\u0301 \u1e69",
    "हिन्दी में लिखा हुआ यह वाक्य और العربية النص مُشَكَّل وطويل بما يكفي",
    "Zalgo " + "a" + "\u0301\u0323" * 40 + " o\u200bver\u00ad\ufeff\u2060 🙂🧪 ....... ------ don't rock’n’roll it''s",
    "가각힣 \u1100\u1161\u11a8 한국어 문장도 단어로 나뉜다 그리고 끝난다",
]
MARKED_UP = [
    "# Heading\n\n> **Bold** and `code` ~~gone~~ [a link](https://example.org/x) ![alt](y.png)\n- one\n+ two\n1. three",
    "<p>One <b>two</b>&nbsp;three &amp; four &notit; &bogus; &Aacute;</p><!-- no --><pk><BR/>five<ſ>6</ſ> [x](a\x85b)",
    "".join(f"&#{i};" for i in [*range(300), 0xD800, 0xFDD0, 0xFFFE, 0x1FFFF, 0x10FFFF, 0x110000, 9999999])
    + "&#x41;&#X62;",
    "hyphen-\nated and Hyphen-\nAted, line\u2010 \r\n   end, well-known 3-\n4 a\r# b\u2028- c\n  - d",
    "Тhe quiсk brоwn fох јumps оver а lаzу dоg; настоящий русский текст, Ελληνικά κείμενα, p\u0430\u0301y",
    "Real Cyrillic only: все хорошо, а не так. 𝐓𝐡𝐞 ｆｕｌｌ ｗіｄｔｈ",
    "西遊記第一回：靈根育孕源流出，心性修持大道生。𠮷野家 😀 **𠀋** 臺灣",
]
FINGERPRINTS = """async ([text, form_of]) => {
    const script = document.querySelector("script[type=module]").src;
    const { normalForm, reader, unitsOf } = await import(new URL("units.js", script));
    const forms = await import(new URL("readable.js", script));
    const { fingerprints } = await import(new URL("private.js", script));
    const data = await (await fetch("/api/private/characters")).json();
    const form = normalForm(forms[form_of](text, reader(data)), reader(data));
    const prints = fingerprints(unitsOf(form, reader(data), Infinity), data.rules);
    return { text: form.text, starts: form.starts, ends: form.ends,
             prints: prints.map(({ hash, start, end }) => [BigInt.asIntN(64, hash).toString(), start, end]) };
}"""


@pytest.fixture(scope="session")
def story(site: Site) -> Entry:
    return log_story(site.services)


def test_the_browser_makes_the_same_normal_forms_and_fingerprints(open_page: Open) -> None:
    page = open_page("/verify")
    draw = random.Random(1)
    characters = [chr(i) for i in range(0x20, 0x3000) if chr(i).isprintable()]
    for text in [*TEXTS, *("".join(draw.choices(characters, k=600)) for _ in range(12))]:
        ours, theirs = Text(text, as_written=True), page.evaluate(FINGERPRINTS, [text, "asWritten"])
        assert theirs["text"] == ours.normal
        assert theirs["prints"] == [[str(ours.shingles.hashes[i]), i, ours.shingles.ends[i]] for i in ours.fingerprints]
        if all(ord(c) < 0x10000 for c in text + ours.normal):
            trace = Trace(text)
            places = [trace.source(i, i + 1) for i in range(len(ours.normal))]
            assert [list(place) for place in zip(theirs["starts"], theirs["ends"], strict=True)] == [
                list(place) for place in places
            ]


def test_the_browser_makes_the_same_readers_forms(open_page: Open) -> None:
    page = open_page("/verify")
    draw = random.Random(2)
    pieces = [
        *"abc xyz-\n\r\t*`~#>+[](){}!&;<>/'\u2010\u0430\u0435\u03bf\u0456\u00ad\u0301\u02b0ſK½٣語體",
        "<p>",
        "</i>",
    ]
    pieces += [
        "&amp;",
        "&lt",
        "&#65;",
        "&#x2014;",
        "](x)",
        "**",
        "- ",
        "<!--",
        "-->",
        "-\n",
        "the ",
        "слово ",
        "п\u0430p ",
    ]
    texts = ["".join(draw.choices(pieces, k=200)) for _ in range(40)]
    for text in [*TEXTS, *MARKED_UP, *texts]:
        ours, theirs = Text(text), page.evaluate(FINGERPRINTS, [text, "readable"])
        assert theirs["text"] == ours.normal
        assert theirs["prints"] == [[str(ours.shingles.hashes[i]), i, ours.shingles.ends[i]] for i in ours.fingerprints]
        if all(ord(c) < 0x10000 for c in text + ours.normal):
            places = [ours.source(i, i + 1) for i in range(len(ours.normal))]
            assert [*zip(theirs["starts"], theirs["ends"], strict=True)] == places


def test_a_text_is_found_and_never_sent(open_page: Open, story: Entry) -> None:
    page = open_page("/verify")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    page.get_by_label("Keep the text in this browser").check()
    page.get_by_label("Text", exact=True).fill(f"Nobody wrote this part of it. {EXCERPT} And nobody wrote this one.")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("[data-verdict=excerpt]")).to_be_visible()
    expect(page.locator("#asked")).to_contain_text("It did not see the text")
    marked = page.locator("#marked mark").first.evaluate("element => element.firstChild.textContent")
    assert len(marked.split()) >= 10 and marked in EXCERPT
    keep_screenshot(page, "verify-private-desktop")
    assert sent and all(request.method == "GET" and not request.post_data for request in sent)
    words = {word for word in EXCERPT.split() if len(word) > 4}
    assert not any(word in json.dumps([request.url for request in sent]) for word in words)

    page.get_by_label("Text", exact=True).fill(UNRELATED)
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("[data-verdict=none]")).to_be_visible()
