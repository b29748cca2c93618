"""Hard inputs and what de-identification makes of each: the table in docs/deidentification.md.

`python -m tests.handlers.hard_cases` prints it; a test compares it with the page.
"""

from handlers.deidentify import Names
from tests.handlers.deidentifying import deidentifier

BEGINS, ENDS = "<!-- hard cases: begin -->", "<!-- hard cases: end -->"

MARA = Names(client=("Mara Ellery",), therapist=("Ida Voss",))
WILL = Names(client=("Will Markham",))
GRACE = Names(client=("Grace May",))

CASES: tuple[tuple[str, Names], ...] = (
    # names that the directory knows
    ("ELLERY, MARA was seen.", MARA),
    ("mara e. and m. ellery; M.E.", MARA),
    ("Marra Elery cried.", MARA),
    ("mara_ellery88 wrote; so did JaneEllery.", MARA),
    ("Her mother Ruth Ellery and Dr. Voss spoke.", MARA),
    ("Will will mark his progress. Will continue CBT.", WILL),
    ("will said he will come back", WILL),
    ("By the grace of God, Grace may come in May.", GRACE),
    # strangers
    ("her boyfriend Ray and his dog Pepper", Names()),
    ("my wife rosalind and uncle dermot", Names()),
    ("Discussed with T.L. and Yusuf A.", Names()),
    ("Present: Kiran, Boone; absent: Svetlana.", Names()),
    ("MR. OKORO WAS SEEN WITH HIS WIFE.", Names()),
    ("Hope is a theme; faith and joy are values.", Names()),
    # eponyms, drugs, scales
    ("Parkinson's disease; Dr. Parkinson agrees.", Names()),
    ("Beck Depression Inventory 24, Hamilton scale 18.", Names()),
    ("Judith Beck's worksheet was used.", Names()),
    ("Took Zoloft, Abilify and lamotrigine; PHQ-9 12/27.", Names()),
    ("Linehan, Bowlby and Winnicott were read.", Names()),
    # dates and ages
    ("4/10 pain, BP 120/80, seen 4/10.", Names()),
    ("since 2019, in the 1990s, last summer, yesterday", Names()),
    ("in May, on the 9th, every Monday, on Monday", Names()),
    ("May improve. She may 5 times a week.", Names()),
    ("Feb. '25, 3-Feb-25, 20250203, New Year's Eve", Names()),
    ("aged 89; aged 91; a ninety-four-year-old; 93F", Names()),
    ("woke at 3:30, 2-3 times a week, ages 8-10", Names()),
    # places
    ("from Ohio, then Germany, then Tacoma", Names()),
    ("lives in Portland, Oregon 97201", Names()),
    ("at the memory clinic; at Larkspur Clinic", Names()),
    ("works at Pemberton Logistics as a driver", Names()),
    ("on I-84 near Route 9", Names()),
    ("moved to Washington", Names()),
    # numbers
    ("MRN 445 120 99; #E5512090; case no. 24-CV-01877", Names()),
    ("988 or 911, F43.10, CPT 90834, DSM-5, 50 mg", Names()),
    ("cell ends in 4471; SSN ending in 4471", Names()),
    ("handle @imani.c.rises; photo IMG_0412.jpg", Names()),
    # what the text brings
    ("[CLIENT] typed by hand; Mara came.", MARA),
    ('{"name": "Mara Ellery", "dob": "1988-04-17"}', MARA),
    ("Contact: Calquin Satuelo-Miro", Names()),
    ("my sisters name is kaya", Names()),
)


def table() -> str:
    """The cases as a Markdown table."""
    rows = ["| known | text | what leaves |", "|---|---|---|"]
    for text, names in CASES:
        known = ", ".join((*names.client, *(f"{name} (therapist)" for name in names.therapist)))
        left = deidentifier().deidentify(text, names).text
        rows.append(f"| {known} | `{text}` | `{left}` |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())  # noqa: T201
