"""Mentions of suicide, self-harm, violence or abuse, which no draft may leave out.

A list of phrases, not a judgement: it decides what is kept, never what is concluded.
"""

import re
from collections.abc import Iterable

# Of words in lower case with a space between them, so "self-harm" is "self harm".
CONCERN = re.compile(
    r"""\b(?: suicid\w* | homicid\w* | overdos\w* | self\ harm\w* | abus(?:e|ed|es|ing|ive)
    | (?:hurt|harm|kill|cut|burn)(?:s|ing|ting|ed)?\ (?:my|your|him|her|our|your|them)\ ?sel(?:f|ves)
    | (?:hurt|harm|kill)(?:ing)?\ (?:others|other\ people|people|some\w+|any\w+|him|her|them)
    | (?:end|ending|take|taking)\ (?:my|your|his|her|their)\ (?:own\ )?li(?:fe|ves)
    | (?:want|wanted|wish|wished|better|better\ off|rather)\ (?:that\ |if\ |to\ )?
      (?:(?:i|you|he|she|they)\ (?:was|were)\ |be\ )?(?:die|dead|gone)
    | (?:want|wanted)\ to\ (?:live|be\ here|be\ alive|wake\ up)
    | (?:thoughts?|thinking)\ (?:of|about)\ (?:death|dying|cutting)
    | the\ cutting | (?:i|you|he|she)\ (?:have\ n\ t\ |haven\ t\ |had\ n\ t\ |hadn\ t\ )?cut\ (?:since|again|on)
    | (?:hits?|beats?|raped?|molest\w*|assault\w*|strangle[ds]?|choke[ds]?)\ (?:me|us|you|her|him|them)
    )\b""",
    re.VERBOSE,
)


def is_concern(words: Iterable[str]) -> bool:
    """Whether the words, in lower case, mention one of them."""
    return CONCERN.search(" ".join(words)) is not None
