"""A webhook sender as one would write it first: one loop, the oldest event, POST, and the row is marked.

In order, because it is one loop; durable, because SQLite commits (synchronous=FULL) after each. See senders.py.
"""

import hashlib
import hmac
import sqlite3
import sys

import httpx

SECRET = b"a secret of the endpoint's, 32 b."
BODY = '{"type":"text","body":{"text":"' + "x" * 305 + '"},"conversation_id":"%s","id":%d}'

url, database, conversations, events = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
connection = sqlite3.connect(database)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA synchronous=FULL")
connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, known_by TEXT, body TEXT, sent INTEGER DEFAULT 0)")
connection.execute("CREATE INDEX waiting ON events (id) WHERE sent = 0")
for number in range(events):
    conversation, place = f"CON-{number % conversations}", number // conversations + 1
    row = (f"{conversation}_{place}", BODY % (conversation, place))
    connection.execute("INSERT INTO events (known_by, body) VALUES (?, ?)", row)
connection.commit()
print("ready", flush=True)
sys.stdin.readline()
with httpx.Client() as client:
    while (row := connection.execute("SELECT * FROM events WHERE sent = 0 ORDER BY id LIMIT 1").fetchone()) is not None:
        id_, known_by, body, _ = row
        signature = hmac.digest(SECRET, f"{known_by}.{body}".encode(), hashlib.sha256).hex()
        headers = {"webhook-id": known_by, "webhook-signature": signature, "content-type": "application/json"}
        client.post(url, content=body, headers=headers).raise_for_status()
        connection.execute("UPDATE events SET sent = 1 WHERE id = ?", (id_,))
        connection.commit()
