"""Patterns for identifiers with a fixed form: contacts, networks, and numbers after their label.

Every repetition is bounded or possessive, so the time is linear in the length of any text. A
pattern's group `id` is what is covered; without one, the whole match.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from handlers.deidentification.identifiers import Category, Span


class Pattern(NamedTuple):
    """A regular expression, and the least number of digits that a match must hold."""

    category: Category
    shape: re.Pattern[str]
    digits: int = 0


def _pattern(category: Category, shape: str, digits: int = 0) -> Pattern:
    return Pattern(category, re.compile(shape, re.IGNORECASE | re.VERBOSE), digits)


# A number as people write them: "#SF-998877", "1EG4-TE5-MK73", "445 120 99", "GRP 55-20918".
_NUMBER = r"""
    (?P<id> (?:\#\s?)? (?:(?-i:[A-Z]{1,5})[ ](?=\d))? (?=[^\s]{0,20}\d)
        [a-z0-9]++ (?:[-./_:*]{1,2}[a-z0-9]++)*+ (?:[ ](?=[a-z]?\d)[a-z]?\d[a-z0-9-]*+){0,5}+ )
"""
# Between a label and its number: "no.", "ID", "is", ":", "#"; an organisation's name may stand there.
_LINK = r"""
    (?:\s{0,2}[("]?(?:numbers?|num|nos?|nbr|ids?|code|is|was|of|on\ file|under|ending(?:\ in)?|\#)
       (?![a-z])[.]?)*+
    [("]?\s{0,2}[:=\#-]?[("]?\s{0,3}
"""


def _labelled(category: Category, labels: str, digits: int = 2, link: str = _LINK) -> Pattern:
    return _pattern(category, rf"(?<![a-z]) (?:{labels}) (?![a-z]) (?:{link}) {_NUMBER}", digits)


_PHONE = r"""
    (?: (?:\+|\b00)\d{1,3}[\s.-]?(?:\(0\)|\(\d{1,4}\))?(?:[\s.-]?\d{2,5}){2,5}+
      | (?<![\d/.-])\+?1[\s.-]{0,2}\(?\d{3}\)?[\s.-]{0,2}\d{3}[\s.-]{1,2}\d{4}
      | (?:\(\d{3}\)[\s.-]{0,2}|(?<![\d/.-])\d{3}[\s.-]{1,2})\d{3}[\s.-]{1,2}\d{4}
      | (?<![\d/.-])1?\(?\d{3}\)?[\s.-]?\d{3}[\s.-]?\d{4}
      | (?<![\w/.-])[2-9]\d{2}-\d{4}
    ) (?![\d-]) (?:,?\s?(?:x|ext\.?|extension)\s?\d{1,6}\b)?
"""

PATTERNS = (
    _pattern(Category.PHOTO, r"\bdata:image/[a-z.+-]{1,20};base64,[a-z0-9+/=]++"),
    _pattern(
        Category.PHOTO,
        r"(?<![\w/.()-])[\w()-]++(?:\.[\w()-]++){0,6}?\.(?:jpe?g|png|heic|gif|tiff?|bmp|webp|mov|mp4)\b",
    ),
    _pattern(Category.EMAIL, r"(?<![\w.+-])[\w.+%'-]{1,64}+@[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8}"),
    _pattern(
        Category.EMAIL,
        r"\b[\w.+-]{2,40}+\s?[\[(]at[\])]\s?[\w-]{2,40}+\s?(?:[\[(]dot[\])]|\.)\s?[a-z]{2,8}\b",
    ),
    _pattern(Category.URL, r"\b(?:https?|ftp|sftp)://[^\s<>\"'\])},]++"),
    _pattern(Category.URL, r"(?<![\w@.])www\d?\.[^\s<>\"'\])},]++"),
    _pattern(
        Category.URL,
        r"""(?<![\w@.-])(?:[a-z0-9][a-z0-9-]{0,62}\.){1,4}(?:com|org|net|edu|gov|info|biz|io|health|app|example|co\.uk)
        (?![\w-])(?:/[^\s<>\"'\])},]*+)?""",
    ),
    _pattern(
        Category.IP,
        r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.]\d|\d)",
    ),
    _pattern(Category.IP, r"(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"),
    _pattern(
        Category.IP,
        r"(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?(?![\w:])",
        3,
    ),
    _pattern(Category.DEVICE, r"(?<![\w:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])"),
    _labelled(Category.SSN, r"ssn?|soc(?:ial|\.)?\s?sec(?:urity|\.)?|ss\s?\#|itin"),
    _pattern(Category.FAX, rf"\b(?:fax|facsimile|telefax)\b[^\d\n+(]{{0,24}}(?P<id>{_PHONE})"),
    _pattern(Category.FAX, rf"\b(?P<id>{_PHONE})\s?\(?(?:fax|f)\b"),
    _labelled(
        Category.PHONE,
        r"""(?:tele)?phone|tel\.?|ph|cell(?:ular)?(?:\sphone)?|mobile|pager|beeper|voicemail|text(?:ed|s)?|
            call(?:ed)?|ext|whatsapp|landline""",
        6,
    ),
    _pattern(
        Category.VEHICLE,
        r"(?<!\w)(?=[a-hj-npr-z0-9]{0,16}\d)(?=\d{0,16}[a-hj-npr-z])[a-hj-npr-z0-9]{11}\d{6}(?!\w)",
    ),
    _labelled(
        Category.VEHICLE,
        r"vin|(?:licen[sc]e\s)?plates?|vehicle(?:\s(?:tag|reg(?:istration)?))?|tag\s?\#",
    ),
    _labelled(
        Category.BIOMETRIC,
        r"""finger\s?-?prints?(?:[\s-]\w{1,12}){0,2}|(?:retinal?|iris|palm|face|facial|voice|thumb)
            (?:[\s-]?(?:prints?|scans?|templates?|ids?)){1,2}|voice\s?print|face\s?print|biometrics?|
            dna(?:\s(?:profile|sample|kit))?""",
    ),
    _labelled(
        Category.DEVICE,
        r"""s/n|sn|serial(?:\s(?:no|number))?|imei|meid|udi|iccid|device(?:\s(?:id|serial|no|number))?|
            (?:pump|sensor|cgm|pacemaker|implant|stimulator|aid|lead|monitor)\s(?:s/n|sn|serial|id|no|number)|
            lot(?:\s(?:no|number|sn))?""",
        3,
    ),
    _labelled(
        Category.MRN,
        r"""mrns?|mr\s?\#|mr\sno|med(?:ical|\.)?\s?rec(?:ord|\.)?s?|(?:health\s)?records?\s(?:no|number|\#)|
            chart(?:\s(?:no|number|\#)|\#)|patient\s(?:id(?:entifier)?|no|number|\#)|(?:pt|client)\s?(?:id|no|\#)|
            hospital\s(?:id|no|number)|urn?|unit\s(?:no|number)|nhs(?:\s(?:no|number))?|wristband|hosp\s?\#|
            med\srec""",
    ),
    _labelled(
        Category.HEALTH_PLAN,
        r"""(?:health\s)?insurance(?:\s(?:policy|plan|id|member|card|carrier))*|ins(?:ur)?\.?(?:\s(?:plan|id|pol))?|
            insurer|(?:health|ins)\splan|policy|plan|member(?:ship)?|subscriber|beneficiary|medicare|medicaid|hicn|
            mbi|tricare|payer\sid|coverage|group\s(?:no|number|\#|id)|grp|hmo|ppo|blue\s(?:cross|shield)|bcbs|aetna|
            cigna|humana|unitedhealthcare""",
        3,
    ),
    _pattern(
        Category.HEALTH_PLAN,
        r"""\b(?:medicare|medicaid|tricare|aetna|cigna|humana|bcbs|kaiser)
        \s?(?:id|no\.?|number)?[:\s]{0,2}\#\s?[a-z0-9-]++""",
        3,
    ),
    _labelled(
        Category.ACCOUNT,
        r"""acc(?:oun)?t|a/c|invoice|loan|iban|routing|bank|(?:credit|debit|visa|gift)?\s?cards?|visa|mastercard|
            amex|fin|billing|statement|receipt|payment|guarantor""",
        3,
    ),
    _labelled(
        Category.LICENCE,
        r"""(?:driver'?s?'?\s)?licen[sc]es?|lic|dl|npi|dea|certificates?|certification|cert|registration|
            passport|permit|credential|lpc|lcsw|lmft""",
        3,
    ),
    _labelled(
        Category.OTHER,
        r"""case|claim|accession|acc|encounter|enc|visit|order|ref(?:erence|erral)?|confirmation|authori[sz]ation|
            auth|student|employee|emp|badge|file|docket|tax|tin|ein|id(?:entifier)?|identification|tracking|
            specimen|sample|study|ticket|booking|reservation|prescription|rx|incident|report|warrant|inmate|
            booking|service|military|ward\sof|locker|keypad|pin|passcode|cause|petition|complaint""",
        3,
        r"""(?:\s{0,2}(?:numbers?|num|nos?|nbr|ids?|code|\#)(?![a-z])[.]?)++[("]?\s{0,2}[:=\#-]?\s{0,3}
            |\s?[:\#]\s{0,2}""",
    ),
    _pattern(Category.SSN, r"(?<![\w-])\d{3}[- ]\d{2}[- ]\d{4}(?![\w-])"),
    _pattern(Category.PHONE, rf"(?<!\w){_PHONE}"),
    _labelled(
        Category.OTHER,
        r"""(?:va\s|insurance\s|police\s)?(?:claim|case|encounter|accession|docket|petition|order)|username|
            login|user\s?id""",
        4,
    ),
    _pattern(
        Category.OTHER,
        r"""\b(?:user\s?name|user\s?id|screen\s?name|login|log-in|handle|gamertag|discord|snap(?:chat)?|insta(?:gram)?|
            venmo|skype|twitter|tiktok)\b(?:\s(?:is|name|id|handle))?\s{0,2}[:=]?\s{0,2}
            (?P<id>@?(?=[\w.-]{0,30}[\d_.@])[\w.-]{3,40}\b)""",
    ),
    _pattern(Category.OTHER, r"(?<![\w@./])@[a-z](?=[\w.]{2})[\w.]{1,38}\b"),
    _pattern(Category.ACCOUNT, r"(?<![\w-])(?:\d{4}[ -]){3}\d{1,7}(?![\w-])"),
    _pattern(
        Category.ACCOUNT,
        r"(?<!\w)[a-z]{2}\d{2}[ ]?(?:[a-z0-9]{4}[ ]?){2,7}+[a-z0-9]{0,4}(?!\w)",
        10,
    ),
    _pattern(Category.OTHER, r"(?<![\w-])\#\s?(?=[\w-]{0,20}\d)[a-z0-9]++(?:-[a-z0-9]++)*+", 4),
    # Codes without a label: letters and four digits or more, or seven digits in a row.
    _pattern(
        Category.OTHER, r"(?<![\w.-])[a-z]{1,8}[-_/]?\d{5,}[a-z]?\d*(?:-[a-z0-9]++)*+(?![\w])"
    ),
    _pattern(
        Category.OTHER, r"(?<![\w.-])(?-i:[A-Z]{1,6})(?:[-_](?-i:[A-Z0-9]{1,12})){1,6}+(?![\w])", 4
    ),
    _pattern(
        Category.OTHER,
        r"(?<![\w.,/-])(?:\d{7,}|\d{2,}(?:-\d{2,}){2,})[a-z]{0,3}(?![\w,./-]\d|\w)",
        7,
    ),
    _pattern(
        Category.OTHER, r"(?<![\w.,/-])(?!(?:19|20)\d\d-(?:19|20)\d\d\b)\d{4,}-\d{4,}(?![\w-])"
    ),
)

_NO_IDENTIFIERS = re.compile(
    r"(?:dsm|icd|phq|gad|pcl|bdi|scl|cpt|covid|sars|wais|wisc|mmpi|ptsd|caps|t[12]dm|vitamin|section|title)\b",
    re.IGNORECASE,
)


def matches(text: str) -> Iterator[Span]:
    """What the patterns find, pattern by pattern."""
    for category, shape, digits in PATTERNS:
        group = "id" if "id" in shape.groupindex else 0
        for match in shape.finditer(text):
            start, end = match.span(group)
            words = text[start:end]
            if digits and sum(map(str.isdigit, words)) < digits:
                continue
            if _NO_IDENTIFIERS.match(words) or start == end:
                continue
            yield Span(start, end, category)
