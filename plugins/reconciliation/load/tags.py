"""Puts tags on persons and leads, and takes off those that were put on before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krayin.catalogue import Tag

from reconciliation.load.sink import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciliation.load.named_settings import NamedSettings
    from reconciliation.load.person import ContactWork
    from reconciliation.load.sink import LoadContext

TAG = "tag"


class TagSteps(Steps):
    """Keeps the tags of one sync's contacts.

    Krayin does not tell which tags a record has. So what we gave is remembered, none is given twice, and one
    that a salesperson took off stays off.
    """

    def __init__(self, context: LoadContext, named: NamedSettings) -> None:
        """Work with `context`; `named` knows the tags there are."""
        super().__init__(context)
        self.named = named

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
                    tag_id = self.named.id_of(work.operation, Tag, name, TAG)
                    assert tag_id is not None
                    with self.intent(work.operation, TAG):
                        self.client.put_tag_on(kind, row.crm_id, tag_id)
                    given[name] = tag_id
                with self.ledger.transaction():
                    self.ledger.progress(work.operation, f"{TAG}:done")
                    self.store.note_tags(row, given)
