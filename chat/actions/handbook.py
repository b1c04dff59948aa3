"""The sample library: Carrel's own handbook, so that a newcomer's first question has an answer."""

from django.conf import settings
from django.core.files.base import File as Upload

from chat.models import Actor, Index, Project

from .directories import create_directory, upload_file
from .indexes import create_index

NAME = "Carrel handbook"


def add_handbook(actor: Actor, project: Project) -> Index:
    """File every page of ``docs/`` as anyone would, and index them. Raises ``Forbidden``."""
    directory = create_directory(
        actor, project, NAME, description="How to use, connect and look after Carrel."
    )
    for page in sorted((settings.BASE_DIR / "docs").glob("*.md")):
        with page.open("rb") as text:
            upload_file(actor, directory, page.name, Upload(text, name=page.name))
    return create_index(actor, directory)
