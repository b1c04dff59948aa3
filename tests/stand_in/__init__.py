"""A stand-in for an OpenAI-compatible endpoint: a real HTTP server that plays what it is told.

``python -m tests.stand_in --port 0`` prints its address, ``http://127.0.0.1:<port>/v1``, and serves
until it is ended. A reply is told in one of two ways, see ``replies.Reply`` for what it may hold:

* ``POST /script`` with ``{"replies": [{"text": "Hello"}, …]}``: each is played once, in order, to
  the first request that contains its ``when``; with ``"again": true`` it is never used up.
* by the model's name, for a server under test that cannot be told otherwise:
  ``stand-in?tokens=500&rate=50``.

``DELETE /script`` forgets all. ``GET /requests`` lists what was asked; ``GET /open`` counts the
requests in progress, and those whose client left before the end.
"""
