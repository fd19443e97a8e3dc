"""Requests that a server must not answer, and pages of runs that others made: nothing leaves, nothing runs."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mlphys.commands import report
from mlphys.server import app as server
from tests.helpers.asgi import Client
from tests.helpers.extras import needs
from tests.hostile import inputs, watch
from tests.hostile.trial import Place

needs("starlette")

HOST = "127.0.0.1:8765"
MARKUP = {
    "an image": "<img src=x onerror=alert(1)>",
    "a script": "<script>alert(1)</script>",
    "the end of a script": "</script><script>alert(1)</script>",
    "the end of a style": "</style><script>alert(1)</script>",
    "the end of a title": "</title><script>alert(1)</script>",
    "the end of an attribute": '" onmouseover="alert(1)" x="',
    "the end of another": "' onmouseover='alert(1)' x='",
    "a link": "<a href=javascript:alert(1)>x</a>",
    "a frame": "<iframe srcdoc='<script>alert(1)</script>'>",
    "a base": "<base href=//evil.example>",
    "a refresh": "<meta http-equiv=refresh content=0;url=//evil.example>",
    "a form": "<form action=//evil.example><input name=x>",
    "an SVG": "<svg onload=alert(1)>",
    "a comment": "--><script>alert(1)</script><!--",
    "CDATA": "]]><script>alert(1)</script>",
    "a template": "{{constructor.constructor('alert(1)')()}}",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "a line separator": "\u2028alert(1)\u2029",
    "a direction override": "\u202egnp.exe",
    "MathML": "<math><mtext><script>alert(1)</script>",
    "a stylesheet": "<link rel=stylesheet href=//evil.example>",
    "an import of CSS": "<style>@import '//evil.example'</style>",
    "JSON": "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "an object": "<object data=//evil.example>",
}
ADDRESSES = [
    "/run/..%2f..%2fetc%2fpasswd",
    "/run/../../etc/passwd",
    "/run/%2e%2e/%2e%2e/etc/passwd",
    "/run/small/1",
    "/run/",
    "/run",
    "/run/0123456789abcdef",
    "/run/0123456789ABCDEF",
    "/run/%00",
    "/run/\x1b[2J",
    "/events/..%2f..",
    "/events/",
    "/events/0123456789abcdef",
    "/compare",
    "/compare?run=",
    "/compare?run=a&run=b",
    "/compare?run=../../etc&run=/etc/passwd",
    f"/compare?{'run=a&' * 300}",
    "/compare?run=%00&run=%ff",
    "/runs/small/1/weights.safetensors",
    "/weights.safetensors",
    "/../../etc/passwd",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/\\..\\..\\windows",
    "/favicon.ico",
    "/.git/config",
    "/static/x",
    "/robots.txt",
    "/?token=x",
    "/?" + "x" * 5000,
    "/" + "a/" * 1900,
    "/run/" + "f" * 3000,
    "/run/%F0%9F%98%80",
    "/%c0%ae%c0%ae/etc/passwd",
    "/;/etc",
    "/run/0123456789abcdef?x=<script>alert(1)</script>",
    "/<script>alert(1)</script>",
    "*",
    "http://evil.example/",
]
HEADERS = {
    "another host": {"Host": "evil.example"},
    "another port": {"Host": "127.0.0.1:1"},
    "no host": {"Host": ""},
    "a host of a user": {"Host": f"evil@{HOST}"},
    "a host with a line": {"Host": f"{HOST} evil"},
    "another origin": {"Origin": "http://evil.example"},
    "the origin null": {"Origin": "null"},
    "an origin of https": {"Origin": f"https://{HOST}"},
    "a cross-site request": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    "content": {"Content-Length": "9"},
    "content of text": {"Content-Length": "x"},
    "chunks": {"Transfer-Encoding": "chunked"},
    "a negative length": {"Content-Length": "-1"},
}
METHODS = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "\x1b[2J", "")
PLACES = ("name", "remark", "key of a remark", "class", "source", "metric", "figure", "command", "stopped phase", "git")


def asked(
    place: Place, address: str, headers: dict[str, str] | None = None, method: str = "GET", token: str | None = None
):
    """The answer, after it was seen that only the runs' folder was read and nothing was written."""
    before = place.state()
    with watch.listening() as events:
        answer = Client(server.application(Path("runs"), [HOST], token, lambda: False), HOST).get(
            address, headers, method
        )
    assert watch.offences(events, [place.folder], [], place.mine) == []
    assert place.state() == before
    return answer


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    found = Place(tmp_path)
    with found.entered({}):
        inputs.a_run()
        yield found


def marked(values: list[object]) -> list[object]:
    return [
        pytest.param(
            value, marks=[pytest.mark.hostile, *([pytest.mark.sample] if number % 8 == 0 else [])], id=str(number)
        )
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize("address", marked(ADDRESSES))
def test_an_address_that_is_none_is_answered_with_nothing(address, place):
    found = asked(place, address)
    if address != "/?token=x":
        assert found.status in (404, 405, 414, 422), found.text[:300]
    assert "root:" not in found.text
    assert "<script>alert(1)" not in found.text
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("what", marked(list(HEADERS)))
def test_headers_that_are_not_ours_are_refused(what, place):
    assert asked(place, "/", HEADERS[what]).status in (400, 403, 413, 421)


@pytest.mark.parametrize("method", marked(list(METHODS)))
def test_other_methods_are_refused(method, place):
    assert asked(place, "/", method=method).status == 405


@pytest.mark.hostile
@pytest.mark.sample
@pytest.mark.parametrize(
    "given", ["", "wrong", "secre", "secrets", "SECRET", "%00secret", "s%C3%A9cret", "secret%0a", "x" * 3000]
)
def test_a_token_that_is_not_the_right_one_opens_nothing(given, place):
    assert asked(place, f"/?token={given}", token="secret").status == 401
    assert asked(place, "/", {"Cookie": f"mlphys={given}"}, token="secret").status == 401


class Tags(html.parser.HTMLParser):
    """The elements of a page, and what of them could run, load or send."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag == "form" and dict(attributes).get("action") != "/compare":
            self.found.append(f"a form {attributes}")
        if tag in ("iframe", "object", "embed", "base", "link", "frame"):
            self.found.append(f"<{tag}>")
        for name, value in attributes:
            if name.startswith("on") or re.match(
                r"\s*(javascript|data:text/html|vbscript):", value or "", re.IGNORECASE
            ):
                self.found.append(f"{tag} {name}={value}")
            if name in ("src", "href", "action", "srcdoc") and re.match(r"(https?:)?//", value or ""):
                self.found.append(f"{tag} {name}={value}")
            if tag == "meta" and name == "http-equiv" and (value or "").lower() == "refresh":
                self.found.append("a refresh")


def hostile_run(where: str, markup: str) -> None:
    """A run that has the markup at one place."""
    run = Path("runs/small/1")

    def changed(name: str, change) -> None:
        content = json.loads((run / name).read_text())
        change(content)
        (run / name).write_text(json.dumps(content))

    config = yaml.safe_load((run / "config.yaml").read_text())
    match where:
        case "name":
            run.parent.rename(Path("runs") / markup.replace("/", "\u2044"))
        case "remark":
            config["about"] = {"remark": markup}
        case "key of a remark":
            config["about"] = {markup: "x"}
        case "class":
            changed("data.json", lambda facts: facts.__setitem__("classes", [markup, *facts["classes"][1:]]))
        case "source":
            config["published"] = {"test.accuracy": {"value": 0.9, "source": markup}}
        case "metric":
            changed("metrics.json", lambda facts: facts["test"].__setitem__(markup, 0.5))
        case "figure":
            (run / "figures" / f"{markup.replace('/', '_')[:80]}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
        case "command":
            changed(
                "environment.json", lambda facts: facts.update(command=markup, cpu=markup, mlphys=markup, python=markup)
            )
        case "stopped phase":
            (run / "history.csv").write_text(
                (run / "history.csv").read_text().replace("train,", f'"{markup.replace(chr(34), "")}",')
            )
        case "git":
            changed(
                "environment.json",
                lambda facts: facts.update(git={"commit": markup, "dirty": True}, packages={markup: markup}),
            )
    (run / "config.yaml").write_text(yaml.safe_dump(config)) if run.exists() else None


def pages() -> Iterator[object]:
    for number, (where, what) in enumerate((w, m) for w in PLACES for m in MARKUP):
        marks = [pytest.mark.hostile, *([pytest.mark.sample] if number % 17 == 0 else [])]
        yield pytest.param(where, what, id=f"{what} as {where}", marks=marks)


@pytest.fixture(scope="module")
def usual_scripts(tmp_path_factory) -> int:
    with Place(tmp_path_factory.mktemp("usual")).entered({}):
        inputs.a_run()
        return tags(report.rendered(Path("runs/small/1"))).scripts


def tags(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    return found


@pytest.mark.parametrize(("where", "what"), list(pages()))
def test_a_page_of_a_hostile_run_runs_loads_and_sends_nothing(where, what, place, usual_scripts):
    hostile_run(where, MARKUP[what])
    listed = asked(place, "/")
    assert tags(listed.text).found == []
    for identifier in re.findall(r'href="/run/([0-9a-f]{16})"', listed.text):
        found = asked(place, f"/run/{identifier}")
        assert found.status in (200, 422)
        parsed = tags(found.text)
        assert parsed.found == []
        assert parsed.scripts <= usual_scripts
        assert "default-src 'none'" in found.text
