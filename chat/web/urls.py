from django.contrib.auth import views as auth
from django.urls import path

from .views import appearance, library, originals, rail, sessions, sources, streams, turns

SESSION = "chat/<str:session_id>"
DOCUMENT = "library/<str:index_id>/files/<str:file_id>"

urlpatterns = [
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("appearance/", appearance.change, name="appearance"),
    path("", sessions.home, name="home"),
    path("suggestions/", sessions.suggestions, name="suggestions"),
    path("search/", rail.search, name="search"),
    path("rail/", rail.more, name="rail"),
    path("archive/", rail.archived, name="archived"),
    path("chat/", turns.begin, name="begin"),
    path(f"{SESSION}/", sessions.show, name="session"),
    path(f"{SESSION}/turns/", turns.turns, name="turns"),
    path(f"{SESSION}/turns/<int:seq>/", turns.show, name="turn"),
    path(f"{SESSION}/turns/<int:seq>/edit/", turns.edit, name="edit"),
    path(f"{SESSION}/branch/", turns.choose, name="branch"),
    path(f"{SESSION}/queue/", turns.queue, name="queue"),
    path(f"{SESSION}/feedback/", turns.rate, name="feedback"),
    path(f"{SESSION}/turns/<int:seq>/answer.md", turns.answer, name="answer"),
    path(f"{SESSION}/stop/", turns.stop, name="stop"),
    path(f"{SESSION}/events/", streams.events, name="events"),
    path(f"{SESSION}/details/", sessions.details, name="details"),
    path(f"{SESSION}/pin/", sessions.pin, name="pin"),
    path(f"{SESSION}/archive/", sessions.archive, name="archive"),
    path(f"{SESSION}/share/", sessions.share, name="share"),
    path(f"{SESSION}/delete/", sessions.delete, name="delete"),
    path(f"{SESSION}/restore/", sessions.restore, name="restore"),
    path(f"{SESSION}/export.md", sessions.export, name="export"),
    path(
        f"{SESSION}/sources/<str:index_id>/<str:file_id>/",
        sources.show,
        name="source",
    ),
    path("library/", library.indexes, name="library"),
    path("library/<str:index_id>/", library.index, name="index"),
    path("library/<str:index_id>/files/", library.upload, name="upload"),
    path("library/<str:index_id>/files/<str:file_id>/", library.document, name="document"),
    path(f"{DOCUMENT}/original/", originals.original, name="original"),
    path(f"{DOCUMENT}/pages/<int:number>.jpg", originals.page, name="page_picture"),
    path(f"{DOCUMENT}/pages/<int:number>.svg", originals.marks, name="page_marks"),
    path("library/<str:index_id>/files/<str:file_id>/remove/", library.remove, name="remove"),
    path("library/<str:index_id>/sync/", library.sync, name="sync"),
    path("library/<str:index_id>/sync/cancel/", library.cancel, name="cancel_sync"),
    path("library/<str:index_id>/settings/", library.change, name="change_index"),
    path("library/<str:index_id>/search/", library.try_search, name="try_search"),
    path("library/<str:index_id>/delete/", library.delete, name="delete_index"),
]
