"""The persons Krayin showed who may be the contacts of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.mapping.contact import natural_keys
from reconciliation.plan.matching import KnownPerson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from reconciliation.binding_scope import BindingScope
    from reconciliation.mapping.desired_contact import DesiredContact


@dataclass(frozen=True, slots=True)
class KnownPersons:
    """Persons by `email:`, `phone:` and `id:` key, and what was kept of each by its id."""

    by_key: Mapping[str, Sequence[KnownPerson]] = field(default_factory=dict)
    facts: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, contact: DesiredContact) -> list[KnownPerson]:
        """Return the persons with one of a contact's keys, or with the id an earlier integration kept."""
        keys = [*contact.natural_keys]
        if "person" in contact.adopt:
            keys.append(f"id:{contact.adopt['person']}")
        return list({person.crm_id: person for key in keys for person in self.by_key.get(key, ())}.values())


@dataclass(frozen=True, slots=True)
class PersonFinder:
    """Finds persons in the snapshot of Krayin, in the transaction that plans."""

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    phone_region: str | None

    def find(self, contacts: Sequence[DesiredContact]) -> KnownPersons:
        """Return the persons with a key of one of `contacts`, and those an earlier integration named."""
        keys = sorted({key for contact in contacts for key in contact.natural_keys})
        kept = sorted({contact.adopt["person"] for contact in contacts if "person" in contact.adopt})
        facts_of: dict[int, Mapping[str, Any]] = {}
        keys_of: dict[int, set[str]] = {}
        owners: dict[int, tuple[int, int, str]] = {}
        for query, parameters in (
            ("plan/candidates", {"keys": keys}),
            ("plan/persons_known", {"crm_ids": kept}),
        ):
            for key, crm_id, facts, installation, account, source_id in self.connection.execute(
                statement(query), {"target_id": self.identity.target_id, **parameters}
            ):
                facts_of[crm_id] = facts
                keys_of.setdefault(crm_id, set())
                if key is not None:
                    keys_of[crm_id].add(key)
                if source_id is not None:
                    owners[crm_id] = installation, account, source_id
        for crm_id, given_up in self._given_up(owners).items():
            keys_of[crm_id] -= given_up
        by_key: dict[str, list[KnownPerson]] = {}
        for crm_id, person_keys in keys_of.items():
            _, account, source_id = owners.get(crm_id, (0, 0, None))
            owner = None if source_id is None else f"contact {source_id} of account {account}"
            person = KnownPerson(crm_id, facts_of[crm_id].get("name", ""), frozenset(person_keys), owner)
            for key in (*person_keys, f"id:{crm_id}"):
                by_key.setdefault(key, []).append(person)
        return KnownPersons(by_key, facts_of)

    def _given_up(self, owners: Mapping[int, tuple[int, int, str]]) -> dict[int, set[str]]:
        """Return by person what its contact brought and does not have any more."""
        ours = [
            int(source_id)
            for installation, account, source_id in owners.values()
            if (installation, account) == (self.identity.installation_id, self.identity.account_id)
        ]
        if not ours:
            return {}
        return {
            crm_id: (sent_keys(last_sent, self.phone_region) - set(wanted)) | set(releases or ())
            for crm_id, last_sent, wanted, releases in self.connection.execute(
                statement("plan/releasing"),
                {"run_id": self.run_id, **self.identity.parameters(), "contact_ids": ours},
            )
        }


def sent_keys(last_sent: Mapping[str, Any] | None, phone_region: str | None) -> set[str]:
    """Return the keys of what was last sent for a person."""
    sent = last_sent or {}
    return set(natural_keys(sent.get("emails") or [], sent.get("phones") or [], phone_region))
