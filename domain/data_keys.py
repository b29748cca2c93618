"""A person's data keys: one is made for each scope when it is first needed; once destroyed, none is made again.

The fact of a key names it, so that no second key of a person and scope could be kept in secret. The
position of `DataKeysDestroyed` is the person's fence: behind it nothing is recorded about them.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, assert_never
from uuid import UUID

from pydantic import Field

from domain.aggregate import Aggregate, State, no_words
from domain.change import ChangeType
from domain.refusals import PersonIsErased
from domain.value import MAX_ID, THE_CLINIC, Command, Fact, KeyScope, Kind

# --- facts


class DataKeysFact(Fact):
    """What every fact of a person's data keys holds. `person_id` is 0 for the clinic's own key."""

    person_id: Annotated[int, Field(ge=THE_CLINIC, le=MAX_ID)]


class DataKeyMade(DataKeysFact):
    """The person's words in this scope are sealed with this key from now on."""

    fact_type: ClassVar[str] = "data-key-made/1"
    change: ClassVar[ChangeType | None] = None
    key_id: UUID
    scope: KeyScope


class DataKeysDestroyed(DataKeysFact):
    """The person was erased: these keys are gone, and nothing is recorded about them any more."""

    fact_type: ClassVar[str] = "data-keys-destroyed/1"
    change: ClassVar[ChangeType | None] = None
    key_ids: tuple[UUID, ...]


AnyDataKeysFact = DataKeyMade | DataKeysDestroyed

# --- what they make


class DataKeys(State):
    """A person's data keys as their facts make them."""

    by_scope: Mapping[KeyScope, UUID] = {}
    is_destroyed: bool = False


def evolve(keys: DataKeys | None, fact: AnyDataKeysFact) -> DataKeys:
    """The keys after the fact."""
    keys = keys or DataKeys(version=0)
    version = keys.version + 1
    match fact:
        case DataKeyMade(scope=scope, key_id=key_id):
            by_scope = {**keys.by_scope, scope: key_id}
            return keys.model_copy(update={"version": version, "by_scope": by_scope})
        case DataKeysDestroyed():
            return keys.model_copy(update={"version": version, "is_destroyed": True})
        case _:
            assert_never(fact)


# --- commands


class MakeDataKey(Command):
    """There shall be a key of this scope."""

    key_id: UUID
    scope: KeyScope


class DestroyDataKeys(Command):
    """The person's words shall be gone, and none be recorded any more."""


DataKeysCommand = MakeDataKey | DestroyDataKeys


def decide(number: int, keys: DataKeys | None, command: DataKeysCommand) -> list[AnyDataKeysFact]:
    """The facts that make it so, none where it is so already. `number` is the person's id.

    A scope that has had a key gets no other one, also where somebody took the key's row away.
    """
    match command:
        case MakeDataKey(by=by, at=at, scope=scope, key_id=key_id):
            if keys and (keys.is_destroyed or keys.by_scope.get(scope, key_id) != key_id):
                raise PersonIsErased
            if keys and scope in keys.by_scope:
                return []
            return [DataKeyMade(by=by, at=at, person_id=number, key_id=key_id, scope=scope)]
        case DestroyDataKeys(by=by, at=at):
            if keys and keys.is_destroyed:
                return []
            key_ids = tuple(sorted(keys.by_scope.values())) if keys else ()
            return [DataKeysDestroyed(by=by, at=at, person_id=number, key_ids=key_ids)]
        case _:
            assert_never(command)


DATA_KEYS: Final[Aggregate[DataKeys, DataKeysCommand, AnyDataKeysFact]] = Aggregate(
    Kind.DATA_KEYS, 20, AnyDataKeysFact, decide, evolve, no_words
)
