"""How the pages look to one person, on one device."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

YEAR = 365 * 24 * 60 * 60  # seconds


@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Keep the theme and go back to the page it was chosen on."""
    back = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    response = redirect(back if is_ours else "/")
    if request.POST.get("theme") in {"light", "dark"}:
        response.set_cookie("theme", request.POST["theme"], max_age=YEAR, samesite="Lax")
    return response
