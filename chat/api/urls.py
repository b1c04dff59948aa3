"""Everything below ``/api/``. Whatever no route knows is answered here too, in JSON."""

from django.urls import path, re_path
from ninja import NinjaAPI
from ninja.errors import ValidationErrorContext

from . import (
    attachments,
    directories,
    errors,
    files,
    indexes,
    openapi,
    projects,
    retrieval,
    sessions,
    turns,
)
from .auth import Key
from .content import content
from .json import ORJSON
from .parsing import JSONParser


class API(NinjaAPI):
    def validation_error_from_error_contexts(self, error_contexts: list[ValidationErrorContext]):
        return errors.faults(error_contexts)

    def get_openapi_operation_id(self, operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params=None):
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        document = super().get_openapi_schema(path_prefix=prefix)
        openapi.complete(document, prefix)
        return document


api = API(
    title="Carrel",
    version="1",
    description=openapi.DESCRIPTION,
    urls_namespace="api",
    auth=Key(),
    renderer=ORJSON(),
    parser=JSONParser(),
)
errors.install(api)
api.add_router("/v1/projects", projects.v1)
api.add_router("/v2/projects", projects.v2)
api.add_router("/v1/beta/files", files.router)
api.add_router("/v1/beta/directories", directories.router)
api.add_router("/v1/indexes", indexes.router)
api.add_router("/v1/retrieval", retrieval.router)
api.add_router("/v1/beta/attachments", attachments.router)
api.add_router("/v1/chat", sessions.router)
api.add_router("/v1/chat", turns.router)

urlpatterns = [
    path("v1/content/<str:token>", content, name="api-content"),
    path("", api.urls),
    re_path(r"^(?P<path>[\s\S]*)\Z", errors.no_such_route),  # line ends and all
]
