"""Webhooks as jobs of procrastinate on PostgreSQL, with the conversation as their lock: see senders.py.

Jobs of one lock run one after the other in the order in which they were deferred, as many locks at a time as there are
conversations; a job is durably done when its status is.
"""

import asyncio
import hashlib
import hmac
import logging
import sys

import httpx
import procrastinate

logging.getLogger("procrastinate").setLevel(logging.ERROR)  # it would rather be a package than a program

SECRET = b"a secret of the endpoint's, 32 b."
BODY = '{"type":"text","body":{"text":"' + "x" * 305 + '"},"conversation_id":"%s","id":%d}'

url, database, conversations, events = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
# As many connections as it has by default are too few for its workers to fetch and finish jobs side by side.
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database, min_size=1, max_size=20))
client = httpx.AsyncClient(limits=httpx.Limits(max_connections=conversations, max_keepalive_connections=conversations))


@app.task(name="deliver", retry=True)
async def deliver(known_by: str, body: str) -> None:
    """One event."""
    signature = hmac.digest(SECRET, f"{known_by}.{body}".encode(), hashlib.sha256).hex()
    headers = {"webhook-id": known_by, "webhook-signature": signature, "content-type": "application/json"}
    (await client.post(url, content=body, headers=headers)).raise_for_status()


async def main() -> None:
    """Fills the queue, and works it off when told to."""
    async with app.open_async(), client:
        await app.schema_manager.apply_schema_async()
        for place in range(1, events // conversations + 1):
            for number in range(conversations):
                conversation = f"CON-{number}"
                job = deliver.configure(lock=conversation)
                await job.defer_async(known_by=f"{conversation}_{place}", body=BODY % (conversation, place))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await app.run_worker_async(concurrency=conversations, wait=False, install_signal_handlers=False)


asyncio.run(main())
