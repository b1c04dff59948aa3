from django.contrib import admin
from django.urls import include, path

from chat.web.views import health

admin.autodiscover()

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/", include("chat.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("chat.web.urls")),
]

handler500 = "chat.web.views.broken.broken"
