"""What is stored."""

from .documents import Chunk, Document
from .events import Event
from .feedback import Feedback
from .files import Directory, DirectoryFile, File
from .indexes import Index, Sync
from .joining import join_default_project
from .people import Preferences
from .projects import ORGANIZATION_ID, Actor, APIKey, Membership, Project, Role
from .quotas import Quota
from .requests import CreateOnce
from .sessions import MAX_INDEXES, BoundIndex, QueuedPrompt, Session, Turn
from .sign_ins import SignIn
from .turn_words import TurnWords
from .visits import Visit

__all__ = [
    "MAX_INDEXES",
    "ORGANIZATION_ID",
    "APIKey",
    "Actor",
    "BoundIndex",
    "Chunk",
    "CreateOnce",
    "Directory",
    "DirectoryFile",
    "Document",
    "Event",
    "Feedback",
    "File",
    "Index",
    "Membership",
    "Preferences",
    "Project",
    "QueuedPrompt",
    "Quota",
    "Role",
    "Session",
    "SignIn",
    "Sync",
    "Turn",
    "TurnWords",
    "Visit",
    "join_default_project",
]
