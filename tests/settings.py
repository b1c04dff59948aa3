"""The installation's own settings, cut off from the installation: other data, no outside models."""

import atexit
import os
import shutil
import tempfile

OURS = {"DEBUG", "HOST", "PORT", "SECRET_KEY", "ALLOWED_HOSTS", "BEHIND_HTTPS", "REDIS_URL"}
for name in list(os.environ):
    if name in OURS or name.startswith(("LLM_", "EMBEDDING_", "RERANK_")):
        del os.environ[name]
os.environ["DATABASE_POOL"] = "0"  # a database that somebody keeps open cannot be dropped
os.environ["CARREL_DATA_DIR"] = tempfile.mkdtemp(prefix="carrel-tests-")
atexit.register(shutil.rmtree, os.environ["CARREL_DATA_DIR"], ignore_errors=True)

from chatsite.settings import *  # noqa: E402, F403

STATIC_ROOT.mkdir()  # noqa: F405  # nothing is collected into it
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # made to be quick
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, as in life: in a database in memory, threads meet locks that nobody can wait for.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "tests.sqlite3"}  # noqa: F405
else:
    DATABASES["default"]["ENGINE"] = "tests.postgres"  # noqa: F405
