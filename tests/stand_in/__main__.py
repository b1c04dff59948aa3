import argparse
import asyncio
import contextlib
import signal

from .server import run


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stand_in")
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    serving = asyncio.create_task(run(parser.parse_args().port))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


asyncio.run(main())
