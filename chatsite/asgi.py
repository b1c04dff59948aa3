"""The web process, for daphne, uvicorn or any other ASGI server."""

import os

from django.core.asgi import get_asgi_application

from chat.bodies import limited

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

application = limited(get_asgi_application())
