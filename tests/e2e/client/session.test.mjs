// The client's session: login, cuts, suspension, tokens, logout.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { LegatoError } from '../../../clients/js/src/legato.js';
import { cable, clear, person, server, together, until } from './stage.mjs';

afterEach(clear);

const texts = (heard) => heard.filter(({ type }) => type === 'text').map(({ body }) => body.text);

test('a login tells who one is', async () => {
  const alice = await person('alice');
  assert.equal(alice.client.user.name, 'alice');
  assert.match(alice.client.sessionId, /^SES-/);
  assert.deepEqual(
    alice.changes.map(({ status }) => status),
    ['connecting', 'connected'],
  );
});

test('a refused login rejects with the code of the platform and leaves the client closed', async () => {
  const nobody = await person('alice', { token: 'not a token', connect: false });
  await assert.rejects(
    nobody.client.connect(),
    (error) => error instanceof LegatoError && error.code === 'system:error:invalid-token',
  );
  assert.equal(nobody.client.status, 'closed');
});

test('a server that is not there rejects the login', async () => {
  const lost = await person('alice', { url: 'http://127.0.0.1:9', connect: false });
  await assert.rejects(lost.client.connect(), { code: 'client:error:unreachable', status: 0 });
  await assert.rejects(lost.client.conversation('CON-x').get(), { code: 'client:error:unreachable' });
});

test('what happens during a cut comes after it, once and in order', async () => {
  const line = await cable();
  const [alice, bob] = [await person('alice'), await person('bob', { url: line.url })];
  const id = await together(alice, bob);
  const session = bob.client.sessionId;
  await alice.client.conversation(id).text('0');
  await until(() => texts(bob.heard).length === 1);
  for (let round = 1; round <= 3; round += 1) {
    line.shut();
    await until(() => bob.client.status === 'reconnecting');
    await alice.client.conversation(id).text(`${round}a`);
    await alice.client.conversation(id).text(`${round}b`);
    line.open();
    await until(() => bob.client.status === 'connected');
    assert.equal(bob.changes.at(-1).resumed, true);
  }
  await alice.client.conversation(id).text('end');
  await until(() => texts(bob.heard).includes('end'));
  assert.deepEqual(texts(bob.heard), ['0', '1a', '1b', '2a', '2b', '3a', '3b', 'end']);
  assert.equal(bob.client.sessionId, session);
});

test('cuts in the middle of a stream of events lose none and double none', async () => {
  const line = await cable();
  const [alice, bob] = [await person('alice'), await person('bob', { url: line.url })];
  const id = await together(alice, bob);
  const all = Array.from({ length: 120 }, (_, number) => String(number));
  for (const [number, text] of all.entries()) {
    await alice.client.conversation(id).text(text);
    if (number % 25 === 10) line.cut();
    if (number % 25 === 20) bob.client.hurry();
  }
  await until(() => texts(bob.heard).length >= all.length);
  assert.deepEqual(texts(bob.heard), all);
});

test('a suspended client stays away until it is resumed', async () => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const id = await together(alice, bob);
  bob.client.suspend();
  await alice.client.conversation(id).text('missed');
  assert.equal(bob.client.status, 'suspended');
  bob.client.resume();
  await until(() => texts(bob.heard).length === 1);
  assert.equal(bob.client.status, 'connected');
});

test('a client that is suspended and resumed in haste ends up connected', async () => {
  const bob = await person('bob');
  const id = await together(bob);
  for (let haste = 0; haste < 5; haste += 1) {
    bob.client.suspend();
    bob.client.resume();
  }
  await until(() => bob.client.status === 'connected');
  await bob.client.conversation(id).text('here');
  await until(() => texts(bob.heard).length === 1);
});

test('an expired token is replaced and the call is made again', async () => {
  const asked = [];
  const bob = await person('bob', {
    connect: false,
    token: () => (asked.push(asked.length), asked.length === 1 ? bob.tokens['bob, expired'] : bob.tokens.bob),
  });
  const found = await bob.client.rest.request('GET', '/v0.3/users/bob');
  assert.equal(found.name, 'bob');
  assert.equal(asked.length, 2);
});

test('a token that is about to expire is renewed and the session goes on', async () => {
  const bob = await person('bob');
  const requests = [];
  bob.client.on('request', (request) => requests.push(request));
  assert.equal(await bob.client.renewToken(), true);
  assert.deepEqual(
    requests.map(({ method, url, status }) => [method, new URL(url).pathname, status]),
    [['PUT', `/v0.2/sessions/${bob.client.sessionId}`, 200]],
  );
  assert.equal(bob.client.status, 'connected');
});

test('a token given as a string is not renewed', async () => {
  const { tokens } = await person('bob', { connect: false });
  const bob = await person('bob', { token: tokens.bob });
  assert.equal(await bob.client.renewToken(), false);
});

test('a lost answer does not make a second event', async () => {
  const line = await cable();
  const alice = await person('alice', { url: line.url });
  const id = await together(alice);
  const conversation = alice.client.conversation(id);
  await conversation.me();
  let isFirst = true;
  const real = globalThis.fetch;
  globalThis.fetch = async (...call) => {
    const answer = await real(...call);
    if (!isFirst || call[1].method !== 'POST') return answer;
    isFirst = false;
    throw new TypeError('the connection broke while the answer came');
  };
  try {
    await conversation.text('once');
  } finally {
    globalThis.fetch = real;
  }
  const { items } = await conversation.events({ types: ['text'] });
  assert.deepEqual(
    items.map(({ body }) => body.text),
    ['once'],
  );
});

test('after a logout the session is gone and the client can log in again', async () => {
  const bob = await person('bob');
  const first = bob.client.sessionId;
  await bob.client.logout();
  assert.deepEqual([bob.client.status, bob.client.sessionId, bob.client.user], ['closed', null, null]);
  await bob.client.connect();
  assert.notEqual(bob.client.sessionId, first);
});

test('a session that is ended elsewhere closes the client and says so', async () => {
  const bob = await person('bob');
  const answer = await fetch(`${server}/v0.3/sessions/${bob.client.sessionId}`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${bob.tokens.application}` },
  });
  assert.ok(answer.ok, String(answer.status));
  await until(() => bob.client.status === 'closed');
  assert.ok(bob.changes.at(-1).error instanceof LegatoError);
});
