"""What a handler may answer beside plain JSON."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

HTML_VIEW = "text/html; charset=UTF-8"
HTML_REDIRECT = "text/html; charset=utf-8"


@dataclass(slots=True)
class Answer:
    """One HTTP answer before it goes out.

    Attributes:
        body: JSON value, or bytes that go out as they are.
    """

    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def redirect(address: str) -> Answer:
    """Answer with Laravel's redirect page."""
    shown = html.escape(address, quote=True)
    page = (
        f'<!DOCTYPE html>\n<html>\n    <head>\n        <meta charset="UTF-8" />\n'
        f'        <meta http-equiv="refresh" content="0;url=\'{shown}\'" />\n\n'
        f"        <title>Redirecting to {shown}</title>\n    </head>\n    <body>\n"
        f'        Redirecting to <a href="{shown}">{shown}</a>.\n    </body>\n</html>'
    )
    return Answer(302, page.encode(), HTML_REDIRECT, {"Location": address})


def page(title: str, host: str, text: str, status: int = 200) -> Answer:
    """Answer with one of the admin's HTML pages.

    Its title is what the page calls itself, as "404 Page Not Found"; its text is what it says.
    """
    content = (
        '<!DOCTYPE html>\n\n<html\n    lang="en"\n    dir="ltr"\n>\n\n<head>\n'
        f'    <title>{html.escape(title)}</title>\n\n    <meta charset="UTF-8">\n'
        f'    <meta\n        name="base-url"\n        content="{html.escape(host)}"\n    >\n</head>\n\n'
        f"<body>\n    <h1>{html.escape(title)}</h1>\n    <p>{html.escape(text)}</p>\n</body>\n</html>\n"
    )
    return Answer(status, content.encode(), HTML_VIEW)


def wrapped(message: str) -> dict[str, Any]:
    """Return a message as most endpoints give it, inside ``data``."""
    return {"data": {"message": message}}
