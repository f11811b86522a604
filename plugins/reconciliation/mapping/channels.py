"""Which type of activity each of Chatwoot's channels becomes: the one table."""

from __future__ import annotations

from dataclasses import dataclass

NOTE = "note"
CALL = "call"
EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's name for people and the type of its activities.

    `type_of_email` is the type where Chatwoot itself says that the conversations is by e-mail: the message's
    content type is `incoming_email`, or the conversation has a mail subject.
    """

    name: str
    type: str = NOTE
    type_of_email: str | None = None


CHANNELS = {
    "Channel::Api": Channel("API", NOTE, type_of_email=EMAIL),
    "Channel::Email": Channel("E-mail", EMAIL),
    "Channel::FacebookPage": Channel("Facebook"),
    "Channel::Instagram": Channel("Instagram"),
    "Channel::Line": Channel("LINE"),
    "Channel::Sms": Channel("SMS", CALL),
    "Channel::Telegram": Channel("Telegram"),
    "Channel::Tiktok": Channel("TikTok"),
    "Channel::TwilioSms": Channel("Twilio", CALL),
    "Channel::TwitterProfile": Channel("Twitter"),
    "Channel::WebWidget": Channel("Website"),
    "Channel::Whatsapp": Channel("WhatsApp", CALL),
}


def channel_of(channel_type: str) -> Channel:
    """Return the channel of a Chatwoot class name such as `Channel::Sms`; unknown ones become notes."""
    return CHANNELS.get(channel_type) or Channel(channel_type.rpartition("::")[2] or "unknown channel")


def activity_type(channel_type: str, *, is_email: bool) -> str:
    """Return the type of the activity for something said in a channel."""
    channel = channel_of(channel_type)
    return channel.type_of_email if is_email and channel.type_of_email else channel.type
