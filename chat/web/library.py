"""What the library says of indexes and directories, each to those who may know it."""

from django.contrib.auth.models import Group
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from chat.models import Actor, Directory, Index, Sync

from .people import actor_of


def editable_index(request: HttpRequest, index_id: str) -> tuple[Actor, Index]:
    actor = actor_of(request)
    indexes = Index.objects.editable_by(actor).select_related("directory__project")
    return actor, get_object_or_404(indexes, pk=index_id)


def with_facts(actor: Actor, rows: list[Index]) -> list[Index]:
    """The same, in three queries, with what is said of each set on it: ``latest_sync``; ``source``,
    its directory, for those who may see it; ``open_to``, the actor's groups that may use it, and
    ``others``, of how many more it is open to. No group: to the whole project.
    """
    newest = Sync.objects.filter(index__in=rows).order_by().values("index")
    newest = newest.annotate(newest=Max("pk")).values("newest")
    syncs = {sync.index_id: sync for sync in Sync.objects.filter(pk__in=newest)}
    directories = Directory.objects.visible_to(actor).in_bulk([row.directory_id for row in rows])
    known = set(groups_of(actor).values_list("pk", flat=True))
    groups: dict[str, list[Group]] = {}
    links = Index.groups.through.objects.filter(index__in=rows).select_related("group")
    for link in links.order_by("group__name"):
        groups.setdefault(link.index_id, []).append(link.group)
    for row in rows:
        narrowed = groups.get(row.pk, [])
        row.latest_sync = syncs.get(row.pk)
        row.source = directories.get(row.directory_id)
        row.open_to = [group for group in narrowed if group.pk in known]
        row.others = len(narrowed) - len(row.open_to)
    return rows


def groups_of(actor: Actor) -> QuerySet[Group]:
    """Those whose names the actor may know."""
    everyone = actor.person.is_superuser
    return (Group.objects.all() if everyone else actor.person.groups.all()).order_by("name")


def sources(actor: Actor) -> QuerySet[Directory]:
    """Directories that an index of the actor's may follow, newest first."""
    lasting = Directory.objects.editable_by(actor).live().exclude(type=Directory.Type.EPHEMERAL)
    return lasting.select_related("project").order_by("-created_at", "pk")


def without_index(directories: QuerySet[Directory]) -> QuerySet[Directory]:
    """Those that nothing searches, with how many ``files`` each holds."""
    indexes = Index.objects.live().filter(directory=OuterRef("pk"))
    files = Count("directory_files", filter=Q(directory_files__deleted_at=None))
    return directories.filter(~Exists(indexes)).annotate(files=files)
