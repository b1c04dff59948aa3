"""Queries asked so often that making their SQL each time would take longer than their answer.

What a row must fulfil is still written once, as a queryset. It is built with a ``Parameter`` in
the place of each value, and its SQL is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar, cast

from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Expression, Field, Model

from .projects import Actor, Project

Row = TypeVar("Row", bound=Model)


class Parameter(Expression):
    """The place of a value. The field says how the database is given it."""

    def __init__(self, name: str, field: Field):
        super().__init__(output_field=field)
        self.name = name

    def as_sql(
        self, compiler: Any, connection: Any, **extra_context: Any
    ) -> tuple[str, list["Parameter"]]:
        return "%s", [self]  # for ``Prepared`` to put the value there


class _Statement(NamedTuple):
    sql: str
    params: Sequence[Any]
    compiler: Any
    converters: dict[int, Any]  # from what the database gives, by column


class Prepared:
    """The rows of the queryset ``build(**values)``, in some twentieth of the time.

    Each value is an ``Actor``, or has its field among ``fields``, or is a list of such. Only the
    values may vary: all else that the queryset holds, like a time of day, is kept for ever.
    """

    def __init__(self, build: Callable[..., Any], **fields: Field):
        self._build = build
        self._fields = fields
        self._statements: dict[Any, _Statement] = {}

    def rows(self, **values: Any) -> list[list[Any]]:
        """The columns that the queryset names; all of its model's if it names none."""
        shape = (connection.vendor, *map(_shape, values.values()))
        statement = self._statements.get(shape)
        if statement is None:
            statement = self._statements[shape] = self._made(values)
        given = dict(_parts(values))
        params = [
            one.output_field.get_db_prep_value(given[one.name], connection, prepared=False)
            if isinstance(one, Parameter)
            else one
            for one in statement.params
        ]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, params)
            return list(statement.compiler.apply_converters(cursor, statement.converters))

    def first(self, **values: Any) -> list[Any] | None:
        return next(iter(self.rows(**values)), None)

    def _made(self, values: dict[str, Any]) -> _Statement:
        places = {name: self._place(name, value) for name, value in values.items()}
        compiler = cast(Any, self._build(**places).query).get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        columns = [expression for expression, _, _ in compiler.select]
        return _Statement(sql, params, compiler, compiler.get_converters(columns))

    def _place(self, name: str, value: Any) -> Any:
        if isinstance(value, Actor):
            person = Parameter(f"{name}.person", cast(Field, get_user_model()._meta.pk))
            project = Parameter(f"{name}.project", cast(Field, Project._meta.pk))
            key = SimpleNamespace(project_id=project) if value.key else None
            return Actor(cast(Any, person), cast(Any, key))
        if isinstance(value, list):
            return [Parameter(f"{name}.{i}", self._fields[name]) for i in range(len(value))]
        return Parameter(name, self._fields[name])


def _shape(value: Any) -> Any:
    """What of a value is part of the SQL."""
    if isinstance(value, Actor):
        return value.key is not None
    return len(value) if isinstance(value, list) else None


def _parts(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What stands in the places, by their names."""
    for name, value in values.items():
        if isinstance(value, Actor):
            yield f"{name}.person", value.person.pk
            yield f"{name}.project", value.key and value.key.project_id
        elif isinstance(value, list):
            yield from ((f"{name}.{i}", one) for i, one in enumerate(value))
        else:
            yield name, value


def columns(model: type[Model], path: str = "") -> list[str]:
    """What ``values_list`` must name for ``made``."""
    return [f"{path}{field.attname}" for field in model._meta.concrete_fields]


def made(model: type[Row], row: Sequence[Any]) -> Row:
    """The object whose ``columns`` these are."""
    return model.from_db(DEFAULT_DB_ALIAS, columns(model), row)


# Writing ----------------------------------------------------------------------------------------


def insert(row: Model) -> None:
    """``save`` of a new row, which the database numbers: a fifth of the time, and no signals."""
    sql, fields = _insertion(type(row))
    with connection.cursor() as cursor:
        cursor.execute(sql, [_saved(field, field.pre_save(row, add=True)) for field in fields])
        [(row.pk,)] = cursor.fetchall()
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update(row: Model, *names: str) -> None:
    """``save`` of these fields of a row that is there, likewise."""
    sql, fields = _change(type(row), names)
    values = [_saved(field, getattr(row, field.attname)) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, row.pk])


@cache
def _insertion(model: type[Model]) -> tuple[str, list[Field]]:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names, marks = ", ".join(field.column for field in fields), ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({marks}) RETURNING id"  # noqa: S608  (constants)
    return sql, fields


@cache
def _change(model: type[Model], names: tuple[str, ...]) -> tuple[str, list[Field]]:
    fields = [cast(Field, model._meta.get_field(name)) for name in names]
    values = ", ".join(f"{field.column} = %s" for field in fields)
    return f"UPDATE {model._meta.db_table} SET {values} WHERE id = %s", fields  # noqa: S608  (constants)


def _saved(field: Field, value: Any) -> Any:
    return field.get_db_prep_save(value, connection)
