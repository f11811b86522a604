"""Whole mails, bytes as they come over the wire, made for this: programs, languages, charsets, encodings and shapes.

`stored` turns one into what Chatwoot keeps of it. Chatwoot looks for the reply itself, and often finds nothing;
here it never does, so that all that is quoted is left to us.
"""

# ruff: noqa: RUF001 - people write in all alphabets
from __future__ import annotations

import email
from base64 import encodebytes
from dataclasses import dataclass, field
from email.header import Header, decode_header, make_header
from html import escape
from itertools import cycle
from quopri import encodestring
from typing import TYPE_CHECKING, Any

from tests.reconciliation.model.mails import HEADERS, INTROS, WHO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class WholeMail:
    """`says` are the lines that its activity must show, `absent` what it must not; `files` come by name."""

    name: str
    raw: bytes
    subject: str
    says: tuple[str, ...]
    absent: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    """What is written and signed, what it answers, in which charsets that can be said, and the phone's own line."""

    subject: str
    reply: str
    signature: str
    quoted: str
    charsets: tuple[str, ...]
    phone: str


WESTERN = ("utf-8", "iso-8859-1", "windows-1252", "iso-8859-15")
LANGUAGES = {
    "en": Language("Order 17", "Yes, two of the blue ones please.\n\nCan they be here by Friday?", "Best regards,\nAda Brandt\nBrandt Ltd, Leeds\n+44 113 496 0000", "Shall we send two or three?\nBob", ("utf-8", "us-ascii", "windows-1252"), "Sent from my iPhone"),
    "de": Language("Auftrag 17", "Ja, zwei von den blauen bitte.\n\nGeht das noch vor Freitag? Wäre schön.", "Mit freundlichen Grüßen\nAda Brandt\nBrandt GmbH, Köln", "Sollen wir zwei oder drei schicken?\nBob", WESTERN, "Von meinem iPhone gesendet"),
    "fr": Language("Commande n° 17", "Oui, deux bleus s'il vous plaît.\n\nSera-ce prêt avant vendredi ?", "Bien à vous,\nAdèle Brandt\nBrandt SARL, Orléans", "On en envoie deux ou trois ?\nBob", WESTERN, "Envoyé de mon iPhone"),
    "es": Language("Pedido nº 17", "Sí, dos de los azules, por favor.\n\n¿Llegarán antes del viernes?", "Saludos,\nÁngela Núñez\nNúñez y Cía., Málaga", "¿Enviamos dos o tres?\nBob", WESTERN, "Enviado desde mi iPhone"),
    "it": Language("Ordine 17", "Sì, due di quelli blu, per favore.\n\nArrivano entro venerdì? Così è perfetto.", "Cordiali saluti\nAda Brandt\nBrandt S.r.l., Forlì", "Ne mandiamo due o tre?\nBob", WESTERN, "Inviato da iPhone"),
    "pt": Language("Encomenda 17", "Sim, dois dos azuis, por favor.\n\nChegam até sexta? É para a exposição.", "Cumprimentos,\nÂngela Brandão\nBrandão Lda, Évora", "Enviamos dois ou três?\nBob", WESTERN, "Enviado do meu iPhone"),
    "pl": Language("Zamówienie 17", "Tak, proszę dwa niebieskie.\n\nCzy dotrą przed piątkiem? Byłoby świetnie.", "Pozdrawiam\nAdelajda Brzęczyk\nŁódź", "Wysłać dwa czy trzy?\nBob", ("utf-8", "iso-8859-2", "windows-1250"), "Wysłane z iPhone'a"),
    "cs": Language("Objednávka 17", "Ano, dva modré prosím.\n\nStihne se to do pátku? Děkuji předem.", "S pozdravem\nAdéla Brandtová\nPlzeň", "Pošleme dva, nebo tři?\nBob", ("utf-8", "iso-8859-2", "windows-1250"), "Odesláno z iPhonu"),
    "ru": Language("Заказ 17", "Да, два синих, пожалуйста.\n\nУспеете до пятницы? Было бы отлично.", "С уважением,\nАда Брандт\nКазань", "Отправить два или три?\nБоб", ("utf-8", "koi8-r", "windows-1251"), "Отправлено с iPhone"),
    "tr": Language("Sipariş 17", "Evet, mavilerden iki tane lütfen.\n\nCuma gününe yetişir mi? Çok iyi olur.", "Saygılarımla\nAda Yıldız\nEskişehir", "İki mi üç mü gönderelim?\nBob", ("utf-8", "iso-8859-9", "windows-1254"), "iPhone'umdan gönderildi"),
    "ja": Language("注文17番の件", "はい、青いものを二つお願いします。\n\n金曜日までに届きますか。", "よろしくお願いいたします。\n佐藤花\n大阪", "二つ、三つ、どちらを送りましょうか。\nボブ", ("utf-8", "iso-2022-jp", "shift_jis", "euc-jp"), "iPhoneから送信"),
    "zh": Language("订单17", "好的,请发两个蓝色的。\n\n星期五之前能到吗?", "此致\n李安\n杭州", "发两个还是三个?\n鲍勃", ("utf-8", "gb2312", "gbk", "gb18030"), "发自我的iPhone"),
}  # fmt: skip
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")


# --- what the programs make of a reply ----------------------------------------------------------


def _intro(language: str, program: str = "gmail") -> str:
    found = INTROS.get(f"{program} {language}", INTROS.get(f"gmail {language}"))
    return found or INTROS["gmail en"]


def _header(language: str, mark: str = "") -> str:
    names = HEADERS.get(language, HEADERS["en"])
    values = (WHO, "04.05.2026 10:12", "Ada <ada@example.com>", LANGUAGES[language].subject)
    return "\n".join(f"{mark}{name}:{mark} {value}" for name, value in zip(names, values, strict=True))


def _marked(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _paragraphs(text: str, style: str = "") -> str:
    parts = (escape(part).replace("\n", "<br>") for part in text.split("\n\n"))
    return "".join(f"<p{style}>{part}</p>" for part in parts)


def _divs(text: str) -> str:
    return "".join(f"<div>{escape(line) or '<br>'}</div>" for line in text.split("\n"))


def _gmail(own: str, language: str) -> tuple[str, str]:
    quoted, intro = LANGUAGES[language].quoted, _intro(language)
    return f"{own}\n\n{intro}\n\n{_marked(quoted)}\n", (
        f'<div dir="ltr">{_divs(own)}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" '
        f'class="gmail_attr">{escape(intro)}<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px '
        f'0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">{_divs(quoted)}</blockquote></div>'
    )


def _outlook(own: str, language: str) -> tuple[str, str]:
    quoted = LANGUAGES[language].quoted
    shown = "<br>".join(f"<b>{escape(line)}</b>" for line in _header(language).split("\n"))
    style = ' class="MsoNormal"'
    return f"{own}\n\n{_header(language)}\n\n{quoted}\n", (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta name="Generator" content="Microsoft Word 15">'
        "<style><!-- p.MsoNormal {margin:0cm; font-size:11.0pt} --></style></head><body lang=EN-US><div class=WordSection1>"
        f'{_paragraphs(own, style)}<p class=MsoNormal><o:p>&nbsp;</o:p></p><div><div style="border:none;border-top:solid '
        f'#E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class=MsoNormal>{shown}</p></div></div>{_paragraphs(quoted, style)}</div></body></html>'
    )


def _outlook_web(own: str, language: str) -> tuple[str, str]:
    quoted, line = LANGUAGES[language].quoted, "_" * 32
    shown = "<br>".join(f"<b>{escape(one)}</b>" for one in _header(language).split("\n"))
    font = '<div class="elementToProof" style="font-family: Aptos, Calibri, sans-serif; font-size: 12pt;">'
    lines = "".join(f"{font}{escape(one) or '<br>'}</div>" for one in own.split("\n"))
    return f"{own}\n{line}\n{_header(language)}\n\n{quoted}\n", (
        f'<html><body dir="ltr">{lines}<div id="appendonsend"></div><hr style="display:inline-block;width:98%" '
        f'tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">{shown}<div>&nbsp;</div></div>{_divs(quoted)}</body></html>'
    )


def _apple(own: str, language: str) -> tuple[str, str]:
    quoted, intro = LANGUAGES[language].quoted, _intro(language, "apple")
    return f"{own}\n\n{intro}\n> \n{_marked(quoted)}\n", (
        '<html><head><meta http-equiv="content-type"></head><body style="overflow-wrap: break-word;">'
        f'{_divs(own)}<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>{escape(intro)}</div><br '
        f'class="Apple-interchange-newline"><div>{_divs(quoted)}</div></blockquote></div><br></body></html>'
    )


def _thunderbird(own: str, language: str) -> tuple[str, str]:
    quoted, intro = LANGUAGES[language].quoted, _intro(language, "thunderbird")
    return f"{intro}\n{_marked(quoted)}\n\n{own}\n", (
        f'<!DOCTYPE html><html><body><div class="moz-cite-prefix">{escape(intro)}<br></div><blockquote type="cite" '
        f'cite="mid:1@shop.example">{_paragraphs(quoted)}</blockquote>{_paragraphs(own)}</body></html>'
    )


def _yahoo(own: str, language: str) -> tuple[str, str]:
    quoted, intro = LANGUAGES[language].quoted, _intro(language, "yahoo")
    return f"{own}\n\n   {intro}  \n \n {quoted}\n", (
        f'<div class="ydp1 yahoo-style-wrap" style="font-family:Helvetica;font-size:16px;">{_divs(own)}</div><div '
        f'id="yahoo_quoted_17" class="yahoo_quoted"><div>{escape(intro)}</div>{_divs(quoted)}</div>'
    )


def _proton(own: str, language: str) -> tuple[str, str]:
    quoted, intro = LANGUAGES[language].quoted, _intro(language)
    return f"{own}\n\n{intro}\n\n{_marked(quoted)}\n", (
        f'<div style="font-family: Arial, sans-serif; font-size: 14px;">{_divs(own)}</div><div '
        f'class="protonmail_quote">{escape(intro)}<br><blockquote class="protonmail_quote" type="cite">{_divs(quoted)}</blockquote></div>'
    )


def _iphone(own: str, language: str) -> tuple[str, str]:
    quoted, intro = LANGUAGES[language].quoted, _intro(language, "apple")
    return f"{own}\n\n{intro}\n\n{_marked(quoted)}\n", (
        '<html><head><meta http-equiv="content-type" content="text/html"></head><body dir="auto">'
        f'{_divs(own)}<div dir="ltr"><br><blockquote type="cite">{escape(intro)}<br><br></blockquote></div><blockquote '
        f'type="cite"><div dir="ltr">{_divs(quoted)}</div></blockquote></body></html>'
    )


def _mutt(own: str, language: str) -> tuple[str, str]:
    """Return what answers line by line; there is no HTML of it."""
    quoted, intro = LANGUAGES[language].quoted, _intro(language, "thunderbird")
    first, _, rest = quoted.partition("\n")
    return f"{intro}\n> {first}\n\n{own}\n\n> {rest}\n", ""


PROGRAMS: dict[str, Callable[[str, str], tuple[str, str]]] = {
    "gmail": _gmail,
    "outlook": _outlook,
    "outlook.com": _outlook_web,
    "apple mail": _apple,
    "thunderbird": _thunderbird,
    "yahoo": _yahoo,
    "proton": _proton,
    "iphone": _iphone,
    "mutt": _mutt,
}

# --- on the wire --------------------------------------------------------------------------------

Part = tuple[str, bytes]
"""Header lines of a part without the last blank one, and its body as it is sent."""


def _sent(body: bytes, how: str) -> bytes:
    match how:
        case "base64":
            return encodebytes(body)
        case "quoted-printable":
            return encodestring(body)
        case _:
            return body


def text_part(text: str, kind: str, charset: str, how: str, declared: str | None = None) -> Part:
    """Return a part of text; `declared` is the charset that it says, "" for none."""
    body = text.replace("\n", "\r\n").encode(charset)
    how = "7bit" if how == "8bit" and body.isascii() else how
    said = charset if declared is None else declared
    parameter = f'; charset="{said}"' if said else ""
    return f"Content-Type: text/{kind}{parameter}\r\nContent-Transfer-Encoding: {how}", _sent(body, how)


def file_part(name: str, kind: str, body: bytes, *, inline: bool = False) -> Part:
    """Return an attached file, or an image that the HTML shows."""
    placed = (
        f'inline; filename="{name}"\r\nContent-ID: <logo@shop.example>'
        if inline
        else f'attachment; filename="{name}"'
    )
    head = f'Content-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: {placed}'
    return head, encodebytes(body)


def together(kind: str, *parts: Part, more: str = "") -> Part:
    """Return some parts as one."""
    mark = f"=_{kind}_{len(parts)}"
    bodies = b"".join(
        b"--" + mark.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts
    )
    return f'Content-Type: multipart/{kind}; boundary="{mark}"{more}', bodies + f"--{mark}--\r\n".encode()


def mail(subject: str, part: Part, charset: str = "utf-8") -> bytes:
    """Return a mail with its headers."""
    written = Header(subject, charset if charset != "us-ascii" else None).encode()
    head = (
        f"From: Ada <ada@example.com>\r\nTo: shop@example.com\r\nSubject: {written}\r\nMIME-Version: 1.0\r\n"
    )
    return head.encode() + part[0].encode() + b"\r\n\r\n" + part[1]


def _lines(*texts: str) -> tuple[str, ...]:
    return tuple(line for text in texts for line in text.split("\n") if line.strip())


def _replies() -> Iterator[WholeMail]:
    """Yield every program in every language; charsets, encodings and shapes take turns."""
    ways = cycle(("quoted-printable", "base64", "8bit"))
    shapes = cycle(("alternative", "html", "plain", "mixed", "related"))
    charsets = {name: cycle(language.charsets) for name, language in LANGUAGES.items()}
    for program, make in PROGRAMS.items():
        for name, language in LANGUAGES.items():
            charset, how, shape = next(charsets[name]), next(ways), next(shapes)
            signature = language.phone if program == "iphone" else language.signature
            plain, markup = make(f"{language.reply}\n\n{signature}", name)
            if charset == "iso-2022-jp" and how == "8bit":
                how = "7bit"
            text = text_part(plain, "plain", charset, how)
            html = text_part(markup, "html", charset, how)
            files: tuple[str, ...] = ()
            if not markup or shape == "plain":
                part = text
            elif shape == "html":
                part = html
            elif shape == "alternative":
                part = together("alternative", text, html)
            elif shape == "mixed":
                files = ("order 17.pdf",)
                pdf = file_part(files[0], "application/pdf", b"%PDF-1.4 " * 200)
                part = together("mixed", together("alternative", text, html), pdf)
            else:
                files = ("logo.png",)
                shown = markup.replace("</body>", "<img src='cid:logo@shop.example'></body>")
                logo = file_part(files[0], "image/png", PIXEL, inline=True)
                part = together("related", text_part(shown, "html", charset, how), logo)
            subject = f"Re: {language.subject}"
            yield WholeMail(
                f"{program}, {name}, {shape}, {charset}, {how}",
                mail(subject, part, charset if charset not in {"gbk", "gb18030", "shift_jis"} else "utf-8"),
                subject,
                _lines(language.reply, signature),
                language.quoted.split("\n", maxsplit=1)[0],
                files,
            )


def _mishaps() -> Iterator[WholeMail]:
    """Yield mails that say another charset than they are in, or none."""
    for name, charset, declared in (
        ("de", "utf-8", "iso-8859-1"),
        ("fr", "utf-8", "windows-1252"),
        ("es", "utf-8", ""),
        ("ru", "utf-8", "iso-8859-1"),
        ("ru", "windows-1251", "iso-8859-1"),
        ("ja", "iso-2022-jp", "us-ascii"),
        ("zh", "utf-8", "x-unknown"),
        ("it", "windows-1252", "iso-8859-1"),
    ):
        language = LANGUAGES[name]
        own = f"{language.reply}\n\n{language.signature}"
        if name == "it":
            own = own.replace("per favore", "\u201cper favore\u201d \u2013 5 \u20ac")
        plain, _ = _gmail(own, name)
        yield WholeMail(
            f"{charset} declared as {declared or 'nothing'}, {name}",
            mail(f"Re: {language.subject}", text_part(plain, "plain", charset, "8bit", declared)),
            f"Re: {language.subject}",
            _lines(own),
            language.quoted.split("\n", maxsplit=1)[0],
        )


def _others() -> Iterator[WholeMail]:
    """Yield what is no plain reply."""
    english = LANGUAGES["en"]
    passed = "---------- Forwarded message ---------\nFrom: Bob Shop <bob@shop.example>\nDate: Mon, May 4, 2026 at 10:12 AM\nSubject: Order 17\nTo: <ada@example.com>"
    yield WholeMail(
        "forwarded by gmail",
        mail(
            "Fwd: Order 17",
            text_part(f"Please see below.\n\n{passed}\n\n{english.quoted}\n", "plain", "utf-8", "8bit"),
        ),
        "Fwd: Order 17",
        _lines("Please see below.", passed, english.quoted),
    )
    inner = mail("Order 17", text_part(english.quoted, "plain", "utf-8", "8bit"))
    attached = (
        'Content-Type: message/rfc822; name="Order 17.eml"\r\nContent-Disposition: attachment; filename="Order 17.eml"',
        inner,
    )
    yield WholeMail(
        "forwarded as a file",
        mail(
            "FW: Order 17",
            together("mixed", text_part("As you asked.\n\nAda", "plain", "utf-8", "8bit"), attached),
        ),
        "FW: Order 17",
        ("As you asked.", "Ada"),
        files=("Order 17.eml",),
    )
    told = "The following message to <bob@shop.exmaple> was undeliverable.\nThe reason for the problem:\n5.1.2 - Bad destination host 'shop.exmaple'"
    status = (
        "Content-Type: message/delivery-status",
        b"Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; bob@shop.exmaple\r\nAction: failed\r\nStatus: 5.1.2\r\n",
    )
    yield WholeMail(
        "a bounce with its report",
        mail(
            "Delivery Status Notification (Failure)",
            together(
                "report",
                text_part(told, "plain", "us-ascii", "7bit"),
                status,
                more="; report-type=delivery-status",
            ),
            "us-ascii",
        ),
        "Delivery Status Notification (Failure)",
        _lines(told),
    )
    invited = "Ada Brandt invites you to a meeting.\n\nWhen: Friday, May 8, 2026 15:00 - 15:30\nWhere: Room 2"
    calendar = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Order 17\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    page = "".join(f"<tr><td>{escape(line)}</td></tr>" for line in _lines(invited))
    event = (
        'Content-Type: text/calendar; charset="utf-8"; method=REQUEST; name="invite.ics"\r\nContent-Disposition: attachment; filename="invite.ics"',
        calendar,
    )
    yield WholeMail(
        "a calendar invitation",
        mail(
            "Invitation: Order 17 @ Fri May 8, 2026 3pm",
            together(
                "mixed",
                together(
                    "alternative",
                    text_part(invited, "plain", "utf-8", "7bit"),
                    text_part(f"<table>{page}</table>", "html", "utf-8", "7bit"),
                ),
                event,
            ),
        ),
        "Invitation: Order 17 @ Fri May 8, 2026 3pm",
        _lines(invited),
        "VCALENDAR",
        ("invite.ics",),
    )
    rows = "".join(
        f"<tr><td>{what}</td><td align=right>{price}</td></tr>"
        for what, price in (("2 × blue", "12.50"), ("Postage", "4.00"))
    )
    bill = f"<html><head><style>td{{padding:4px}}</style></head><body><h1>Invoice 17</h1><p>Dear Ada,</p><table>{rows}</table><p>Total&nbsp;16.50</p><img src='https://shop.example/p.gif' width=1 height=1></body></html>"
    yield WholeMail(
        "html alone, a bill with a table and a pixel",
        mail("Invoice 17", text_part(bill, "html", "utf-8", "quoted-printable")),
        "Invoice 17",
        ("Invoice 17", "Dear Ada,", "2 × blue 12.50", "Postage 4.00", "Total 16.50"),
        "padding",
    )
    legal = "This e-mail is confidential. If you are not the addressee, please delete it."
    yield WholeMail(
        "a disclaimer below the signature",
        mail(
            "Re: Order 17",
            text_part(
                f"{english.reply}\n\n-- \n{english.signature}\n\n{legal}\n\n{INTROS['gmail en']}\n{_marked(english.quoted)}\n",
                "plain",
                "us-ascii",
                "7bit",
            ),
            "us-ascii",
        ),
        "Re: Order 17",
        _lines(english.reply, "--", english.signature, legal),
        "Shall we",
    )


WHOLE_MAILS = [*_replies(), *_mishaps(), *_others()]

# --- in Chatwoot --------------------------------------------------------------------------------


@dataclass(slots=True)
class Stored:
    """A mail as Chatwoot keeps it: the message's content, its attributes, and files by name, type and size."""

    content: str | None
    attributes: dict[str, Any]
    files: list[tuple[str, str, int]] = field(default_factory=list)


def stored(raw: bytes) -> Stored:
    """Return what Chatwoot keeps of a mail: subject, both bodies and files."""
    message = email.message_from_bytes(raw)
    bodies: dict[str, str] = {}
    kept = Stored(None, {"subject": str(make_header(decode_header(message["Subject"])))})
    for part in _parts(message):
        kind, name = part.get_content_type(), part.get_filename()
        payload = part.get_payload(decode=True)
        body = payload if isinstance(payload, bytes) else part.as_bytes()
        if name is not None:
            kept.files.append((name, kind, len(body)))
        elif kind in {"text/plain", "text/html"}:
            bodies.setdefault(kind.removeprefix("text/"), _decoded(body, part.get_content_charset()))
    for kind, key in (("plain", "text_content"), ("html", "html_content")):
        if kind in bodies:
            kept.attributes[key] = {"full": bodies[kind], "reply": bodies[kind], "quoted": ""}
    kept.content = bodies.get("plain")
    return kept


def _parts(message: Any) -> Iterator[Any]:
    if message.get_content_maintype() == "multipart":
        for part in message.get_payload():
            yield from _parts(part)
    else:
        yield message


def _decoded(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or "utf-8", "replace").replace("\r\n", "\n")
    except LookupError:
        return body.decode("utf-8", "replace").replace("\r\n", "\n")
