"""Places smaller than a state: addresses, zip codes, cities beside their state, and institutions.

States and countries stay where they stand alone; they go where they belong to an address.
"""

import re
from collections.abc import Iterator

from handlers.deidentification.identifiers import Category, Span
from handlers.deidentification.vocabulary import Vocabulary

_STATE_NAMES = """
    alabama, alaska, arizona, arkansas, california, colorado, connecticut, delaware, florida,
    georgia, hawaii, idaho, illinois, indiana, iowa, kansas, kentucky, louisiana, maine, maryland,
    massachusetts, michigan, minnesota, mississippi, missouri, montana, nebraska, nevada, new
    hampshire, new jersey, new mexico, north carolina, north dakota, ohio, oklahoma, oregon,
    pennsylvania, rhode island, south carolina, south dakota, tennessee, texas, utah, vermont,
    virginia, west virginia, wisconsin, wyoming, puerto rico, ontario, quebec, british columbia,
    alberta
"""
STATES = frozenset(" ".join(state.split()) for state in _STATE_NAMES.split(","))
_CODE = """(?:A[KLRZ]|C[AOT]|D[CE]|D\\.C\\.|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|PR|RI|
    S[CD]|T[NX]|UT|V[AT]|W[AIVY])"""
_NAMES = "|".join(
    state.title().replace(" ", r"\ ") for state in (*STATES, "new york", "washington")
)
STATE = rf"(?:{_NAMES}|{_CODE})"
_ZIP = r"(?:\d{5}(?:-\d{4})?)"
_GAP = r"(?:[ \t]{1,3}|[ \t]{0,2}\r?\n[ \t]{0,8})"
_CAP = r"[A-Z][\w'.-]{0,40}+"
_STREET = r"""(?:St(?:reet)?|Ave(?:nue)?|R(?:oa)?d|Blvd|Boulevard|L(?:a)?ne?|Dr(?:ive)?|C(?:our)?t|
    Pl(?:ace)?|Way|
    Ter(?:race)?|Circle|Cir|Pkwy|Parkway|Hwy|Highway|Sq(?:uare)?|Trail|Trl|Loop|Plaza|Row|Alley|Crescent|
    Close|Turnpike|Pike|Broadway|Run|Crossing|Path|Expressway|Mews|Walk|Broadway)\b\.?"""
_UNIT = r"""(?:,?[ \t]?(?:Apt|Apartment|Suite|Ste|Unit|Rm|Room|Floor|Fl|Bldg|Building|Lot|Trailer|\#)\.?
    [ \t]?\#?[ \t]?[\w-]{1,8})"""
_REST = rf"""(?:,?{_GAP}{_CAP}(?:[ \t]{_CAP}){{0,3}}(?=,|{_GAP}{STATE}\b))?(?:,?{_GAP}{STATE}\b\.?)?
    (?:,?{_GAP}{_ZIP}\b)?"""

_ADDRESS = re.compile(
    rf"""(?<![\w.,/-])\d{{1,6}}(?:-\d{{1,5}}|[A-Za-z]|[ ]1/2)?[ \t]{{1,2}}["']?
    (?P<street>(?:(?:(?:[NSEW]|[NS][EW])\b\.?|\d{{1,3}}(?:st|nd|rd|th)|[A-Za-z][\w'.-]{{0,40}}+["']?){_GAP}){{1,4}}?
    (?i:{_STREET}))(?!\w)(?:[ \t][NSEW]{{1,2}}\b\.?)?
    {_UNIT}?(?:{_REST}|(?:,{_GAP}{_CAP}(?:[ \t]{_CAP}){{0,2}})(?=[\s,.;)?!]|$))""",
    re.VERBOSE,
)
# "for 2 weeks then on the way": a number, some words and a "way" make no address.
_NO_STREET = re.compile(
    r"""\b(?:mg|mcg|ml|of|for|to|and|the|with|in|on|a|is|was|per|hours?|days?|weeks?|years?|months?|minutes?|
    times?|
    sessions?|who|that|his|her|old|male|female|history|from|by|visit|then|at|has|had|or|said|seen|she|he)\b""",
    re.VERBOSE,
)
_ROAD = re.compile(
    r"""(?<![\w-])(?:(?:[NSEW]\.?|North|South|East|West)[ \t])?
    (?:[A-Z][\w'-]{0,40}+[ \t]|\d{1,3}(?:st|nd|rd|th)[ \t]){1,3}
    (?:Street|Avenue|Ave\b\.?|Road|Boulevard|Blvd\b\.?|Lane|Drive|Parkway|Pkwy\b\.?|Turnpike)(?!\w)
    | (?<!\w)(?:Route|Rte\.?|Highway|Hwy\.?|Interstate|US)[ \t-]\d{1,3}(?!\w|[%/]|\.\d)
    | (?<![\w-])I-\d{1,3}(?!\w|-)""",
    re.VERBOSE,
)
_BOX = re.compile(rf"(?<!\w)(?i:P\.?[ ]?O\.?[ ]?Box|PSC|Box)[ \t]\#?\d{{1,7}}{_REST}", re.VERBOSE)
_CITY_STATE = re.compile(
    rf"""(?<![\w-])(?P<city>[A-Z][a-z][\w'.-]{{0,40}}+(?:[ \t][A-Z][\w'.-]{{0,40}}+){{0,2}}|
    [A-Z]{{3,}}(?:[ \t][A-Z]{{3,}}){{0,2}})
    (?:,[ \t]{{0,2}}(?:{_GAP})?{STATE}(?!\w|-|\.\w)(?:,?[ \t]{{0,2}}{_ZIP}\b)?
      | [ \t]{_CODE}[ \t,]{{1,2}}{_ZIP}\b)""",
    re.VERBOSE,
)
_DEGREE = re.compile(r"\b(?:MD|PA|MA|MS|ND|DC)$")
_ZIP_CODE = re.compile(
    rf"""(?<!\w)(?i:zip(?:\s?code)?|post(?:al\s?)?code)\s?(?i:is|of)?\s?[:\#]?\s?(?P<said>{_ZIP})(?!\w)
    | (?<!\w){STATE}[ \t,]{{1,2}}(?P<state>{_ZIP})(?![\w-])
    | (?<!\w)(?P<canada>[ABCEGHJ-NPRSTVXY]\d[A-Z]\s\d[A-Z]\d)(?!\w)
    | (?<![\w-])(?P<long>\d{{5}}-\d{{4}})(?![\w-])""",
    re.VERBOSE,
)

# The last word of an institution's name; the words before it must be a name.
_KIND = r"""(?:Hosp(?:itals?)?\b\.?|Clinics?|Infirmary|Med(?:ical)?\.?[ \t]C(?:ente|ent|t)?r\b\.?|Cent(?:er|
    re)s?|
    Health[ \t]?[Cc]are|Health[ \t]Systems?|Health|Hospice|Sanatorium|Medicine|Practice|Associates|Pharmacy|
    Drugs?|
    Laborator(?:y|ies)|Imaging|Office|Branch|Campus|University|College|Academy|Institute|School[ \t]District|
    School|
    Elementary|Kindergarten|Preschool|Daycare|Seminary|Church|Temple|Mosque|Synagogue|Parish|Cathedral|Chapel|
    Monastery|Nursing[ \t]Home|Assisted[ \t]Living|Manor|Lodge|Apartments|Towers|Estates|Residences?|Shelter|
    Prison|
    Jail|Penitentiary|Facility|Barracks|Library|Museum|Mall|Hotel|Motel|Inn|Park|Airport|Station|County|
    Township|
    Village|Borough|Bridge|Beach|Lake|Island|Court(?:house)?|Foundation|Inc\b\.?|LLC|LLP|Corp(?:oration)?\b\.?|
    Ltd\b\.?|PLC|Company|Co\.|Industries|Enterprises|Logistics|Bank|Airlines|Restaurant|Bakery|Diner|Cafe|
    Agency|
    Partners|Consulting|Construction|Motors|Group|ER|ICU
    |(?:General|Memorial|Regional|Presbyterian|Methodist|Medical|Med)(?![ \t]{1,2}[A-Z]))(?!\w)"""
_LEAD = r"[A-Z][\w.'&/-]{0,40}+"
_INSTITUTION = re.compile(
    rf"""(?<![\w-])(?P<lead>(?:{_LEAD}{_GAP}(?:(?:of|and|&|for|the|
    de)[ \t]{{1,2}}(?:the[ \t])?)?){{1,6}}){_KIND}
    (?:,?[ \t](?:Inc|LLC|LLP|Ltd|PLC)\b\.?)?
    (?:[ \t]{{1,2}}(?:of|at|in|for)[ \t]{{1,2}}(?:the[ \t])?{_LEAD}(?:[ \t]{_LEAD}){{0,2}}|
    [ \t]{_LEAD}(?=[ \t]on\b))?""",
    re.VERBOSE,
)
_OF_SOMETHING = re.compile(
    rf"""(?<!\w)(?:(?:State[ \t])?University|College|School|(?:Children's[ \t])?Hospital|Church|Bank|County|
    City|Town|
    Diocese)(?:[ \t](?:Hospitals?|Clinics?))?[ \t](?:of[ \t])?(?:the[ \t])?{_LEAD}(?:[ \t]{_LEAD}){{0,2}}""",
    re.VERBOSE,
)
_SAINT = re.compile(
    r"""(?<!\w)(?:St|Saint|Mt|Mount|Ft|Fort|Our[ \t]Lady[ \t]of)\b\.?[ \t][A-Z][\w-]{0,40}+(?:'s|s')?
    (?:[ \t](?:Hospital|Clinic|Hosp\b\.?|Medical[ \t]Center|Church|School|Parish|Academy|University|
    College)(?!\w))?""",
    re.VERBOSE,
)
_SMALL = re.compile(
    r"""(?<!\w)(?P<lead>(?:[a-z][a-z'-]{2,20}[ \t]){1,2})
    (?:church|hospital|clinic|elementary(?:[ \t]school)?|high[ \t]school|middle[ \t]school|college|
    university|county|
    apartments|nursing[ \t]home|medical[ \t]center)(?!\w)""",
    re.VERBOSE,
)
_EMPLOYED = re.compile(
    rf"""(?<!\w)(?i:works?|worked|working|employed|job|shifts?|career|intern(?:s|ed|ing|ship)?|manager|
    cashier|hired|
    fired|laid[ ]off|retired|resigned|interview(?:ed)?|volunteers?|student|studies|studied|enrolled|attends|
    graduated|transferred|sophomore|freshman)[ ](?:(?:part|full)[ -]time[ ])?
    (?:as[ ](?:an?[ ])?(?:[a-z]{2, 20}[ ]){1, 3})?(?:at|by|for|from)[ ](?:the[ ])?
    (?P<id>{_LEAD}(?:[ ](?:and|&|of)[ ]{_LEAD}|[ ]{_LEAD}){{0,3}})""",
    re.VERBOSE,
)
# Words for a type of institution.
_GENERIC_WORDS = """
    the our this that a an my his her their local regional outpatient inpatient emergency mental
    behavioral behavioural psychiatric community health healthcare medical primary care pain sleep
    memory urgent day detox crisis partial intensive residential acute sober men's women's
    children's student college elementary middle high junior school nursing senior family group
    internal sports walk-in virtual telehealth public private state county city federal national
    veterans va new old into recreational main some any each another same eating disorder anxiety
    trauma recovery treatment therapy counseling wellness rehab rehabilitation surgical surgery
    oncology cardiology neurology pediatric adult adolescent child geriatric ob gyn dialysis
    infusion fertility dental eye skin wound stroke heart cancer diabetes is was in at from to and
    or of for with by near on after before since last next previous prior rapid free evaluated seen
    treated admitted assessment plan subjective objective trustworthy supreme superior juvenile
    probate district homeless domestic violence call follow follow-up visit went going left
    discharged wells framingham social security executive past attorney surgeon visited medication
    treatments effects options drug side quality problem support process psychotherapy supervision
    peer focus study research control skills parenting process-oriented dbt cbt aa na he she they it
    i we patient client pt updated home work current
"""
GENERIC = frozenset(_GENERIC_WORDS.split())


def matches(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Addresses, roads, zip codes, and cities and institutions that are named as such."""
    for match in _ADDRESS.finditer(text):
        if not _NO_STREET.search(match["street"]):
            yield Span(*match.span(), Category.PLACE)
    for shape in (_ROAD, _BOX, _SAINT):
        for match in shape.finditer(text):
            yield Span(*match.span(), Category.PLACE)
    for match in _CITY_STATE.finditer(text):
        city = match["city"].lower()
        # "Linda Thompson, MD": a degree, unless it is a known city, or a zip code follows.
        is_degreed = vocabulary.is_name(city.split()[-1]) and city not in vocabulary.places
        if city not in GENERIC and not (is_degreed and _DEGREE.search(match[0])):
            yield Span(*match.span(), Category.PLACE)
    for match in _ZIP_CODE.finditer(text):
        assert match.lastgroup, "each alternative is a group"
        yield Span(*match.span(match.lastgroup), Category.PLACE)
    yield from _institutions(text)


def known(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Cities and institutions of the lists, if they are written with a capital."""
    words = list(_NAME_WORD.finditer(text))
    for index, word in enumerate(words):
        if not word[0][0].isupper():
            continue
        for length in (4, 3, 2, 1):
            last = words[index + length - 1 : index + length]
            if not last or last[0].end() - word.start() > 40:
                continue
            phrase = " ".join(text[word.start() : last[0].end()].lower().split())
            listed = phrase in vocabulary.places or phrase in vocabulary.institutions
            if text[last[0].end() : last[0].end() + 1] == "-":
                continue  # "Stanford-Binet"
            if listed and (length > 1 or not _is_ambiguous(phrase, vocabulary)):
                yield Span(word.start(), last[0].end(), Category.PLACE)
                break


_NAME_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*\.?(?<!\w\w\w\.)")
_AMBIGUOUS_WORDS = """
    mobile bend providence concord queens rush duke sutter reading orange medford hollywood flint
    erie manhattan wilmington hampton mesa columbia
"""
_AMBIGUOUS = frozenset(_AMBIGUOUS_WORDS.split())


def _is_ambiguous(word: str, vocabulary: Vocabulary) -> bool:
    return word in _AMBIGUOUS or vocabulary.is_name(word) or word in vocabulary.eponyms


def _institutions(text: str) -> Iterator[Span]:
    if text.isupper() and len(text.title()) == len(text):
        text = text.title()  # where all is written large, every word may be a name's
    for shape in (_INSTITUTION, _SMALL):
        for match in shape.finditer(text):
            start = _named_from(match)
            if start is not None:
                yield Span(start, match.end(), Category.PLACE)
    for match in _OF_SOMETHING.finditer(text):
        yield Span(*match.span(), Category.PLACE)
    for match in _EMPLOYED.finditer(text):
        words = match["id"].lower().split()
        if any(word not in GENERIC and word not in STATES for word in words):
            yield Span(*match.span("id"), Category.PLACE)


_WORD = re.compile(r"\S+")


def _named_from(match: re.Match[str]) -> int | None:
    """The start of the institution's own name; None for a bare type, such as "the clinic"."""
    words = list(_WORD.finditer(match.string, *match.span("lead")))
    own = [word for word in words if word[0].lower().strip(".,:;") not in GENERIC]
    if own and words[-1][0].islower() and own[-1] is not words[-1]:
        return None
    if not own:
        # "City Hospital", "General Hospital", both with a capital, are names; "Memory Clinic" is none.
        return (
            match.start()
            if words[-1][0] in {"City", "General", "County", "State", "Community"}
            else None
        )
    first = words.index(own[0])
    # What ends a sentence, a heading or a clause before it belongs to that.
    for index, word in enumerate(words[:-1]):
        if word[0][-1] in ":;" or (word[0].endswith(".") and len(word[0]) > 4):
            first = max(first, index + 1)
    return words[first].start()
