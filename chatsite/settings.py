"""Every setting of an installation, read from the environment; the README's table lists them all.

A value may also be read from a file: ``NAME_FILE=/run/secrets/name`` stands for ``NAME``.
"""

import os
import secrets
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()

# Before numpy is imported: after every search, however small, its threads spin for 100 ms in wait
# of more. That is more CPU than all the rest of a turn; searches run side by side anyway.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def env_bool(name: str, default: bool) -> bool:
    """A yes or a no. Anything else is refused: a misspelt switch must not silently mean "off"."""
    text = env.str(name, default=str(default)).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name} must be on or off, not {text!r}.")


def env_words(name: str, default: str = "") -> list[str]:
    """Words separated by blanks or commas."""
    return env.str(name, default=default).replace(",", " ").split()


def kept_secret(path: Path) -> str:
    """The installation's own secret, made once; two processes starting together agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # atomic, and fails when the other process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def redis_options(url: str) -> dict[str, Any]:
    """The URL as what ``redis.Redis`` is called with, which takes none."""
    from redis.connection import parse_url

    options: dict[str, Any] = {**parse_url(url)}
    kind = getattr(options.pop("connection_class", None), "__name__", "")
    if kind == "SSLConnection":
        options["ssl"] = True
    if "path" in options:
        options["unix_socket_path"] = options.pop("path")
    return options


# Where this installation keeps what it must not lose ------------------------------------------
DATA_DIR = Path(env.str("CARREL_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env_bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", default="") or kept_secret(DATA_DIR / "secret_key")
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
ALLOWED_HOSTS = env_words("ALLOWED_HOSTS", "localhost 127.0.0.1 [::1]")
CSRF_TRUSTED_ORIGINS = env_words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    # First: makes runserver an ASGI server. Otherwise only manage.py web pays for loading it.
    *(["daphne"] if DEBUG else []),
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_eventstream",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
    "ninja",  # serves the API pages' assets from here instead of a remote host
    "chat",
]

MIDDLEWARE = [
    "chatsite.middleware.Security",
    "chatsite.middleware.static_files",
    "chatsite.middleware.Compression",
    "chat.api.middleware.api_manners",
    "chatsite.middleware.ContentSecurityPolicy",
    "chatsite.middleware.BrowserSession",
    "chatsite.middleware.Locale",
    "chatsite.middleware.Common",
    "chatsite.middleware.Csrf",
    "chatsite.middleware.TextOnly",
    "chatsite.middleware.Authentication",
    "chat.web.reader.reader",
    "chatsite.middleware.Messages",
    "chatsite.middleware.XFrameOptions",
    "django_htmx.middleware.HtmxMiddleware",
]
# These look for three of Django's by name, and do not see subclasses.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]

ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database -------------------------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASES = {
    "default": env.db_url_config(DATABASE_URL or f"sqlite:///{DATA_DIR / 'carrel.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Readers never wait for the writer, and two writers queue instead of failing half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;"
            # Of all that a sync stores in one transaction; with 2 MB it is written out twice.
            "PRAGMA cache_size=-8192;"
        ),
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    if pool := env.int("DATABASE_POOL", default=20):
        DATABASES["default"]["OPTIONS"] = {
            **DATABASES["default"].get("OPTIONS", {}),
            # Else every request waits for PostgreSQL to start a process for it.
            "pool": {"min_size": min(pool, 2), "max_size": pool, "timeout": 20},
        }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis, when several web processes share one installation -------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
        }
    }
    EVENTSTREAM_REDIS = redis_options(REDIS_URL)
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

EVENTSTREAM_CHANNELMANAGER_CLASS = "chat.web.live.OwnChannel"

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# Models: what answers, and what turns text into vectors ----------------------------------------
LLM_BASE_URL = env.str("LLM_BASE_URL", default="").rstrip("/")
LLM_API_KEY = env.str("LLM_API_KEY", default="")
LLM_MODEL = env.str("LLM_MODEL", default="")
LLM_MODELS = env.str("LLM_MODELS", default="").split()
LLM_FALLBACK_MODEL = env.str("LLM_FALLBACK_MODEL", default="")
LLM_TIMEOUT = env.float("LLM_TIMEOUT", default=120.0)  # seconds of silence, not of the answer
LLM_CONTEXT_TOKENS = env.int("LLM_CONTEXT_TOKENS", default=16_000)
EMBEDDING_BASE_URL = env.str("EMBEDDING_BASE_URL", default="").rstrip("/")
EMBEDDING_API_KEY = env.str("EMBEDDING_API_KEY", default="")
EMBEDDING_MODEL = env.str("EMBEDDING_MODEL", default="")
RERANK_BASE_URL = env.str("RERANK_BASE_URL", default="").rstrip("/")
RERANK_API_KEY = env.str("RERANK_API_KEY", default="")
RERANK_MODEL = env.str("RERANK_MODEL", default="")

# Limits ---------------------------------------------------------------------------------------
MAX_PROMPT_CHARS = env.int("MAX_PROMPT_CHARS", default=32_000)
MAX_UPLOAD_MB = env.int("MAX_UPLOAD_MB", default=512)
PARSE_TIMEOUT = env.int("PARSE_TIMEOUT", default=300)  # seconds for one file
PARSE_MEMORY_MB = env.int("PARSE_MEMORY_MB", default=2048)
SEARCH_MEMORY_MB = env.int("SEARCH_MEMORY_MB", default=512)  # words and vectors kept at hand

# People ---------------------------------------------------------------------------------------
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True

# Files ----------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "files"  # never mapped to a URL: bytes leave through signed views only
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # JSON bodies; multipart files stream past it
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)

# Security -------------------------------------------------------------------------------------
BEHIND_HTTPS = env_bool("BEHIND_HTTPS", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_HTTPS else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"chat": {"level": env.str("LOG_LEVEL", default="INFO")}},
}
