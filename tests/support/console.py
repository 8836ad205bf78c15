"""A browser without a screen at the console: cookies kept, forms found in pages and sent as a browser sends them."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin

import httpx
from tests.support.office import Office

ORIGIN = "http://server.test"


@dataclass(kw_only=True, slots=True)
class FormOnPage:
    """A form: where it goes, and what stands in its fields."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[str] = field(default_factory=list)


class _Forms(HTMLParser):
    """Fields as a browser would send them; text areas and chosen options are read too."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FormOnPage] = []
        self._area: str | None = None
        self._select: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name, value = values.get("name") or "", values.get("value") or ""
        if tag == "form":
            self.forms.append(FormOnPage(action=values.get("action") or "", method=values.get("method") or "get"))
        elif tag == "input" and name:
            if values.get("type") not in ("radio", "checkbox") or "checked" in values:
                self.forms[-1].fields.append((name, value))
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in values:
            self.forms[-1].fields.append((self._select, value))
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append(values.get("formaction") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            self.forms[-1].fields.append((self._area, self._text))
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area:
            self._text += data


@dataclass(slots=True)
class ConsoleBrowser:
    """One browser at an office's console."""

    office: Office
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = "/ops/"
    page: httpx.Response = field(default_factory=lambda: httpx.Response(204))

    def get(self, address: str, **headers: str) -> httpx.Response:
        """Open a page, and follow where it leads."""
        return self._go("GET", address, headers=headers)

    def post(self, address: str, fields: list[tuple[str, str]], *, follow: bool = True) -> httpx.Response:
        """Send fields to an address."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return self._go("POST", address, headers=headers, content=urlencode(fields), follow=follow)

    def upload(
        self, address: str, fields: list[tuple[str, str]], file: tuple[str, bytes] | None, *, follow: bool = True
    ) -> httpx.Response:
        """Send fields and a file; without one, as a browser does when none was chosen."""
        name, content = file or ("", b"")
        # Built by hand: httpx leaves out a file without a name.
        parts = [f'--part\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields]
        head = f'--part\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body = (
            "".join(parts).encode() + f"{head}Content-Type: text/csv\r\n\r\n".encode() + content + b"\r\n--part--\r\n"
        )
        headers = {"content-type": "multipart/form-data; boundary=part"}
        return self._go("POST", address, headers=headers, content=body, follow=follow)

    def forms(self) -> list[FormOnPage]:
        """The forms of the page that is open."""
        parser = _Forms()
        parser.feed(self.page.text)
        return parser.forms

    def form(self, action: str) -> FormOnPage:
        """The form on this page that goes there."""
        found = [one for one in self.forms() if action in (one.action, *one.buttons)]
        assert len(found) == 1, (action, [one.action for one in self.forms()])
        return found[0]

    def fill(self, action: str, *, follow: bool = True, **values: str | list[str]) -> httpx.Response:
        """Send the page's form with these values in place of those that stand there."""
        fields = [(name, value) for name, value in self.form(action).fields if name not in values]
        for name, value in values.items():
            fields += [(name, each) for each in ([value] if isinstance(value, str) else value)]
        return self.post(action, fields, follow=follow)

    def sign_in(self, who: str) -> httpx.Response:
        """With the token of a member of staff."""
        self.get("/ops/sign-in")
        return self.fill("/ops/sign-in", token=self.office.tokens[who])

    def text(self) -> str:
        """The page without its tags."""
        bare = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", self.page.text, flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]+>", " ", bare).split())

    def _go(self, method: str, address: str, *, follow: bool = True, **arguments: object) -> httpx.Response:
        for _ in range(5):
            self.address = address
            headers = {**dict(arguments.pop("headers", {}) or {})}  # type: ignore[call-overload]
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            answer = self.office.send(method, address, headers=headers, **arguments)
            self._keep(answer)
            if not follow or answer.status_code not in (303, 307, 308):
                break
            method, arguments = "GET", {}
            address = urljoin(f"{ORIGIN}{address}", answer.headers["location"]).removeprefix(ORIGIN)
        self.page = answer
        return answer

    def _keep(self, answer: httpx.Response) -> None:
        for header in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
