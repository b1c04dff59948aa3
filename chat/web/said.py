"""What the rooms below say when something goes wrong, in the reader's language.

Their sentences are English and are kept as such: in the log they outlive whoever was the reader,
and the API shows them as they are. A page finds each again by its pattern, values and all.
"""

import re
from functools import cache

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

# One after the other in most messages: each sentence stands for itself.
SENTENCES = [
    # Asking
    gettext_noop("Write a question first."),
    gettext_noop("A prompt may have %(limit)s characters; this has %(length)s."),
    gettext_noop("The prompt holds characters that are not text; remove them."),
    gettext_noop("Choose at least one index to search."),
    gettext_noop("This index is gone."),
    gettext_noop("Choose another."),
    gettext_noop("Name at least one index to search."),
    gettext_noop("An index is named twice; name each one once."),
    gettext_noop("At most %(limit)s indexes can be searched at once."),
    gettext_noop("An answer is still being written in this session."),
    gettext_noop("Wait for it, or stop it first."),
    gettext_noop("This session's indexes were fixed by its first message."),
    gettext_noop("Name some of those, or start a new session for others."),
    gettext_noop("Your quota of questions within an hour (%(limit)s) is used up."),
    gettext_noop("Your quota of tokens within 24 hours (%(limit)s) is used up."),
    gettext_noop("Not found."),
    gettext_noop("No such session."),
    gettext_noop("No such index."),
    gettext_noop("Give the session a title of at least one character."),
    gettext_noop("Choose private, read_only or query."),
    gettext_noop("This session cannot be brought back any more."),
    # Answering
    gettext_noop("Stopped."),
    gettext_noop("The answer took too long and was ended."),
    gettext_noop("Ask for less at once, or try again."),
    gettext_noop("Something went wrong in Carrel while answering."),
    gettext_noop(
        "Try again; if it happens again, the server's log tells the person who runs it why."
    ),
    gettext_noop("None of the indexes can be searched."),
    gettext_noop("Choose others, or sync them first."),
    gettext_noop("Not all of the indexes can be searched, and this message asked for all of them."),
    gettext_noop("The answer was interrupted: the server stopped while writing it."),
    gettext_noop("Ask again to retry."),
    gettext_noop("The answer could not be saved: the server's database is away."),
    gettext_noop("The server is being restarted."),
    gettext_noop("The index “%(name)s” was skipped: its first sync is not done yet."),
    gettext_noop("Ask again when the library shows it as ready."),
    gettext_noop(
        "The index “%(name)s” was skipped: it was deleted, or you may not use it any more."
    ),
    gettext_noop("Ask in a new session without it, or ask a manager of its project."),
    gettext_noop("This answer is by %(model)s instead."),
    gettext_noop("The answer ends where the model may write no more at once."),
    gettext_noop("Ask it to go on, or have the endpoint's limit on the length of a reply raised."),
    gettext_noop("The model ended its reply without a word."),
    gettext_noop("Ask again, or choose another model."),
    gettext_noop("The model endpoint's content filter ended the answer."),
    gettext_noop("Ask in other words."),
    # Tools; told to the model first of all
    gettext_noop("There is no tool %(name)s."),
    gettext_noop("Use %(tools)s."),
    gettext_noop("The arguments are not a JSON object."),
    gettext_noop("The tool failed; the server's log has the details."),
    gettext_noop("The query is empty."),
    gettext_noop("%(id)s is not an index of this turn."),
    gettext_noop("These are: %(names)s."),
    gettext_noop("There is no file %(id)s in that index; use find to list files."),
    gettext_noop("%(name)s must be of type %(kind)s."),
    gettext_noop("%(name)s is missing."),
    gettext_noop("The pattern cannot be used: %(reason)s."),
    gettext_noop("it holds half a character"),
    gettext_noop("This call did not finish."),
    # The endpoint of a model
    gettext_noop("%(who)s cannot be reached: %(reason)s."),
    gettext_noop("its host name is not known"),
    gettext_noop("the proxy before it does not answer"),
    gettext_noop("nothing answers at its address"),
    gettext_noop("no connection within %(time)s"),
    gettext_noop("no secure connection came about (its certificate may not be trusted)"),
    gettext_noop("%(who)s's address is not one."),
    gettext_noop("%(who)s closed the connection without an answer."),
    gettext_noop("%(who)s closed the connection in mid-answer."),
    gettext_noop("%(who)s closed the connection before its first word."),
    gettext_noop("%(who)s fell silent in mid-answer: not a word within %(time)s."),
    gettext_noop("%(who)s did not begin to answer: not a word within %(time)s."),
    gettext_noop("%(who)s does not accept this server's key."),
    gettext_noop("%(who)s does not know the model “%(model)s”."),
    gettext_noop("%(who)s does not know which model is meant."),
    gettext_noop("%(who)s has moved."),
    gettext_noop("%(who)s's key holds characters that no key has."),
    gettext_noop("%(who)s sent something that cannot be read: %(what)s."),
    gettext_noop("a line without an end"),
    gettext_noop("JSON that is no object"),
    gettext_noop("bytes that are not UTF-8"),
    gettext_noop("a web page"),
    gettext_noop("text that is not JSON"),
    gettext_noop("embeddings that cannot be read"),
    gettext_noop("embeddings that do not fit what was asked"),
    gettext_noop("vectors of %(now)s numbers after vectors of %(before)s"),
    gettext_noop("ratings that cannot be read"),
    gettext_noop("ratings that do not fit what was asked"),
    gettext_noop("%(who)s's account is used up."),
    gettext_noop("%(who)s has too much to do."),
    gettext_noop("%(who)s is overloaded or still starting."),
    gettext_noop("%(who)s answered with an error (HTTP %(status)s)."),
    gettext_noop("%(who)s answered with an error (HTTP %(status)s): “%(words)s”."),
    gettext_noop("This is more text than the model can read at once."),
    gettext_noop("Ask for less, or start a new session."),
    gettext_noop("Try again."),
    gettext_noop("Try again in a moment."),
    gettext_noop("Try again in a minute."),
    gettext_noop("Try again in %(time)s."),
    gettext_noop("Whoever runs this server can %(advice)s."),
    gettext_noop("check %(setting)s_BASE_URL and that the endpoint is running"),
    gettext_noop("look into the endpoint's log"),
    gettext_noop("raise the endpoint's limits"),
    gettext_noop("raise LLM_TIMEOUT if the model is that slow"),
    gettext_noop("lower LLM_CONTEXT_TOKENS to what the model can read"),
    gettext_noop("check %(setting)s_API_KEY"),
    gettext_noop("check %(setting)s_MODEL, and that %(setting)s_BASE_URL ends in /v1"),
    gettext_noop("check that %(setting)s_BASE_URL is an OpenAI-compatible endpoint"),
    gettext_noop("set %(setting)s_BASE_URL, like http://localhost:11434/v1"),
    gettext_noop("set %(setting)s_BASE_URL to its new address, often https"),
    gettext_noop("set %(setting)s_API_KEY again"),
    gettext_noop("look into its billing"),
    gettext_noop("choose an %(setting)s_MODEL that reads longer passages"),
    gettext_noop("1 second"),
    gettext_noop("%(n)s seconds"),
    gettext_noop("%(n)s minutes"),
    gettext_noop("%(n)s hours"),
    gettext_noop("The model endpoint"),
    gettext_noop("The embedding endpoint"),
    # Room
    gettext_noop("Nothing can be saved: the server's disk is full."),
    gettext_noop("Whoever runs this server can make room; then try again."),
    # Files
    gettext_noop("This file is larger than the %(limit)s MB allowed here."),
    gettext_noop("The file is empty."),
    gettext_noop("The file holds no text."),
    gettext_noop("The file holds more text than one document may (%(limit)s million characters)."),
    gettext_noop("Split it into several files."),
    gettext_noop("The file is protected by a password."),
    gettext_noop("Remove the password and add it again."),
    gettext_noop("The file unpacks to far more than its size allows, as a zip bomb does."),
    gettext_noop("Not read."),
    gettext_noop("Files of this kind cannot be read."),
    gettext_noop("Files of this kind (%(kind)s) cannot be read."),
    gettext_noop("The file is damaged, or not the %(kind)s its name says it is."),
    gettext_noop("The file is damaged in a way that breaks its reading."),
    gettext_noop("The PDF holds pictures of pages but no text."),
    gettext_noop("Run text recognition (OCR) over it and add it again."),
    gettext_noop("The file is a picture."),
    gettext_noop("Only text can be read."),
    gettext_noop("The original is missing from the storage."),
    gettext_noop("This directory already has a file with the unique id “%(id)s”."),
    gettext_noop("You may read this project, but not change its documents."),
    gettext_noop("Reading the file took more than %(n)s seconds and was given up."),
    gettext_noop("Reading the file takes more than %(n)s MB of memory."),
    # Syncs
    gettext_noop("Sync cancelled"),
    gettext_noop("None of the %(n)s files could be read."),
    gettext_noop("%(name)s could not be read."),
    gettext_noop("The sync broke off by a fault of the server; its log has the details."),
    gettext_noop("Sync again."),
    gettext_noop("A sync of this index is running."),
    gettext_noop("Wait for it, or cancel it."),
    gettext_noop("No sync of this index is running."),
    gettext_noop("The sync ended %(n)s workers and was given up."),
    gettext_noop(
        "Their log may tell which file does it; give the worker more memory, or take the file out."
    ),
    gettext_noop("The process that embeds texts ended; the worker's log may tell why."),
    gettext_noop("The process that embeds texts did not answer."),
]
BETWEEN = re.compile(r"(?<=[.!?]) (?=[A-Z“])")
PLACE = re.compile(r"%\((\w+)\)s")
NUMBER = re.compile(r"\d{1,3}(,\d{3})+")  # as the rooms below write a great one


def said(message: str) -> str:
    """The message as its reader would say it; what is not known stays as it is."""
    return " ".join(_one(sentence) for sentence in BETWEEN.split(message))


def _one(sentence: str) -> str:
    if not sentence:  # the catalog keeps its own facts under this
        return ""
    if (known := _(sentence)) != sentence:
        return known
    if NUMBER.fullmatch(sentence):
        return number_format(int(sentence.replace(",", "")), force_grouping=True)
    for template, pattern in _patterns():
        if match := pattern.fullmatch(sentence):
            return _(template) % {name: said(value) for name, value in match.groupdict().items()}
    return sentence


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Those with values in them, the longest first: it says most."""
    templates = [one for one in SENTENCES if PLACE.search(one)]
    return [(one, _pattern(one)) for one in sorted(templates, key=len, reverse=True)]


def _pattern(template: str) -> re.Pattern[str]:
    """A value may be anything; one that comes twice is the same both times."""
    pattern, named = "", set()
    for at, piece in enumerate(PLACE.split(template)):  # text and names by turns
        if at % 2 == 0:
            pattern += re.escape(piece)
        else:
            pattern += f"(?P={piece})" if piece in named else f"(?P<{piece}>.+)"
            named.add(piece)
    return re.compile(pattern, re.DOTALL)
