"""The history of therapist notes, operations 6 to 10: the 10 newest, amendments, withdrawals."""

from domain.value import PSYCHOTHERAPY
from tests.api.clinic import COLIN, COLIN_TREATS_CLARA, Clinic, note, put
from tests.samples import ALMA, BRUNO, BRUNO_TREATS_DAVID, CLARA, DAVID, PROGRESS

SIGNATURE = "QWxtYSBBcmVuZHM="


def _texts(clinic: Clinic) -> list[str]:
    return [entry["data"] for entry in clinic.alma.look_up("/data/history/")]


def test_each_save_is_an_entry_and_ids_only_grow(clinic: Clinic) -> None:
    ids = [clinic.alma.save_note("first")["history"]["id"]]
    note_id = clinic.alma.get("/data/").json()[0]["id"]
    for text in ("second", "third"):
        ids.append(clinic.alma.save_note(text, id=note_id)["history"]["id"])

    assert ids == sorted(set(ids))
    newest_first = clinic.alma.get("/data/history/").json()
    assert [entry["id"] for entry in newest_first] == ids[::-1]
    assert [entry["data"] for entry in newest_first] == ["third", "second", "first"]
    for entry in newest_first:
        assert clinic.alma.get(f"/data/history/{entry['id']}/").json() == entry
        assert entry["therapist_notes_id"] == note_id


def test_a_look_up_finds_the_ten_newest_of_one_client_and_type(clinic: Clinic) -> None:
    saved = [clinic.alma.save_note(f"{n}")["history"]["id"] for n in range(12)]
    clinic.alma.save_note("another type", record_type=PSYCHOTHERAPY)
    clinic.bruno.save_note(
        "another client",
        client_user_id=DAVID.user_id,
        therapist_user_id=BRUNO.user_id,
        therapist_client_id=BRUNO_TREATS_DAVID,
    )

    found = clinic.alma.look_up("/data/history/")
    assert [entry["id"] for entry in found] == saved[:1:-1]
    assert [entry["data"] for entry in found] == [f"{n}" for n in range(11, 1, -1)]
    assert {entry["record_type"] for entry in found} == {PROGRESS}
    assert {entry["client_user_id"] for entry in found} == {CLARA.user_id}


def test_a_look_up_has_the_printed_fields_and_the_timestamps(clinic: Clinic) -> None:
    saved = clinic.alma.save_note()
    [found] = clinic.alma.look_up("/data/history/")
    expected = saved["history"] | {
        "record_type": PROGRESS,
        "create_timestamp": saved["create_timestamp"],
        "update_timestamp": saved["create_timestamp"],
    }
    del expected["therapistnotes_notetype_id"]
    assert found == expected


def test_an_amendment_is_shown_in_the_entrys_place(clinic: Clinic) -> None:
    first = clinic.alma.save_note("slept wel")
    clinic.alma.save_note("slept badly", id=first["id"])
    entry_id = first["history"]["id"]

    answer = clinic.alma.put(
        f"/data/history/{entry_id}/", {"data": "slept well", "reason": "a slip of the pen"}
    )
    assert answer.status_code == 200
    assert answer.json() == first["history"] | {"data": "slept well"}
    assert clinic.alma.get(f"/data/history/{entry_id}/").json() == answer.json()
    newest, amended = clinic.alma.look_up("/data/history/")
    assert (amended["id"], amended["data"]) == (entry_id, "slept well")
    assert amended["update_timestamp"] > amended["create_timestamp"] == first["create_timestamp"]
    assert (
        newest["data"] == clinic.alma.get(f"/data/{first['id']}/").json()["data"] == "slept badly"
    )
    assert "slip" not in clinic.alma.get("/data/history/").text


def test_an_entry_may_be_amended_again_and_the_same_again_changes_nothing(clinic: Clinic) -> None:
    entry_id = clinic.alma.save_note("a")["history"]["id"]
    for text in ("b", "c"):
        assert clinic.alma.put(f"/data/history/{entry_id}/", {"data": text}).status_code == 200
    before = clinic.position()
    assert clinic.alma.put(f"/data/history/{entry_id}/", {"data": "c"}).status_code == 200
    assert clinic.position() == before
    assert _texts(clinic) == ["c"]


def test_the_long_form_shows_the_amended_entry(clinic: Clinic) -> None:
    saved = clinic.alma.save_note("a")
    clinic.alma.put(f"/data/history/{saved['history']['id']}/", {"data": "b"})
    long = clinic.alma.get(f"/recordtype/{saved['id']}/").json()
    assert (long["data"], long["history"]["data"]) == ("a", "b")


def test_what_was_read_of_an_entry_may_be_sent_back(clinic: Clinic) -> None:
    entry = clinic.alma.save_note("a")["history"]
    entry_id = entry.pop("id")
    answer = clinic.alma.put(f"/data/history/{entry_id}/", entry | {"data": "b"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == entry | {"id": entry_id, "data": "b"}


def test_an_amendment_moves_an_entry_to_nobody_else(clinic: Clinic) -> None:
    entry_id = clinic.alma.save_note("a")["history"]["id"]
    before = clinic.stored()
    for field, value in (
        ("client_user_id", DAVID.user_id),
        ("therapist_user_id", COLIN.user_id),
        ("therapist_client_id", COLIN_TREATS_CLARA),
        ("therapistnotes_notetype_id", PSYCHOTHERAPY),
        ("therapist_session_id", 999),
    ):
        answer = clinic.alma.put(f"/data/history/{entry_id}/", {"data": "b", field: value})
        assert answer.status_code == 422, field
        assert len(answer.json()["errors"]) == 1
    assert clinic.stored() == before


def test_a_withdrawn_entry_is_no_longer_shown(clinic: Clinic) -> None:
    first = clinic.alma.save_note("first")
    clinic.alma.save_note("second", id=first["id"])
    path = f"/data/history/{first['history']['id']}/"
    answer = clinic.alma.delete(path, {"reason": "of another client"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert _texts(clinic) == ["second"]
    assert clinic.alma.get(path).status_code == 404
    assert clinic.alma.put(path, {"data": "b"}).status_code == 404
    assert clinic.alma.delete(path).status_code == 404
    assert clinic.alma.get(f"/data/{first['id']}/").json()["data"] == "second"


def test_withdrawals_make_room_for_older_entries(clinic: Clinic) -> None:
    saved = [clinic.alma.save_note(f"{n}")["history"]["id"] for n in range(11)]
    clinic.alma.delete(f"/data/history/{saved[5]}/")
    assert _texts(clinic) == [f"{n}" for n in (10, 9, 8, 7, 6, 4, 3, 2, 1, 0)]


def test_an_approved_entry_is_neither_amended_nor_withdrawn(clinic: Clinic) -> None:
    saved = clinic.alma.save_note("approved", is_approved=True, signature=SIGNATURE)
    path = f"/data/history/{saved['history']['id']}/"
    clinic.alma.save_note("a draft on top", id=saved["id"])
    before = clinic.stored()

    for answer in (clinic.alma.put(path, {"data": "b"}), clinic.alma.delete(path)):
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:noteledger:problem:approved-entry-is-final"
    assert clinic.stored() == before
    assert _texts(clinic) == ["a draft on top", "approved"]


def test_an_entry_of_the_other_kind_is_not_found(clinic: Clinic) -> None:
    of_note = clinic.alma.save_note()["history"]["id"]
    of_soap = clinic.alma.save_soap()["history"]["id"]
    assert clinic.alma.get(f"/soap/data/history/{of_note}/").status_code == 404
    assert clinic.alma.get(f"/data/history/{of_soap}/").status_code == 404


def test_a_position_that_is_no_save_is_no_entry(clinic: Clinic) -> None:
    entry_id = clinic.alma.save_note("a")["history"]["id"]
    clinic.alma.put(f"/data/history/{entry_id}/", {"data": "b"})
    for position in (1, entry_id + 1, entry_id + 2, 2**53 - 1):
        assert clinic.alma.get(f"/data/history/{position}/").status_code == 404


def test_who_saved_and_who_amended_are_told_apart(clinic: Clinic) -> None:
    saved = clinic.alma.save_note()
    assert saved["created_user_id"] == saved["updated_user_id"] == ALMA.user_id
    answer = clinic.alma.post_form(note("x", id=saved["id"], therapist_user_id=COLIN.user_id))
    assert answer.status_code == 422
    assert clinic.colin.put(f"/data/{saved['id']}/", put("x")).status_code == 403
