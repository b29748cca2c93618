"""Pages of lists: which one is asked for, and the header that names the next (RFC 8288)."""

from typing import NamedTuple

from api.inputs import cursor_for, read_cursor
from api.requests import PageCursor, PageLimit, TheCaller, TheRequest
from api.services import Services
from domain.value import Caller


class PageRequest(NamedTuple):
    """A page of a list: `limit` entries, those behind `cursor`."""

    caller: TheCaller
    request: TheRequest
    cursor: PageCursor
    limit: PageLimit

    def size(self, services: Services) -> int:
        """The number of entries of a whole page."""
        return self.limit or services.limits.page_entries

    def start(self, services: Services) -> int | None:
        """The id behind which the page begins; None for the first page. Raises BadRequest."""
        if self.cursor is None:
            return None
        return read_cursor(_secret(services, self.caller), self.cursor)

    def link_next(self, services: Services, ids: list[int]) -> dict[str, str]:
        """The header that names the next page, where this one, of entries with `ids`, is a whole one."""
        size = self.size(services)
        if len(ids) < size:
            return {}
        cursor = cursor_for(_secret(services, self.caller), ids[-1])
        return {"Link": f'<{self.request.url.path}?limit={size}&cursor={cursor}>; rel="next"'}


def _secret(services: Services, caller: Caller) -> bytes:
    """A cursor opens only for the clinic that it was made for."""
    return services.keys.clinic_secret(caller.clinic_id, "cursor")
