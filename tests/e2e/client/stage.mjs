// What the tests of the client share: people with clients, a way to cut their network, and waiting for a condition.
import { createRequire } from 'node:module';
import net from 'node:net';
import { webcrypto } from 'node:crypto';
import { LegatoClient } from '../../../clients/js/src/legato.js';

globalThis.crypto ??= webcrypto; // Node 18
// Node has a WebSocket of its own from 22 on; before, the tests take the one that the official clients use.
const modules = createRequire(new URL('../../interop/package.json', import.meta.url));
export const WebSocket = globalThis.WebSocket ?? modules('ws');

export const server = process.env.LEGATO_URL;
const tokens = JSON.parse(process.env.LEGATO_TOKENS); // by user name; null: the application's own
const PATIENCE_MS = 20_000;
const open = new Set();

/** The people's clients are closed when a test is over. */
export async function clear() {
  for (const close of open) await close();
  open.clear();
}

/** A client of that user, logged in unless told otherwise, with everything it heard. */
export async function person(name, { url = server, token = () => tokens[name], connect = true } = {}) {
  const client = new LegatoClient({ url, token, WebSocket });
  const heard = [];
  const changes = [];
  client.on('*', (event) => heard.push(event));
  client.on('status', (change) => changes.push(change));
  open.add(() => client.logout());
  if (connect) await client.connect();
  return { client, heard, changes, name, tokens };
}

/** A new conversation that all of them have joined. */
export async function together(...people) {
  const made = await people[0].client.createConversation({ display_name: 'A test' });
  for (const { client } of people) await client.conversation(made.id).join();
  return made.id;
}

/** Resolves with what `condition` finds, once it finds something. */
export async function until(condition, what) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`still not true after ${PATIENCE_MS} ms: ${what ?? condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A way to the server that can be cut: `cut()` resets every connection, `shut()` refuses new ones until `open()`. */
export async function cable() {
  const target = new URL(server);
  const sockets = new Set();
  let isShut = false;
  const relay = net.createServer((near) => {
    if (isShut) return near.destroy();
    const far = net.connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => (sockets.delete(one), other.destroy()));
    }
  });
  await new Promise((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const cut = () => sockets.forEach((socket) => socket.resetAndDestroy());
  open.add(() => (cut(), new Promise((resolve) => relay.close(resolve))));
  return {
    url: `http://127.0.0.1:${relay.address().port}`,
    cut,
    shut: () => ((isShut = true), cut()),
    open: () => (isShut = false),
  };
}
