"""Tables in memory with the database's rules: auto-increment, unique and foreign keys, indexes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sandbox.krayin import php
from sandbox.krayin.errors import QueryError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from sandbox.krayin.columns import Column
    from sandbox.krayin.versions import Storage

Row = dict[str, Any]
Backup = dict[str, tuple[int, list[Row]]]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A column that must name a row of another table.

    Attributes:
        on_delete: what deleting that row does to the rows that name it.
    """

    column: str
    table: str
    on_delete: Literal["cascade", "set null", "restrict"] = "cascade"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table looks like.

    Attributes:
        uniques: groups of columns that must differ between rows (NULL never collides).
        indexes: name -> function giving the keys under which a row is found.
    """

    name: str
    columns: tuple[Column, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    foreign: tuple[ForeignKey, ...] = ()
    indexes: dict[str, Callable[[Row], Iterable[Hashable]]] = field(default_factory=dict)


class Table:
    """The rows of one table, by id.

    Rows are never changed in place: an update puts a new dictionary, so that a row handed out before
    stays as it was.
    """

    def __init__(self, shape: Shape, database: Database) -> None:
        self.shape = shape
        self.name = shape.name
        self.columns = {column.name: column for column in shape.columns}
        self.database = database
        self.rows: dict[int, Row] = {}
        self.next_id = 1
        self._indexes: dict[str, dict[Hashable, dict[int, None]]] = {}
        self._uniques: list[dict[tuple[Any, ...], int]] = []
        self._foreign = {key.column: key for key in shape.foreign}
        self.clear()

    def clear(self) -> None:
        """Forget all rows and start counting at 1 again."""
        self.rows = {}
        self.next_id = 1
        self._indexes = {name: defaultdict(dict) for name in self.shape.indexes}
        self._uniques = [{} for _ in self.shape.uniques]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows.values())

    def get(self, key: int | None) -> Row | None:
        """Return a row, or None."""
        return None if key is None else self.rows.get(key)

    def found(self, index: str, key: Hashable) -> list[Row]:
        """Return the rows under a key of an index, oldest first."""
        ids = self._indexes[index].get(key)
        return [self.rows[number] for number in ids] if ids else []

    def equals(self, name: str, wanted: Iterable[str]) -> Callable[[Row], bool]:
        """Return a test whether the database calls a row's column equal to one of some texts."""
        column = self.columns[name]
        keys = {column.matches(text) for text in wanted} - {None}
        if column.kind == "json" and not self.database.storage.json_is_text:
            # Of the JSON values only a string ever equals a text.
            return lambda row: row[name] is not None and _string(row[name]) in keys
        return lambda row: row[name] is not None and column.key(row[name]) in keys

    def by_unique(self, column: str, key: Hashable) -> Row | None:
        """Return the row whose unique column has a key (as its Column gives keys), or None."""
        number = self.shape.uniques.index((column,))
        return self.get(self._uniques[number].get((key,)))

    def insert(self, values: Row) -> Row:
        """Add a row; columns that are not given get their default.

        Raises:
            ServerError: an array for a column (nothing is written).
            QueryError: NULL for a NOT NULL column, JSON that is none (no id is used up), or a broken
                unique or foreign key (the id is used up, as InnoDB does).
        """
        row: Row = {"id": 0}
        for name, column in self.columns.items():
            if name == "id":
                continue
            if name not in values:
                value = column.default
                row[name] = self._stored(name, value) if value is not None or not column.nullable else None
                continue
            value = values[name]
            if php.is_array(value):
                message = "Array to string conversion"
                raise ServerError(message)
            if value is None and not column.nullable:
                message = f"SQLSTATE[23000]: 1048 Column '{name}' cannot be null"
                raise QueryError(message)
            row[name] = self._stored(name, value)
        row["id"] = int(values["id"]) if values.get("id") is not None else self.next_id
        self.next_id = max(self.next_id, row["id"] + 1)
        self._check(row, None)
        self._put(row)
        return row

    def update(self, key: int, values: Row) -> Row:
        """Change columns of a row; arrays become JSON text, as Laravel's UPDATE does.

        Raises:
            QueryError: a broken unique or foreign key, or JSON that is none (nothing changed).
        """
        old = self.rows[key]
        row = dict(old)
        for name, value in values.items():
            row[name] = self._stored(name, php.encode_json(value) if php.is_array(value) else value)
        self._check(row, old)
        self._replace(old, row)
        return row

    def delete(self, key: int) -> None:
        """Delete a row, and what hangs on it.

        Raises:
            QueryError: a row of another table needs this one.
        """
        self.database.release(self.name, key)
        row = self.rows.get(key)
        if row is not None:
            self._take(row)
            self.database.record(self.name, key, None)

    def referring(self, column: str, key: int) -> list[int]:
        """Return ids of rows whose column names a key of another table."""
        if column in self._indexes:
            return list(self._indexes[column].get(key, ()))
        return [number for number, row in self.rows.items() if row[column] == key]

    def restore(self, row: Row) -> None:
        """Put a row of a state file, a backup or another database, its JSON in this database's form."""
        row = {"id": row["id"], **{name: row.get(name) for name in self.columns}}
        if not self.database.storage.json_is_text:
            for name, column in self.columns.items():
                if column.kind == "json" and row[name] is not None:
                    row[name] = self._stored(name, row[name])
        old = self.rows.get(row["id"])
        self.next_id = max(self.next_id, row["id"] + 1)
        if old is None:
            self._put(row)
        else:
            self._replace(old, row)

    def forget(self, key: int) -> None:
        """Take a row away without looking at what hangs on it (state file)."""
        if key in self.rows:
            self._take(self.rows[key])

    def _stored(self, name: str, value: Any) -> Any:
        return self.columns[name].stored(value, self.database.storage)

    def _keys(self, row: Row) -> Iterator[tuple[int, tuple[Any, ...]]]:
        for number, group in enumerate(self.shape.uniques):
            key = tuple(self.columns[name].key(row[name]) for name in group)
            if None not in key:
                yield number, key

    def _check(self, row: Row, old: Row | None) -> None:
        for number, key in self._keys(row):
            if self._uniques[number].get(key, row["id"]) != row["id"]:
                message = f"SQLSTATE[23000]: 1062 Duplicate entry '{'-'.join(map(str, key))}'"
                raise QueryError(message)
        if row["id"] in self.rows and old is None:
            message = f"SQLSTATE[23000]: 1062 Duplicate entry '{row['id']}' for key 'PRIMARY'"
            raise QueryError(message)
        for name, foreign in self._foreign.items():
            value = row[name]
            if value is not None and (old is None or old[name] != value):
                self.database.require(foreign.table, value)

    def _put(self, row: Row) -> None:
        key = row["id"]
        self.rows[key] = row
        for number, unique in self._keys(row):
            self._uniques[number][unique] = key
        for name, keys in self.shape.indexes.items():
            index = self._indexes[name]
            for found in keys(row):
                index[found][key] = None
        self.database.record(self.name, key, row)

    def _replace(self, old: Row, row: Row) -> None:
        """Put a row in the place of its former state, keeping its position everywhere."""
        key = row["id"]
        self.rows[key] = row
        before, after = dict(self._keys(old)), dict(self._keys(row))
        for number in before.keys() | after.keys():
            if before.get(number) != after.get(number):
                if number in before:
                    self._uniques[number].pop(before[number], None)
                if number in after:
                    self._uniques[number][after[number]] = key
        for name, keys in self.shape.indexes.items():
            index = self._indexes[name]
            gone, come = set(keys(old)), set(keys(row))
            for found in gone - come:
                index[found].pop(key, None)
                if not index[found]:
                    del index[found]
            for found in come - gone:
                index[found][key] = None
        self.database.record(self.name, key, row)

    def _take(self, row: Row) -> None:
        key = row["id"]
        del self.rows[key]
        for number, unique in self._keys(row):
            self._uniques[number].pop(unique, None)
        for name, keys in self.shape.indexes.items():
            index = self._indexes[name]
            for found in keys(row):
                index[found].pop(key, None)
                if not index[found]:
                    del index[found]


def _string(stored: str) -> str | None:
    value = php.stored_json(stored)
    return value if isinstance(value, str) else None


class Database:
    """All tables, and who depends on whom.

    Attributes:
        storage: what the database makes of JSON.
        recorder: called with (table, id, row or None) after each change; the state file listens here.
    """

    def __init__(self, shapes: Iterable[Shape], storage: Storage) -> None:
        self.storage = storage
        self.recorder: Callable[[str, int, Row | None], None] | None = None
        self.tables = {shape.name: Table(shape, self) for shape in shapes}
        self._dependants: dict[str, list[tuple[Table, ForeignKey]]] = defaultdict(list)
        for table in self.tables.values():
            for key in table.shape.foreign:
                self._dependants[key.table].append((table, key))

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def clear(self) -> None:
        """Empty every table."""
        for table in self.tables.values():
            table.clear()

    def move(self, storage: Storage) -> None:
        """Go on with the same rows in another database."""
        self.storage = storage
        for table in self.tables.values():
            for row in list(table):
                table.restore(row)

    def record(self, table: str, key: int, row: Row | None) -> None:
        """Tell the state file of a change."""
        if self.recorder is not None:
            self.recorder(table, key, row)

    def require(self, table: str, key: int) -> None:
        """Refuse a foreign key that names no row.

        Raises:
            QueryError: there is no such row.
        """
        if key not in self.tables[table].rows:
            message = (
                "SQLSTATE[23000]: Integrity constraint violation: 1452 Cannot add or update a child row: "
                f"a foreign key constraint fails (`{table}`)"
            )
            raise QueryError(message)

    def release(self, table: str, key: int) -> None:
        """Carry out what deleting a row does to the rows that name it.

        Raises:
            QueryError: a row restricts the deletion; nothing is changed then.
        """
        dependants = [
            (other, foreign, number)
            for other, foreign in self._dependants[table]
            for number in other.referring(foreign.column, key)
        ]
        if any(foreign.on_delete == "restrict" for _, foreign, _ in dependants):
            message = "SQLSTATE[23000]: 1451 Cannot delete or update a parent row"
            raise QueryError(message)
        for other, foreign, number in dependants:
            if number not in other.rows:
                continue
            if foreign.on_delete == "cascade":
                other.delete(number)
            else:
                other.update(number, {foreign.column: None})

    def dump(self) -> dict[str, list[Row]]:
        """Return every table's rows, ordered by id."""
        return {name: [table.rows[key] for key in sorted(table.rows)] for name, table in self.tables.items()}

    def backup(self) -> Backup:
        """Return every table's rows and next id; rows are never changed in place, so none is copied."""
        return {name: (table.next_id, list(table.rows.values())) for name, table in self.tables.items()}

    def bring_back(self, backup: Backup) -> None:
        """Put every table back to how it was; ids given out since are given out again, as MariaDB does."""
        self.clear()
        for name, (next_id, rows) in backup.items():
            for row in rows:
                self.tables[name].restore(row)
            self.tables[name].next_id = next_id
