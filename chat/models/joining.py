"""Whoever gets an account has a place to work, by whichever door the account was made."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db.models.signals import post_save
from django.dispatch import receiver

from .projects import Membership, Project, Role


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="join_default_project")
def join_default_project(
    instance: AbstractUser, created: bool, raw: bool = False, **_rest: object
) -> None:
    """Make a new account a viewer of the default project, and a superuser its manager."""
    if created and not raw:  # raw: a fixture, which brings its own memberships
        role = Role.MANAGER if instance.is_superuser else Role.VIEWER
        Membership.objects.create(project=Project.default(), user=instance, role=role)
