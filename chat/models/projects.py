"""Who works here, in which project, and with which key."""

import hashlib
import secrets
import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# One organisation per installation; the wire wants an id for it.
ORGANIZATION_ID = uuid.UUID("6f0a2f3c-8f0e-4c55-9b51-0c1f6a7d5e10")


class Role(models.IntegerChoices):
    """Each role may do all that the ones before it may."""

    VIEWER = 1, _("viewer")  # ask questions, read sources
    EDITOR = 2, _("editor")  # add and remove documents, run syncs
    MANAGER = 3, _("manager")  # members, keys, indexes


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, actor: "Actor", at_least: Role = Role.VIEWER) -> Self:
        """Projects in which the actor holds at least this role.

        A key opens its own project only, and there never more than its user may.
        """
        members = Membership.objects.filter(
            project=OuterRef("pk"), user=actor.person, role__gte=at_least
        )
        return self.filter(Exists(members), actor.scope("pk"))


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    is_default = models.BooleanField(_("default"), default=False, editable=False)
    sessions_kept_days = models.PositiveSmallIntegerField(
        _("days sessions are kept"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text=_(
            "Sessions that nobody has asked in for so many days are deleted, pinned and archived "
            "ones too. Empty: they are kept until someone deletes them."
        ),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        through="Membership",
        related_name="projects",
        verbose_name=_("members"),
    )

    objects = ProjectQuerySet.as_manager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_project"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def default(cls) -> "Project":
        """The project everything is in until someone makes another."""
        return cls.objects.get_or_create(is_default=True, defaults={"name": "Default"})[0]


class Membership(models.Model):
    project = models.ForeignKey(
        Project, models.CASCADE, related_name="memberships", verbose_name=_("project")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    role = models.PositiveSmallIntegerField(_("role"), choices=Role, default=Role.VIEWER)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "user"], name="one_membership_each"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"


class APIKeyQuerySet(models.QuerySet["APIKey"]):
    def live(self) -> Self:
        """Keys that open anything now: not revoked, not expired, of a user who may sign in and is
        a member of the key's project."""
        members = Membership.objects.filter(project=OuterRef("project"), user=OuterRef("user"))
        return self.filter(
            Exists(members),
            Q(expires_at=None) | Q(expires_at__gt=Now()),
            revoked_at=None,
            user__is_active=True,
        )

    def with_digest(self, digest: str) -> Self:
        return self.live().filter(digest=digest)


class APIKey(models.Model):
    """A key to one project, acting as one user. Only the digest of its secret is kept."""

    name = models.CharField(_("name"), max_length=100)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys", verbose_name=_("user")
    )
    project = models.ForeignKey(
        Project, models.CASCADE, related_name="api_keys", verbose_name=_("project")
    )
    prefix = models.CharField(_("prefix"), max_length=16, editable=False)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = APIKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, name: str, user: AbstractUser, project: Project, **fields) -> tuple[Self, str]:
        """A new key and its secret, which is not kept and cannot be shown again."""
        secret = f"crl-{secrets.token_urlsafe(32)}"
        key = cls.objects.create(
            name=name,
            user=user,
            project=project,
            prefix=secret[:8],
            digest=digest(secret),
            **fields,
        )
        return key, secret

    def revoke(self) -> None:
        """It opens nothing from now on. Saved by itself: that tells the streams it keeps open."""
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at"])


def digest(secret: str) -> str:
    """SHA-256 in hex. The secret has 256 random bits, so a slow hash would guard nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Actor:
    """Whoever is asking: a person in the browser, or a key acting for one in one project."""

    __slots__ = ("key", "person")

    def __init__(self, person: AbstractUser, key: APIKey | None = None):
        self.person = person
        self.key = key

    def scope(self, project_path: str) -> Q:
        """A condition on the path to a project: nothing for a person, the one project of a key."""
        return Q(**{project_path: self.key.project_id}) if self.key else Q()


def in_reach(actor: Actor, at_least: Role = Role.VIEWER, path: str = "project") -> Q:
    """A condition for rows that belong to a project in which the actor holds at least this role."""
    projects = Membership.objects.filter(user=actor.person, role__gte=at_least)
    return Q(**{f"{path}__in": projects.values("project")}) & actor.scope(path)
