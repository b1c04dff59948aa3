"""Rights that change: the open streams of whoever held them look again at once.

They look every few seconds anyway, whatever changed the rows; a signal spares them the wait.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session as SignIn
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from chat.models import APIKey, Membership

from .log import log

USE = {"last_login", "last_used_at"}  # saved all the time, and no right


def watch() -> None:
    """Called once, when the models are there."""
    whose: dict[type[Model], Callable[[Any], Any]] = {
        SignIn: lambda sign_in: sign_in.get_decoded().get("_auth_user_id"),
        get_user_model(): lambda person: person.pk,
        Membership: lambda membership: membership.user_id,
        APIKey: lambda key: key.user_id,
    }

    def changed(
        sender: type[Model],
        instance: Model,
        created: bool = False,
        update_fields: Any = None,
        **rest: Any,
    ) -> None:
        person = whose[sender](instance)
        if person and not created and not (update_fields and USE.issuperset(update_fields)):
            transaction.on_commit(partial(async_to_sync(log.announce_to), int(person)))

    for model in whose:
        post_delete.connect(changed, sender=model, weak=False)
        if model is not SignIn:  # saved whenever it is used
            post_save.connect(changed, sender=model, weak=False)
