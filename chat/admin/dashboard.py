"""What an administrator sees first: how much is asked, how fast it is answered, what fails.

Each number comes with the address of the rows behind it. The queries are as many on an empty
installation as on a full one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, Max, OuterRef, Q, Subquery, Sum
from django.db.models.functions import TruncDate
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from chat.models import Feedback, File, Index, Session, Sync, Turn

DAYS = 30
WEEK = timedelta(days=7)
PEOPLE = 10  # who asked most
INDEXES = 5  # asked most
TIMED = 5_000  # latest answers that are looked at one by one

BAR, TALL = 10, 60  # units of a plot's drawing


@dataclass(frozen=True, slots=True)
class Number:
    name: str
    value: str
    url: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A day of a plot."""

    words: str
    url: str
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    name: str
    total: str
    bars: Sequence[Bar]
    width: int = DAYS * BAR
    height: int = TALL


def dashboard() -> dict[str, Any]:
    return {
        "numbers": [
            *(*_sessions(), *_turns(), *_times()),
            *(_without_sources(), _failing(), _ratings(), _storage()),
        ],
        "plots": _plots(),
        "people": _people(),
        "indexes": _indexes(),
        "days": DAYS,
    }


def rows(model: str, **query: Any) -> str:
    return f"{reverse(f'admin:chat_{model}_changelist')}?{urlencode(query)}"


def _sessions() -> list[Number]:
    week = timezone.now() - WEEK
    found = Session.objects.live().aggregate(
        all=Count("pk"), used=Count("pk", filter=Q(last_used_at__gte=week))
    )
    return [
        Number(_("Sessions"), intcomma(found["all"]), rows("session", state="live")),
        Number(
            _("Used in 7 days"),
            intcomma(found["used"]),
            rows("session", last_used_at__gte=week.isoformat()),
        ),
    ]


def _turns() -> list[Number]:
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    week = timezone.now() - WEEK
    broken = [Turn.State.FAILED, Turn.State.INTERRUPTED]
    found = Turn.objects.filter(Q(created_at__gte=week) | Q(state=Turn.State.RUNNING)).aggregate(
        today=Count("pk", filter=Q(created_at__gte=today)),
        running=Count("pk", filter=Q(state=Turn.State.RUNNING)),
        broken=Count("pk", filter=Q(state__in=broken)),
    )
    failed = rows("turn", state__in=",".join(broken), created_at__gte=week.isoformat())
    return [
        Number(
            _("Questions today"),
            intcomma(found["today"]),
            rows("turn", created_at__gte=today.isoformat()),
        ),
        Number(_("Being answered"), intcomma(found["running"]), rows("turn", state="running")),
        Number(
            _("Failed in 7 days"), intcomma(found["broken"]), failed, is_bad=found["broken"] > 0
        ),
    ]


def _times() -> list[Number]:
    done = Turn.objects.filter(state=Turn.State.DONE, created_at__gte=timezone.now() - WEEK)
    times = list(done.order_by("-pk").values_list("first_text_ms", "duration_ms")[:TIMED])
    first = sorted(one for one, _whole in times if one is not None)
    whole = sorted(one for _first, one in times if one is not None)
    url = rows("turn", state="done")
    return [
        Number(_("To the first word (median, 95 %)"), _spread(first), url),
        Number(_("To the whole answer (median, 95 %)"), _spread(whole), url),
    ]


def _spread(milliseconds: Sequence[int]) -> str:
    if not milliseconds:
        return "–"
    last = len(milliseconds) - 1
    half, most = milliseconds[last // 2], milliseconds[round(last * 0.95)]
    return " / ".join(
        _("%(seconds)s s") % {"seconds": number_format(one / 1000, 2)} for one in (half, most)
    )


def _without_sources() -> Number:
    """What the documents did not tell: each row leads to its session, and to the reason first."""
    week = timezone.now() - WEEK
    count = Turn.objects.without_sources().filter(created_at__gte=week).count()
    url = rows("turn", sources="none", created_at__gte=week.isoformat())
    return Number(_("Answered without sources in 7 days"), intcomma(count), url, count > 0)


def _failing() -> Number:
    latest = Sync.objects.filter(index=OuterRef("pk")).order_by("-pk").values("state")[:1]
    indexes = Index.objects.live().annotate(latest=Subquery(latest))
    count = indexes.filter(latest=Sync.State.FAILED).count()
    return Number(_("Failing syncs"), intcomma(count), rows("index", sync="failed"), count > 0)


def _ratings() -> Number:
    week = timezone.now() - WEEK
    count = Feedback.objects.filter(rating="bad", updated_at__gte=week).count()
    url = rows("feedback", rating__exact="bad", updated_at__gte=week.isoformat())
    return Number(_("Bad ratings in 7 days"), intcomma(count), url, count > 0)


def _storage() -> Number:
    size = File.objects.filter(deleted_at=None).aggregate(size=Sum("size"))["size"]
    return Number(_("Originals"), filesizeformat(size or 0), rows("file", deleted="no"))


def _plots() -> list[Plot]:
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    found = (
        Turn.objects.filter(created_at__gte=timezone.now() - timedelta(days=DAYS))
        .order_by()
        .annotate(day=TruncDate("created_at"))
        .values("day")
        .annotate(turns=Count("pk"), tokens=Sum("input_tokens") + Sum("output_tokens"))
    )
    by_day = {row["day"]: row for row in found}
    return [
        _plot(name, key, days, [by_day.get(day, {}).get(key, 0) for day in days])
        for name, key in [(_("Questions"), "turns"), (_("Tokens"), "tokens")]
    ]


def _plot(name: str, key: str, days: Sequence[date], counts: Sequence[int]) -> Plot:
    most = max(counts) or 1
    bars = []
    for at, (day, count) in enumerate(zip(days, counts, strict=True)):
        height = round(count / most * TALL, 1)
        words = f"{date_format(day, 'DATE_FORMAT')}: {intcomma(count)}"
        date_of = {"year": day.year, "month": day.month, "day": day.day}
        url = rows("turn", **{f"created_at__{part}": value for part, value in date_of.items()})
        bars.append(Bar(words, url, at * BAR, TALL - height, height))
    return Plot(name, intcomma(sum(counts)), bars)


def _people() -> list[dict[str, Any]]:
    asked = Turn.objects.filter(created_at__gte=timezone.now() - timedelta(days=DAYS))
    people = (
        asked.order_by()
        .values("asked_by__username")
        .annotate(
            turns=Count("pk"),
            input=Sum("input_tokens"),
            output=Sum("output_tokens"),
            last=Max("created_at"),
        )
        .order_by("-turns")[:PEOPLE]
    )
    return [{**row, "url": rows("turn", q=row["asked_by__username"] or "")} for row in people]


def _indexes() -> list[dict[str, Any]]:
    """Those that most of the sessions in use are bound to, and what was sought there in vain."""
    used = Q(sessions__last_used_at__gte=timezone.now() - timedelta(days=DAYS))
    counted = Index.objects.live().annotate(used=Count("sessions", filter=used))
    top = counted.filter(used__gt=0).order_by("-used").values("pk", "name", "used")[:INDEXES]
    since = timezone.now() - timedelta(days=DAYS)
    vain = Turn.objects.without_sources().filter(created_at__gte=since).order_by("-created_at")
    asked = Counter(pk for ids in vain.values_list("index_ids", flat=True)[:TIMED] for pk in ids)
    return [
        {
            **row,
            "vain": asked[row["pk"]],
            "url": reverse("admin:chat_index_change", args=[row["pk"]]),
        }
        for row in top
    ]
