"""People by the words around them: a title, a word for a relative, a form's field, a degree, initials.

A cue only proposes a name: `guards.py` drops what is none ("Dr. appointment", "Client: Anxious").
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# One capitalised word of a name, without a possessive 's; one gap, which may be the end of a line.
WORD = r"(?:[A-Z]\w{0,40}+(?:'(?!s\b|S\b)\w{1,40}+)?(?:-\w{1,40}+(?:'(?!s\b|S\b)\w{1,40}+)?){0,4}+)"
GAP = r"(?:[ \t]{1,3}|[ \t]{0,3}\r?\n[ \t]{0,8})"
_PARTICLE = r"(?:(?:van|von|der|den|de|del|della|la|le|di|da|dos|du|bin|ibn|al|el|ter|ten|y|st\.?)[ \t]{1,2})"
PERSON = rf"{WORD}(?:(?<=\b[A-Z])\.)?(?:{GAP}{_PARTICLE}{{0,2}}{WORD}(?:(?<=\b[A-Z])\.)?){{0,3}}"
_SMALL = r"[a-z][a-z'-]{1,20}(?:[ \t][a-z][a-z'-]{1,20})?"

_TITLE_WORDS = """
    dr drs doctor mr mrs ms miss mx prof professor rev reverend fr pastor rabbi imam hon honorable
    judge justice nurse officer sgt sergeant lt lieutenant capt captain cpl pvt detective det deputy
    sheriff attorney atty coach principal sir lady dame herr frau senor senora sra mme madame uncle
    aunt auntie aunty tia tio abuela abuelo grandma grandpa granny gran nana cousin brother sister
    father mother counselor cantor elder bishop chaplain
"""
TITLES = frozenset(_TITLE_WORDS.split())
_TITLED = r"""(?<![\w.])(?:(?:Drs?|Doctor|Mrs?|Ms|Miss|Mx|Prof|Professor|Rev|Reverend|Fr|Pastor|Rabbi|Imam|
    Hon|Honorable|
    Judge|Justice|Nurse|Officer|Sgt|Sergeant|Lt|Lieutenant|Capt|Captain|Cpl|Pvt|Detective|Det|Deputy|Sheriff|
    Attorney|
    Atty|Coach|Principal|Sir|Lady|Dame|Herr|Frau|Se[n]or|Se[n]ora|Sra|Mme|Madame|[Uu]ncle|[Aa]unt|[Aa]untie|
    [Aa]unty|
    Tia|Tio|Abuela|Abuelo|Grandma|Grandpa|Granny|Gran|Nana|[Cc]ousin|Chaplain|Bishop|Elder|DR|MR|MRS|PROF|
    REV)(?:\.|(?=\s))
    |MS\.|DRS\.|D\.r)[ \t]{0,2}(?:\r?\n[ \t]{0,8})?"""
_RELATIVE = r"""(?:wife|husband|spouse|partner|fianc[e]{1,2}|girlfriend|boyfriend|gf|bf|ex(?:-?\s?(?:wife|
    husband|boyfriend|
    girlfriend|partner))?|mother|father|mom|mum|dad|mama|papa|parents?|stepmother|stepfather|stepmom|stepdad|
    sister|
    brother|siblings?|twins?|half-?(?:sister|brother)|step-?(?:sister|brother|son|daughter)|son|daughter|
    child|kids?|
    baby|infant|toddler|(?:grand|great-?grand)(?:mother|father|son|daughter|child|ma|pa|parents)|aunt|uncle|
    cousin|niece|
    nephew|(?:mother|father|sister|brother|son|daughter)-in-law|friend|bestie|roommate|housemate|neighbou?r|
    coworker|
    co-worker|colleague|boss|manager|supervisor|employer|landlord|landlady|teacher|tutor|coach|caregiver|
    caretaker|carer|
    aide|guardian|sponsor|buddy|lover|dog|cat|puppy|nanny|babysitter|named|called|aka|a/k/a|alias|nee|dear|
    hi|hello|
    hey|thanks|regards|sincerely|signed)"""
_ROLE = r"""(?:therapist|counselor|psychiatrist|psychologist|physician|
    doctor|nurse|dietitian|attorney|lawyer|pastor|pcp|provider|clinician|facilitator|pt|patient|
    client|student|trainee|intern|veteran|resident|member|caller|informant|nickname|name|cc|attn)"""

_TITLED_PERSON = re.compile(rf"{_TITLED}(?P<id>{PERSON})", re.VERBOSE)
_TITLED_SMALL = re.compile(
    r"(?<![\w.])(?:dr|mr|mrs|ms|miss|prof|uncle|aunt|auntie|grandma|grandpa|nurse|officer|judge|coach)"
    rf"\.?[ \t]{{1,2}}(?P<id>{_SMALL})(?!\w)"
)
_RELATED, _IN_ROLE = (
    re.compile(
        rf"""(?<!\w)(?i:{word})(?:'s)?
        (?:[ \t]{{0,2}}[,:(][ \t]{{0,2}}|[ \t]{{1,2}}(?:(?:is|was)[ \t])?(?:named[ \t]|called[ \t])?|{GAP})
        ["']?(?P<id>{PERSON})""",
        re.VERBOSE,
    )
    for word in (_RELATIVE, _ROLE)
)
_RELATED_SMALL = re.compile(
    rf"""(?<!\w)(?:{_RELATIVE}|{_ROLE})
    (?:[ \t]{{0,2}}[,:(][ \t]{{0,2}}|[ \t]{{1,2}}(?:named[ \t]|called[ \t])?)["']?(?P<id>{_SMALL})(?!\w)""",
    re.VERBOSE,
)
_FIELD = re.compile(
    rf"""(?<!\w)(?i:(?:patient|pt|client|full|legal|preferred|first|last|middle|maiden|given|family|sur|
    birth|provider|
    member|guarantor|subscriber|insured|spouse|mother'?s?|father'?s?|parent|guardian)?[ ]?names?|patient|pt|
    client|provider|
    clinician|therapist|psychiatrist|psychologist|counselor|attending|physician|surgeon|resident|facilitator|
    co-?facilitator|supervisor|supervisee|trainee|author|signed|signature|dictated[ ]by|transcribed[ ]by|
    seen[ ]by|
    prepared[ ]by|completed[ ]by|entered[ ]by|reviewed[ ]by|witness|interviewer|informant|contact|
    emergency[ ]contact|
    next[ ]of[ ]kin|nok|pcp|operator|referred[ ]by|referring|ordering|assigned|case[ ]manager|
    probation[ ]officer|
    cc|attn|from|to|re|spouse)["']?\s?[:=]\s{{0,3}}["']?
    (?P<id>{WORD}(?:{GAP}{WORD})?,[ \t]{{1,2}}{WORD}(?:[ \t][A-Z]\b\.?)?|{PERSON})""",
    re.VERBOSE,
)
_LISTED = re.compile(
    r"(?<!\w)(?i:present|absent|attendees?|participants?|members|attended|in attendance|no.?shows?)"
    r"\s?:\s?(?P<list>[^;.\n]{2,300}(?:\b[A-Z]\.[^;.\n]{0,200})?)"
)
_ITEM = re.compile(rf"{WORD}(?:[ \t]{WORD})?(?:\.(?=,|\Z|;))?")
_DEGREED = re.compile(
    rf"""(?<![\w.'-])(?P<id>(?:{WORD}\.?[ \t]{{1,2}}){{0,3}}{WORD}),?[ \t]{{1,2}}
    (?:M\.?D\.?|D\.?O|Ph\.?\s?D\.?|Psy\.?D\.?|PSYD|LCSW|LICSW|LMSW|LMFT|LPC|LMHC|LCPC|LADC|CADC|RN|R\.N\.|
    LPN|NP|FNP|PMHNP|APRN|
    DNP|PA|PA-C|MSW|BCBA|Ed\.?D|J\.?D|Esq|OTR|DDS|DMD|MFT|PharmD|MBBS|FRCS|FACP|BSN|CNS|CNM|RD|MA|
    M\.A\.)(?![\w'-])""",
    re.VERBOSE,
)
_INITIALS = re.compile(
    rf"(?<![\w.])(?:[A-Z]\.[ ]?){{2,4}}(?!\w)(?:[ \t]{{0,2}}{WORD})?"
    r"|(?<![\w.])(?:[A-Z]\.){1,3}[A-Z](?=[ \t,;)]|$)",
    re.MULTILINE,
)
_SAID_INITIALS = re.compile(
    r"(?<!\w)(?i:initials|initialed|initialled(?: by)?)\s?[:=]?\s?(?P<id>[A-Z][A-Za-z]{1,2}|[a-z]{2,3})(?!\w)"
)
_TYPIST = re.compile(
    r"(?<!\w)(?i:transcribed|dictated|typed|entered)\s(?i:by)(?:\s?:\s?(?P<id>[a-z]{2,4}|[A-Z]{2,4})(?!\w))"
)
_QUOTED = re.compile(
    r"(?<!\w)(?i:aka|a/k/a|goes by|nicknamed?|prefers|preferred name|likes to be called|known as)"
    rf"\s?:?[ \t]{{0,2}}[\"'](?P<id>{PERSON})[\"']"
)
_ABBREVIATED = re.compile(
    r"""(?:U\.?S\.?A?\.?|U\.K\.?|E\.U\.?|P\.O\.?|D\.C\.?|N\.Y\.?(?:C\.?)?|L\.A\.?|A\.M\.?|P\.M\.?|I\.V\.?|
    I\.M\.?|P\.R\.N\.?|B\.I\.D\.?|
    T\.I\.D\.?|Q\.I\.D\.?|Q\.D\.?|Q\.H\.?S?\.?|H\.S\.?|M\.D\.?|D\.O\.?|R\.N\.?|J\.D\.?|M\.A\.?|
    M\.S\.?(?:W\.?)?|B\.A\.?|B\.S\.?|E\.R\.?|E\.D\.?|
    O\.R\.?|I\.Q\.?|I\.D\.?|A\.A\.?|N\.A\.?|N\.P\.?O?\.?|P\.A\.?|T\.V\.?|O\.T\.?|P\.T\.?|S\.I\.?|H\.I\.?|
    A\.D\.?(?:H\.D\.?)?|B\.C\.?|E\.G\.?|I\.E\.?|
    C\.B\.T\.?|D\.B\.T\.?|E\.M\.D\.R\.?|P\.S\.?|R\.?I\.?P\.?|G\.I\.?|C\.C\.?|H\.P\.I\.?|V\.A\.?|
    S\.O\.A\.P\.?|D\.A\.P\.?|B\.I\.R\.P\.?|
    S\.O\.?A?\.?|O\.C\.D\.?|G\.A\.D\.?|R\.?O\.?S\.?|R\.?T\.?C\.?)[ ]?$""",
    re.VERBOSE,
)


_PAIR = re.compile(r"(?<![\w.'/-])[A-Z][a-z]{2,15}[ \t][A-Z][a-z]{2,15}(?![\w'/-]|[ ]?\d)")


class Cue(NamedTuple):
    """Words that may be a name, and how certain the words around them make it."""

    start: int
    end: int
    strong: bool = False  # a title: any word is a name there
    sure: bool = False  # a relative: even an ordinary word with a capital is a name there
    small: bool = False  # written without a capital


def proposals(text: str) -> Iterator[Cue]:
    """Every place where the words around it announce a name."""
    for match in _TITLED_PERSON.finditer(text):
        yield Cue(*match.span("id"), strong=True)
    for match in _RELATED.finditer(text):
        yield Cue(*match.span("id"), sure=True)
    for shape in (_DEGREED, _IN_ROLE, _FIELD, _QUOTED):
        for match in shape.finditer(text):
            yield Cue(*match.span("id"))
    for shape in (_TITLED_SMALL, _RELATED_SMALL):
        for match in shape.finditer(text):
            yield Cue(*match.span("id"), small=True)
    for listed in _LISTED.finditer(text):
        for item in _ITEM.finditer(text, *listed.span("list")):
            yield Cue(*item.span())


def pairs(text: str) -> Iterator[tuple[int, int]]:
    """Two capitalised words in a row."""
    for match in _PAIR.finditer(text):
        yield match.span()


def initials(text: str) -> Iterator[tuple[int, int]]:
    """Initials written as such: "T.L.", "J.M. Carter", "initials: js"; not "b.i.d." or "P.O."."""
    for match in _INITIALS.finditer(text):
        letters = re.match(r"(?:[A-Z]\.[ ]?){1,3}[A-Z]?\.?", match[0])
        if letters and not _ABBREVIATED.match(letters[0]):
            yield match.span()
    for shape in (_SAID_INITIALS, _TYPIST):
        for match in shape.finditer(text):
            yield match.span("id")
