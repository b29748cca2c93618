"""What leaves of a note: placeholders for identifiers, the rest as it was, and nothing after a fault."""

import importlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from handlers.deidentification import models
from handlers.deidentify import Category, DeidentificationFailedError, Names, load, restored
from tests.handlers.deidentifying import deidentified, deidentifier

# --- who is who


def test_people_of_the_directory_have_their_own_placeholders() -> None:
    found = deidentified(
        "Mara Ellery came late. MARA told Dr. Voss that her sister Nell had called; Ms. Ellery wept.",
        client="Mara Ellery",
        therapist="Ida Voss",
        others=("Nell Ellery",),
    )
    assert found.text == (
        "[CLIENT] came late. [CLIENT] told [THERAPIST] that her sister [PERSON_1] had called;"
        " [CLIENT] wept."
    )
    assert dict(found.placeholders) == {
        "[CLIENT]": "Mara Ellery",
        "[THERAPIST]": "Dr. Voss",
        "[PERSON_1]": "Nell",
    }
    assert found.counts == {Category.NAME: 5}


@pytest.mark.parametrize(
    "written",
    [
        "Siobhán O\u2019Neil",
        "SIOBHAN O'NEIL",
        "O'Neil, Siobhan",
        "Siobha\u0301n O\u2019Neil",
        "Siobhán\u00a0O\u2019Neil",
        "Siob\u00adhán O\u2019N\u200beil",
        "Siobhan\nO'Neil",
        "siobhan oneil",
        "S. O'Neil",
        "Siobhan ONeil",
        "Siobhn O'Neill",
    ],
)
def test_a_known_name_is_found_however_it_is_written(written: str) -> None:
    found = deidentified(f"We spoke with {written}, then ended.", client="Siobhán O\u2019Neil")
    assert found.text == "We spoke with [CLIENT], then ended."


def test_a_possessive_stays_readable() -> None:
    assert deidentified("Mara's sister", client="Mara Ellery").text == "[CLIENT]'s sister"


def test_a_name_with_particles_is_one_name() -> None:
    found = deidentified("Seen: Jan van der Berg. Van der Berg left.", client="Jan van der Berg")
    assert found.text == "Seen: [CLIENT]. [CLIENT] left."


def test_a_strangers_name_is_covered_wherever_it_comes_again() -> None:
    found = deidentified(
        "Her boss, Gretchen Vossberg, yelled. Vossberg apologised to Gretchen's team."
    )
    assert found.text == "Her boss, [PERSON_1], yelled. [PERSON_1] apologised to [PERSON_1]'s team."


# --- a name that is a word as well


def test_a_name_that_is_a_word_is_covered_where_it_has_a_capital() -> None:
    found = deidentified("Will arrived. He will mark his progress.", client="Will Markham")
    assert found.text == "[CLIENT] arrived. He will mark his progress."


def test_in_a_note_without_capitals_such_a_name_is_covered_everywhere() -> None:
    found = deidentified("will arrived and said he will try again", client="Will Markham")
    assert found.text == "[CLIENT] arrived and said he [CLIENT] try again"


# --- the list of the rule


@pytest.mark.parametrize(
    ("category", "text", "covered"),
    [
        (
            Category.PLACE,
            "lives at 418 Whitcomb Avenue, Apt 3B, Duluth, MN 55802",
            "lives at [PLACE_1]",
        ),
        (Category.PLACE, "zip code 97331", "zip code [ZIP_1]"),
        (Category.DATE, "seen on 3/4/2025.", "seen on [DATE_1]."),
        (Category.AGE, "a 93-year-old widow", "a [AGE_90+] widow"),
        (Category.PHONE, "call (218) 555-0143 ext. 7", "call [PHONE_1]"),
        (Category.FAX, "fax 612-555-0190", "fax [FAX_1]"),
        (Category.EMAIL, "write to m.quin88@example.org", "write to [EMAIL_1]"),
        (Category.SSN, "SSN 912-64-0033", "SSN [SSN_1]"),
        (Category.MRN, "MRN: TR-448201", "MRN: [MRN_1]"),
        (Category.HEALTH_PLAN, "member ID XQH882014772", "member ID [HEALTH_PLAN_1]"),
        (Category.ACCOUNT, "Account No. 0098-44127", "Account No. [ACCOUNT_1]"),
        (Category.LICENCE, "license PSY-30117", "license [LICENCE_1]"),
        (Category.VEHICLE, "VIN 1FTSX21P05EA12345", "VIN [VEHICLE_1]"),
        (Category.DEVICE, "pump serial number NG1234567H", "pump serial number [DEVICE_1]"),
        (Category.URL, "see https://meet.example.com/r/jb-2291", "see [URL_1]"),
        (Category.IP, "from 203.0.113.45", "from [IP_1]"),
        (Category.BIOMETRIC, "voiceprint VP77120", "voiceprint [BIOMETRIC_1]"),
        (Category.PHOTO, "photo IMG_0412.jpg", "photo [PHOTO_1]"),
        (Category.OTHER, "claim number PD-2024-66190", "claim number [ID_1]"),
    ],
)
def test_each_kind_of_identifier_is_covered(category: Category, text: str, covered: str) -> None:
    found = deidentified(text)
    assert found.text == covered
    assert found.counts == {category: 1}


def test_every_category_has_an_example() -> None:
    tested = test_each_kind_of_identifier_is_covered.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {category for category, _, _ in tested} | {Category.NAME} == set(Category)


def test_the_same_words_have_the_same_placeholder() -> None:
    found = deidentified("On 3/4/2025, not on 3/5/2025; 3/4/2025 it was.")
    assert found.text == "On [DATE_1], not on [DATE_2]; [DATE_1] it was."


# --- there and back


def test_words_come_back() -> None:
    text = "Mara Ellery, MRN 448201, seen on March 3, 2025 at Larkspur Clinic."
    found = deidentified(text, client="Mara Ellery")
    assert found.text == "[CLIENT], MRN [MRN_1], seen on [DATE_1] at [PLACE_1]."
    assert restored(found.text, found.placeholders) == text


def test_a_placeholder_that_the_text_held_before_stays_what_it_is() -> None:
    text = "[CLIENT] and [DATE_1] were typed by hand; Mara came on 3/4/2025."
    found = deidentified(text, client="Mara Ellery")
    assert found.text == "[CLIENT] and [DATE_1] were typed by hand; [CLIENT_2] came on [DATE_2]."
    assert restored(found.text, found.placeholders) == text


def test_an_unknown_placeholder_stays() -> None:
    assert restored("[CLIENT] and [PERSON_9]", [("[CLIENT]", "Mara")]) == "Mara and [PERSON_9]"


def test_words_that_come_back_are_not_read_as_placeholders() -> None:
    pairs = [("[CLIENT]", "[PERSON_1]"), ("[PERSON_1]", "Nell")]
    assert restored("[CLIENT]", pairs) == "[PERSON_1]"


def test_an_empty_text_is_empty() -> None:
    assert deidentified("", client="Mara Ellery") == ("", (), {})


def test_json_stays_json_where_words_are_strings() -> None:
    found = deidentified(
        '{"client": "Mara Ellery", "date": "2025-01-14", "phq9": 12}', client="Mara Ellery"
    )
    assert found.text == '{"client": "[CLIENT]", "date": "[DATE_1]", "phq9": 12}'


# --- it fails closed


def _copied(package: str, into: Path) -> Path:
    found = find_spec(package)
    assert found is not None and found.submodule_search_locations
    return shutil.copytree(found.submodule_search_locations[0], into / package)


@pytest.mark.parametrize(
    ("layer", "package", "file"),
    [
        ("spacy", models.SPACY_PACKAGE, f"{models.SPACY_DIRECTORY}/ner/model"),
        ("rampart", models.RAMPART_PACKAGE, "models/rampart/onnx/model_q4.onnx"),
        ("rampart", models.RAMPART_PACKAGE, "models/rampart/config.json"),
    ],
)
def test_a_model_of_other_bytes_is_not_used(
    layer: str, package: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = _copied(package, tmp_path) / file
    changed.write_bytes(changed.read_bytes() + b"\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(DeidentificationFailedError) as failed:
        load()
    assert failed.value.layer == layer


def test_a_missing_model_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / models.RAMPART_PACKAGE).mkdir()
    (tmp_path / models.RAMPART_PACKAGE / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(DeidentificationFailedError, match=r"^the layer rampart failed$"):
        load()


def test_a_text_that_a_layer_cannot_read_does_not_leave() -> None:
    text = "Mara Ellery wrote \ud800"  # half a character, as broken JSON can hold
    with pytest.raises(DeidentificationFailedError) as failed:
        deidentified(text, client="Mara Ellery")
    assert "Mara" not in str(failed.value)
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


def test_tool_and_models_are_named_with_their_digests() -> None:
    loaded = deidentifier()
    assert loaded.tool == "noteledger-deid/1"
    assert [model.rpartition("sha256:")[2] for model in loaded.models] == [
        models.SPACY_DIGEST,
        models.RAMPART_DIGEST,
    ]


def test_threads_do_not_disturb_each_other() -> None:
    texts = [f"Mara Ellery saw Dr. Okoro in Tacoma, {number} times." * 5 for number in range(12)]
    names = Names(client=("Mara Ellery",))
    alone = [deidentifier().deidentify(text, names) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda text: deidentifier().deidentify(text, names), texts))
    assert together == alone


def test_where_identifiers_stand_is_where_they_are_covered() -> None:
    text = "Mara Ellery called on 3/4/2025."
    spans = deidentifier().identifiers(text, Names(client=("Mara Ellery",)))
    assert [text[span.start : span.end] for span in spans] == ["Mara Ellery", "3/4/2025"]
