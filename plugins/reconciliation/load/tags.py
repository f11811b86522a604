"""Puts tags on persons and leads, and takes off those that were put on before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krayin.catalogue import Tag
from krayin.errors import Rejected
from krayin.text import fold_name

from reconciliation.load.sink import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciliation.load.person import ContactWork
    from reconciliation.load.sink import LoadContext

TAG = "tag"


class TagSteps(Steps):
    """Keeps the tags of one sync's contacts.

    Krayin does not tell which tags a record has. So what we gave is remembered, none is given twice, and one
    that a salesperson took off stays off.
    """

    def __init__(self, context: LoadContext) -> None:
        """Work with `context`."""
        super().__init__(context)
        self._known: dict[str, int] | None = None

    def keep(self, work: ContactWork, wanted: Mapping[str, Sequence[str]]) -> None:
        """Bring the tags of a contact's linked records to what is `wanted`, by CRM kind; a call for each.

        Raises:
            KrayinError: a call failed; what was done by then is noted.
        """
        for kind, names in wanted.items():
            row = work.row(kind)
            if row is None or row.crm_id is None:
                continue
            given = row.tags_on(row.crm_id)
            for name in sorted(given.keys() ^ set(names)):
                if name in given:
                    with self.intent(work.operation, TAG):
                        self.client.take_tag_off(kind, row.crm_id, given.pop(name))
                else:
                    tag_id = self._id_of(work, name)
                    with self.intent(work.operation, TAG):
                        self.client.put_tag_on(kind, row.crm_id, tag_id)
                    given[name] = tag_id
                with self.ledger.transaction():
                    self.ledger.progress(work.operation, f"{TAG}:done")
                    self.store.note_tags(row, given)

    def _id_of(self, work: ContactWork, name: str) -> int:
        """Return the id of a tag by its name, made if Krayin has none."""
        folded = fold_name(name)
        if folded not in self._names():
            try:
                with self.intent(work.operation, TAG):
                    made = self.client.create_tag(name)
            except Rejected:
                # Somebody else made it meanwhile.
                self._known = None
                if folded not in self._names():
                    raise
            else:
                self._names()[folded] = made.id
        return self._names()[folded]

    def _names(self) -> dict[str, int]:
        if self._known is None:
            self._known = {fold_name(tag.name): tag.id for tag in self.client.every(Tag)}
        return self._known
