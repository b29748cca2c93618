"""Dates in the forms people write them, and ages above 89.

Every element of a date but the year goes (45 CFR 164.514(b)(2)(i)(C)): days, months, weekdays that
name one day, holidays. Years alone, seasons, times of day, "last week" and ages to 89 stay. Whether
"4/10" is a date, or a rating, a fraction or a count, depends on the words around it.
"""

import re
from collections.abc import Iterator

from handlers.deidentification.identifiers import Category, Span

_MONTH = r"""(?:jan(?:uary)?|feb(?:r?uary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|
    oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"""
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:\s?(?:st|nd|rd|th))?"
_YEAR = r"(?:(?:1[89]|20)\d\d|'\d\d)"
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_COUNTED = r"""(?!\s?(?:mg|mcg|ml|g\b|kg|lbs?|units?|tabs?|pills?|times|min(?:ute)?s?|h(?:ou)?rs?|days?|weeks?|
    months?|years?|sessions?|visits?|%|/\s?\d|x\b|percent|people|points?))"""
_TIME = r"(?:[T\s]\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_BEFORE = rf"(?:{_WEEKDAY}\.?,?\s{{1,2}}(?:the\s)?)?"
# "May 3-5", "March 1 to 4", "6/15-7/24": both ends go, with what joins them.
_RANGE = r"(?:\s?(?:-|to|thru|through|&|and|until)\s?)"

_DATES = re.compile(
    rf"""(?<![\w/.-])(?:
      {_BEFORE}{_MONTH}\s{{0,2}}{_DAY}(?:{_RANGE}{_DAY}(?!\d|\s?(?:mg|weeks|
      days)))?(?:,?\s{{0,2}}{_YEAR}(?!\d))?{_COUNTED}
      | {_BEFORE}{_DAY}(?:{_RANGE}{_DAY})?[\s-]{{0,2}}(?:of\s)?{_MONTH}(?![a-z])(?:,?[\s-]{{0,2}}(?:{_YEAR}|
      \d\d(?![\d:])))?
      | {_MONTH}(?:\s?[/,-]?\s{{0,2}}(?:of\s)?){_YEAR}(?!\d)
      | {_BEFORE}(?:1[89]|20)\d\d([-/.])(?:1[0-2]|0?[1-9])\1(?:3[01]|[12]\d|0?[1-9])(?!\d){_TIME}
      | {_BEFORE}(?:3[01]|[12]\d|0?[1-9])([-/.])(?:3[01]|[12]\d|0?[1-9])\2(?:(?:1[89]|20)\d\d|\d\d)(?![\d%]|
      [.]\d){_TIME}
      | (?:1[0-2]|0?[1-9])[/-](?:19|20)\d\d(?![\d-])
      | (?:19|20)\d\d(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?:T\d{{4,6}}Z?)?(?!\w)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)

_HOLIDAYS = re.compile(
    rf"""(?<!\w)(?:new\s+year'?s?\s+(?:eve|day)|christmas(?:\s+(?:eve|day))?|xmas|thanksgiving(?:\s+day)?|
    easter(?:\s+sunday)?|
    halloween|valentine'?s?\s+day|(?:independence|labor|memorial|veterans'?|mother'?s|father'?s|mlk|
    presidents'?)\s+day|
    juneteenth|(?:the\s+)?(?:4th|fourth)\s+of\s+july|
    st\.?\s+patrick'?s\s+day)(?:,?\s+(?:of\s+)?{_YEAR})?(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)

# A month alone needs a capital, and a word that sets it in time where it is a name or a word as well.
_MONTHS = re.compile(
    r"""(?<![\w-])(?:(?:[Ll]ast|[Tt]his|[Nn]ext)\ (?:January|February|March|April|May|June|July|August|
    September|October|
      November|December|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\.?
    | (?:January|February|September|October|November|December|JANUARY|FEBRUARY|SEPTEMBER|OCTOBER|
      NOVEMBER|DECEMBER)(?:'s)?
    | (?<=\b[Ii]n\ )(?:March|April|May|June|July|August|(?:Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\b\.?)
    | (?<=\b(?:of|by)\ )(?:March|April|June|July|August|(?:Jan|Feb|Apr|Aug|Sept?|Oct|Nov|Dec)\b\.?)
    | (?:(?<=since\ )|(?<=until\ )|(?<=\blast\ )|(?<=\bnext\ )|(?<=\bthis\ )|(?<=\bmid-)|(?<=\bmid\ )|
    (?<=\blate\ )
      |(?<=early\ )|(?<=during\ )|(?<=before\ )|(?<=after\ )|(?<=\bfrom\ ))
      (?:March|April|May|June|July|August|(?:Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\b\.?)
    )(?![\w'])""",
    re.VERBOSE,
)

_WEEKDAYS = re.compile(
    r"""(?<![\w-])(?<!every\ )(?<!each\ )(?<!Every\ )(?<!Each\ )(?<!most\ )
    (?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun|MON|TUES|WEDNES|THURS|FRI|SATUR|SUN)(?:day|DAY)
    (?:,?\ the\ \d{1,2}(?:st|nd|rd|th))?(?!\w|-)
    | (?<![\w-])(?<!every\ )(?:mon|tues|wednes|thurs|fri|satur|sun)day(?:,?\ the\ \d{1,2}(?:st|nd|rd|
    th))?(?!\w|-)""",
    re.VERBOSE,
)

# "since the 9th.", "on the 14th", but not "the 9th session" or "the 95th percentile".
_DAYS_OF_MONTH = re.compile(
    r"""(?:(?<=\bon\ )|(?<=\bby\ )|(?<=since\ )|(?<=until\ )|(?<=\bfrom\ )|(?<=before\ )|(?<=after\ ))
    the\ (?:3[01]|[12]?\d)(?:st|nd|rd|th)(?=\s*(?:[.,;:?!)]|$|at\b|and\b|to\b|for\b|with\b|when\b|
    because\b))""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)

_MONTH_AND_DAY = re.compile(
    r"""(?<![\w/.,$-])(?P<weekday>(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\ )?
    (?P<month>1[0-2]|0?[1-9])(?P<sign>[/-])(?P<day>3[01]|[12]\d|0?[1-9])
    (?:\s?(?:-|to|thru|through|&|and|until)\s?(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9]))?(?![\w/-]|\.\d|
    ,\d)""",
    re.VERBOSE | re.IGNORECASE,
)
_DATED = re.compile(
    r"""(?:\b(?:on|since|by|until|till|from|seen|dated?|dob|admit(?:ted)?|adm|discharged?|visit|session|next|
    due|labs?|of|
    starting|started|start|ending|f/u|appt|appointment|rtc|d/c'?d?|return|through|thru|between|before|after|
    last|lmp|
    birthday|anniversary|born|dos|follow-?up|scheduled|evaluated|clinic|hosp(?:ital)?|office|center|school|
    mon|tues?|wed|thurs?|fri|sat|sun|(?:mon|tues|wednes|thurs|fri|satur|sun)day),?:?|[(@])\s{0,2}$""",
    re.IGNORECASE | re.VERBOSE,
)
_RATED = re.compile(
    r"""\b(?:mmse|moca|phq(?:-?\d)?|gad(?:-?7)?|score[sd]?|scale|pain|mood|anxiety|depression|rate[sd]?|
    rating|suds?|
    strength|motor|reflex(?:es)?|power|gcs|apgar|level|pulses|bp|murmur|gleason|is|was|a|about|to|at|vision|
    than|nearly)
    \s?[:=(]?\s{0,2}$""",
    re.IGNORECASE | re.VERBOSE,
)
_COUNTED_AFTER = re.compile(
    r"""\s?(?:pain|strength|tab|cup|of\b|mg|ml|mm|systolic|criteria|items?|symptoms?|sessions?|questions?|
    correct|points?|
    days?|weeks?|nights?|meals?|bilat|throughout|intensity|severity|scale|x\b|times|hours?|hrs?|min|months?|
    years?|yrs?|
    servings?|drinks|word|objects|in\ all|blocks?|lb|kg|per\b|a\ (?:day|week))""",
    re.IGNORECASE | re.VERBOSE,
)

_ONE_TO_NINE = "(?:one|two|three|four|five|six|seven|eight|nine)"
_NINETIES = rf"(?:ninety(?:[\s-]?{_ONE_TO_NINE})?|(?:one|a)\s+hundred(?:\s+and)?(?:\s+(?:{_ONE_TO_NINE}|ten))?)"
_OLD = rf"(?:9\d|1[01]\d|12[0-5]|{_NINETIES})"
_AGES = re.compile(
    rf"""(?<![\w.,/-])(?:
      {_OLD}[\s-]{{0,2}}(?:(?:years?|yrs?|y)[\s-]{{0,2}}(?:olds?|of\s+age|o\b)|y\.?\s?/?o\.?(?!\w)|
      yr(?=\s+(?:male|female|man|woman|m\b|f\b)))
      | (?:aged?|age\s?[:=]|turn(?:ed|s|ing)|at\s+age|age\s+of)\s{{0,3}}(?P<id>{_OLD})(?!\d|\s?(?:%|mg|
      minutes|months|days))
      | {_OLD}(?:st|nd|rd|th)\s+birthday
      | (?<=\ba\ ){_OLD}\s?[MFmf](?=\s+(?:with|w/|who|c/o|presents?|presenting|BIBA|s/p|admitted|seen|here|
      found)\b)
      | ^{_OLD}\s?[MF](?=\s)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)


def matches(text: str) -> Iterator[Span]:
    """Dates and high ages, as spans."""
    for shape in (_DATES, _HOLIDAYS, _MONTHS, _WEEKDAYS, _DAYS_OF_MONTH):
        for match in shape.finditer(text):
            yield Span(*match.span(), Category.DATE)
    for match in _MONTH_AND_DAY.finditer(text):
        if _is_date(text, match):
            yield Span(*match.span(), Category.DATE)
    for match in _AGES.finditer(text):
        yield Span(*match.span(), Category.AGE)


def _is_date(text: str, match: re.Match[str]) -> bool:
    """Whether "m/d" or "m-d", without a year, is a date."""
    before = text[max(0, match.start() - 24) : match.start()]
    if match["weekday"]:
        return True
    if _COUNTED_AFTER.match(text, match.end()):
        return False
    if match["sign"] == "-":
        # "3-4 times", "ages 8-10", "10-12": a range, unless it is written with zeros as dates are.
        return match["month"][0] == "0" and len(match["day"]) == 2 and bool(_DATED.search(before))
    if _RATED.search(before):
        return False
    looks_dated = match["month"][0] == "0" or match["day"][0] == "0" or int(match["day"]) > 12
    return looks_dated or bool(_DATED.search(before)) or not before.strip() or before.endswith("\n")
