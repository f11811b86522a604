"""Mails as Chatwoot holds them, of the usual programs, languages and mishaps, each with what it says."""

from __future__ import annotations

import base64
import quopri
from dataclasses import dataclass
from html import escape
from pathlib import Path

OWN = "Yes, please send it.\n\nRegards,\nAda Brandt\nBrandt GmbH, Köln"
QUOTED = "Shall we send it?\n\nBob"
WHO = "Bob Shop <bob@shop.example>"


@dataclass(frozen=True, slots=True)
class Mail:
    """What `says` is what its activity must say under its heading; `absent` must not be in it."""

    name: str
    body: str
    says: str = OWN
    subject: str = "Re: Order 17"
    absent: str = "Shall we"


def _marked(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _html(text: str) -> str:
    return "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in text.split("\n\n"))


def _div(text: str) -> str:
    return "".join(f"<div>{escape(line) or '<br>'}</div>" for line in text.split("\n"))


INTROS = {
    "gmail en": f"On Mon, May 4, 2026 at 10:12 AM {WHO} wrote:",
    "gmail en wrapped": "On Mon, May 4, 2026 at 10:12 AM Bob Shop of the shop <\nbob@shop.example> wrote:",
    "gmail de": f"Am Mo., 4. Mai 2026 um 10:12 Uhr schrieb {WHO}:",
    "gmail fr": f"Le lun. 4 mai 2026 à 10:12, {WHO} a écrit :",
    "gmail es": "El lun, 4 may 2026 a las 10:12, Bob Shop (<bob@shop.example>) escribió:",
    "gmail it": f"Il giorno lun 4 mag 2026 alle ore 10:12 {WHO} ha scritto:",
    "gmail pt": f"Em seg., 4 de mai. de 2026 às 10:12, {WHO} escreveu:",
    "gmail nl": f"Op ma 4 mei 2026 om 10:12 schreef {WHO}:",
    "gmail pl": f"pon., 4 maj 2026 o 10:12 {WHO} napisał(a):",
    "gmail ru": f"пн, 4 мая 2026 г. в 10:12, {WHO}:",  # noqa: RUF001
    "gmail ja": f"2026年5月4日(月) 10:12 {WHO}:",
    "gmail zh": f"{WHO} 于2026年5月4日周一 10:12写道\N{FULLWIDTH COLON}",
    "gmail sv": f"Den mån 4 maj 2026 kl 10:12 skrev {WHO}:",
    "gmail tr": f"{WHO}, 4 May 2026 Pzt, 10:12 tarihinde şunu yazdı:",  # noqa: RUF001
    "gmail cs": f"po 4. 5. 2026 v 10:12 odesílatel {WHO} napsal:",
    "apple en": f"On 4. May 2026, at 10:12, {WHO} wrote:",
    "apple de": f"Am 04.05.2026 um 10:12 schrieb {WHO}:",
    "apple fr": f"Le 4 mai 2026 à 10:12, {WHO} a écrit :",
    "thunderbird en": "On 5/4/26 10:12, Bob Shop wrote:",
    "thunderbird de": "Am 04.05.26 um 10:12 schrieb Bob Shop:",
    "thunderbird fr": "Le 04/05/2026 à 10:12, Bob Shop a écrit :",
    "thunderbird it": "Il 04/05/26 10:12, Bob Shop ha scritto:",
    "yahoo en": f"On Monday, May 4, 2026 at 10:12:00 AM GMT+2, {WHO} wrote:",
    "yahoo de": f"Am Montag, 4. Mai 2026 um 10:12:00 MESZ hat {WHO} geschrieben: schrieb:",
}
# From, sent, to and subject, as Outlook names them.
HEADERS = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De ", "Envoyé ", "À ", "Objet "),
    "es": ("De", "Enviado el", "Para", "Asunto"),
    "it": ("Da", "Inviato", "A", "Oggetto"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp"),
    "pl": ("Od", "Wysłane", "Do", "Temat"),
    "pt": ("De", "Enviada em", "Para", "Assunto"),
    "sv": ("Från", "Skickat", "Till", "Ämne"),
    "ru": ("От", "Отправлено", "Кому", "Тема"),
}


def _header(language: str, mark: str = "") -> str:
    values = (WHO, "4. 5. 2026 10:12", "Ada <ada@example.com>", "Order 17")
    pairs = zip(HEADERS[language], values, strict=True)
    return "\n".join(f"{mark}{name}:{mark} {value}" for name, value in pairs)


def _header_html(language: str) -> str:
    return "<br>".join(f"<b>{escape(line)}</b>" for line in _header(language).split("\n"))


def _texts() -> list[Mail]:
    found = [
        Mail(f"text, {name}", f"{OWN}\n\n{intro}\n\n{_marked(QUOTED)}\n") for name, intro in INTROS.items()
    ]
    found += [
        Mail(f"text without marks, {name}", f"{OWN}\n\n{intro}\n\n{QUOTED}\n")
        for name, intro in list(INTROS.items())[:12]
    ]
    for language in HEADERS:
        found.append(Mail(f"outlook text, {language}", f"{OWN}\n\n{_header(language)}\n\n{QUOTED}"))
    line = "________________________________"
    found += [
        Mail("outlook.com text", f"{OWN}\n\n{line}\n{_header('en')}\n\n{QUOTED}"),
        Mail("outlook for phones", f"{OWN}\n\n{line}\n{_header('de', '*')}\n\n{QUOTED}"),
        Mail("outlook 2010", f"{OWN}\n\n-----Original Message-----\n{_header('en')}\n\n{QUOTED}"),
        Mail("outlook 2010 de", f"{OWN}\n\n-----Ursprüngliche Nachricht-----\n{_header('de')}\n\n{QUOTED}"),
        Mail(
            "gmx text", f"{OWN}\n\n{_header('de').replace('Von:', 'X:', 1)}\n\n{QUOTED}".replace("X:", "Von:")
        ),
        Mail("samsung text", f"{OWN}\n\n-------- Original message --------\n{_header('en')}\n\n{QUOTED}"),
        Mail("zoho text", f"{OWN}\n\n---- On Mon, 04 May 2026 20:17:44 +0530 {WHO} wrote ---\n\n{QUOTED}"),
        Mail("windows line ends", f"{OWN}\n\n{INTROS['gmail en']}\n{_marked(QUOTED)}".replace("\n", "\r\n")),
    ]
    return found


def _htmls() -> list[Mail]:
    own, quoted, intro = _html(OWN), _html(QUOTED), escape(INTROS["gmail en"])
    foreign = escape("4. 5. 2026 10.12, Bob Shop <bob@shop.example> kirjutas nii:")
    outlook = "border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"
    older = "border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0in 0in 0in"
    found = [
        Mail(
            "gmail html",
            f'<div dir="ltr">{_div(OWN)}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" '
            f'class="gmail_attr">{intro}<br></div><blockquote class="gmail_quote" style="margin:0">{quoted}'
            "</blockquote></div>",
        ),
        Mail(
            "gmail html, a language nobody listed",
            f'<div dir="ltr">{_div(OWN)}</div><div class="gmail_quote"><div class="gmail_attr">{foreign}</div>'
            f"<blockquote>{quoted}</blockquote></div>",
        ),
        Mail(
            "apple html",
            f'<html><body>{own}<div><br><blockquote type="cite"><div>{intro}</div>{quoted}</blockquote></div></body></html>',
        ),
        Mail(
            "apple html, intro outside",
            f'{own}<div>{intro}</div><blockquote type="cite">{quoted}</blockquote>',
        ),
        Mail(
            "thunderbird html",
            f'<body>{own}<div class="moz-cite-prefix">{foreign}</div><blockquote type="cite" cite="mid:1@x">{quoted}'
            "</blockquote></body>",
        ),
        Mail(
            "yahoo html",
            f'<div class="yahoo-style-wrap">{_div(OWN)}</div><div id="y" class="yahoo_quoted"><div>{foreign}</div>{quoted}</div>',
        ),
        Mail(
            "proton html",
            f'{own}<div class="protonmail_quote">{foreign}<blockquote>{quoted}</blockquote></div>',
        ),
        Mail(
            "outlook.com html",
            f'<div>{own}</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">{_header_html("fr")}</div>{quoted}',
        ),
    ]
    for style, version in ((outlook, "2016"), (older, "2007")):
        found += [
            Mail(
                f"outlook {version} html, {language}",
                f'<html xmlns:o="urn:x"><head><style>p.MsoNormal {{margin:0}}</style></head><body><div class="WordSection1">'
                f'{own}<div><div style="{style}"><p class="MsoNormal">{_header_html(language)}</p></div></div>{quoted}</div>'
                "</body></html>",
            )
            for language in ("en", "de", "it", "pl")
        ]
    big = base64.b64encode(bytes(range(256)) * 900).decode()
    news = "<tr><td><table><tr><td><p>{}</p></td></tr></table></td></tr>"
    found += [
        Mail("no html part but html tags", f"<p>{OWN.replace(chr(10), '<br>')}</p>", absent="<"),
        Mail(
            "a picture inside",
            f'{own}<img src="data:image/png;base64,{big}" alt="Our logo">',
            says=f"{OWN}\n\n[Our logo]",
            absent="base64",
        ),
        Mail(
            "styles and comments",
            f"<style>{'p{color:red} ' * 4000}</style><!-- {'x' * 9000} -->{own}",
            absent="color",
        ),
        Mail("hidden preview", f'<div style="display: none">Preview</div>{own}', absent="Preview"),
        Mail("a script", f"<script>alert('x')</script>{own}", absent="alert"),
        Mail("a list", "<p>Please:</p><ul><li>one</li><li>two</li></ul>", says="Please:\n\n * one\n * two"),
        Mail(
            "a table",
            "<table><tr><td>Chair</td><td>10 EUR</td></tr><tr><td>Desk</td><td>90 EUR</td></tr></table>",
            says="Chair 10 EUR\nDesk 90 EUR",
        ),
        Mail(
            "a newsletter",
            f"<table>{''.join(news.format(word) for word in ('Spring', 'Sale'))}</table>",
            says="Spring\n\nSale",
        ),
        Mail("entities", "<p>5 &lt; 6 &amp; 7 &euro;&nbsp;each</p>", says="5 < 6 & 7 € each"),
        Mail("torn html", f"{own}<div><table><tr><td", absent="<"),
        Mail("deep html", "<div>" * 3000 + "Deep" + "</div>" * 3000, says="Deep"),
    ]
    return found


def _mishaps() -> list[Mail]:
    hello = "Grüße aus Köln: 20 € für Bücher"
    russian = "Здравствуйте, пришлите счёт"
    plain = "Hello Bob, the parcel has not arrived yet. Could you look where it is? Ada"
    return [
        Mail("utf-8 read as latin-1", "GrÃ¼ÃŸe aus KÃ¶ln", "Grüße aus Köln"),
        Mail("utf-8 read as cp1252", hello.encode().decode("cp1252"), hello),
        Mail("russian utf-8 read as latin-1", russian.encode().decode("latin-1"), russian),
        Mail("cp1251 read as latin-1", russian.encode("cp1251").decode("latin-1"), russian),
        Mail("utf-8 read as mac roman", hello.encode().decode("mac_roman"), hello),
        Mail("html read as latin-1", f"<p>{hello}</p>".encode().decode("cp1252"), hello),
        Mail(
            "base64 left in", base64.encodebytes(f"{hello}\n{plain}".encode()).decode(), f"{hello}\n{plain}"
        ),
        Mail(
            "base64 of html",
            base64.encodebytes(f"<p>{hello}</p><p>{plain}</p>".encode()).decode(),
            f"{hello}\n\n{plain}",
        ),
        Mail("quoted-printable utf-8", quopri.encodestring(hello.encode()).decode(), hello),
        Mail(
            "quoted-printable latin-1",
            quopri.encodestring("Grüße: süß, größer".encode("latin-1")).decode(),
            "Grüße: süß, größer",
        ),
        Mail("iso-2022-jp left in", "こんにちは".encode("iso2022_jp").decode("ascii"), "こんにちは"),
        Mail("japanese", "請求書を送ってください。", "請求書を送ってください。"),
        Mail("arabic", "<p dir='rtl'>مرحبا بكم</p>", "مرحبا بكم"),
        Mail("emoji", "Danke 👍🏽", "Danke 👍🏽"),
        Mail(
            "letters that only look wrong",
            "Ångström är på väg, œuvre, Ã la",
            "Ångström är på väg, œuvre, Ã la",
        ),
        Mail("one long word", "Donaudampfschifffahrtsgesellschaft", "Donaudampfschifffahrtsgesellschaft"),
        Mail(
            "an address in angles",
            "See <https://shop.example/a> or <a-b@shop.example>",
            "See <https://shop.example/a> or <a-b@shop.example>",
        ),
        Mail(
            "a form that looks like a header",
            "Name: Ada\nEmail: ada@example.com\nDate: 4. 5. 2026 10:12\nMessage: Hi",
            "Name: Ada\nEmail: ada@example.com\nDate: 4. 5. 2026 10:12\nMessage: Hi",
        ),
        Mail(
            "a sentence like an intro",
            "On Monday he wrote: send it.\nThanks",
            "On Monday he wrote: send it.\nThanks",
        ),
        Mail(
            "a form that asks from where to where",
            "Hello, an offer please:\nFrom: Cologne\nTo: Hamburg\nDate: 12. 6. 2026\nThanks",
            "Hello, an offer please:\nFrom: Cologne\nTo: Hamburg\nDate: 12. 6. 2026\nThanks",
        ),
        Mail("many empty lines", "One\n\n\n\n \n\nTwo", "One\n\nTwo"),
    ]


def _ways_of_quoting() -> list[Mail]:
    forwarded = "---------- Forwarded message ---------\nFrom: Bob <bob@shop.example>\nDate: 4. 5. 2026 10:12\nSubject: x\n\nShall we?"
    intro = INTROS["gmail en"]
    return [
        Mail("answers between", f"{intro}\n> Shall we?\n\nYes\n\n> And the rest?\n\nLater.", "Yes\n\nLater."),
        Mail("answer below", f"{_marked(QUOTED)}\n\n{OWN}"),
        Mail("nothing but a quote", "> Only this", "> Only this"),
        Mail("gmail forward", f"FYI\n\n{forwarded}", f"FYI\n\n{forwarded}", absent="<br><br><br>"),
        Mail(
            "outlook forward",
            f"FYI\n\n{_header('en')}\n\n{QUOTED}",
            f"FYI\n\n{_header('en')}\n\n{QUOTED}",
            "WG: Order",
            "\0",
        ),
        Mail(
            "a forward without a word",
            f"{_header('en')}\n\n{QUOTED}",
            f"{_header('en')}\n\n{QUOTED}",
            "Order",
            "\0",
        ),
        Mail(
            "gmail forward html",
            '<div>FYI</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Bob</div><p>Shall we?</p></div>',
            "FYI\n---------- Forwarded message ---------\nFrom: Bob\n\nShall we?",
            "Fwd: Order",
            "\0",
        ),
        Mail(
            "quoted twice",
            f"{OWN}\n\n{intro}\n> Shall we?\n>\n> On Sun, May 3, 2026 at 9:00 AM Ada wrote:\n>> Hi",
        ),
        Mail(
            "sent from a phone",
            f"Yes\n\nSent from my iPhone\n\n{intro}\n\n{_marked(QUOTED)}",
            "Yes\n\nSent from my iPhone",
        ),
        Mail(
            "signature by dashes",
            f"Yes\n\n-- \nAda Brandt\n\n{intro}\n{_marked(QUOTED)}",
            "Yes\n\n--\nAda Brandt",
        ),
    ]


def _letters() -> list[Mail]:
    """Whole mails as programs and machines write them, and beside each what was read of it and found good."""
    return [
        Mail(
            file.stem,
            file.read_text("utf-8"),
            file.with_suffix(".txt").read_text("utf-8").strip(),
            absent="<div",
        )
        for file in sorted((Path(__file__).parent / "letters").glob("*.html"))
    ]


LETTERS = _letters()
MAILS = [*_texts(), *_htmls(), *_mishaps(), *_ways_of_quoting(), *LETTERS]
