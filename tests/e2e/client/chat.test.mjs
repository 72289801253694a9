// The client speaks and hears: every verb of a conversation, against a real server.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { LegatoError } from '../../../clients/js/src/legato.js';
import { clear, person, together, until } from './stage.mjs';

afterEach(clear);

const of = (heard, type) => heard.filter((event) => event.type === type);

test('a text is heard by both, the sender included, with the id that the answer gave', async () => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const id = await together(alice, bob);
  const sent = await alice.client.conversation(id).text('hello');
  const [heard] = await until(() => of(bob.heard, 'text').length && of(bob.heard, 'text'));
  assert.deepEqual([heard.id, heard.body, heard.conversation_id], [sent.id, { text: 'hello' }, id]);
  assert.equal(heard._embedded.from_user.name, 'alice');
  await until(() => of(alice.heard, 'text').length === 1);
  assert.equal(bob.client.conversation(id).lastEventId, sent.id);
});

test('receipts, edits, typing, custom and ephemeral events and a deletion arrive in order', async () => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const id = await together(alice, bob);
  const [mine, theirs] = [alice.client.conversation(id), bob.client.conversation(id)];
  await mine.typing(true);
  const text = await mine.text('frist');
  await theirs.delivered(text);
  await theirs.seen(text);
  await mine.edit(text.id, 'first');
  await mine.custom('bow', { up: true });
  await mine.ephemeral({ cursor: 7 });
  await mine.remove(text.id);
  await until(() => of(alice.heard, 'event:delete').length);
  const after = alice.heard.slice(alice.heard.findIndex(({ type }) => type === 'text'));
  assert.deepEqual(
    after.map(({ type }) => type),
    ['text', 'text:delivered', 'text:seen', 'text:update', 'custom:bow', 'ephemeral', 'event:delete'],
  );
  assert.deepEqual(of(bob.heard, 'text:typing:on').length, 1);
  assert.deepEqual(
    after.map(({ id: place }) => place).filter(Boolean),
    [0, 1, 2, 3, 4, 5].map((step) => text.id + step),
  );
});

test('a listener hears its type, its family or everything, until it stops', async () => {
  const alice = await person('alice');
  const id = await together(alice);
  const calls = [];
  const stop = alice.client.on('custom:one', () => calls.push('one'));
  alice.client.on('custom:*', () => calls.push('family'));
  alice.client.on('*', ({ type }) => type.startsWith('custom:') && calls.push('all'));
  await alice.client.conversation(id).custom('one', {});
  await until(() => calls.length === 3);
  stop();
  await alice.client.conversation(id).custom('one', {});
  await until(() => calls.length === 5);
  assert.deepEqual(calls, ['one', 'family', 'all', 'family', 'all']);
});

test('an invitation is accepted, and a member who left is told so', async () => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const id = await together(alice);
  const invited = await alice.client.conversation(id).invite('bob');
  assert.equal(invited.state, 'INVITED');
  await until(() => of(bob.heard, 'member:invited').length);
  const joined = await bob.client.conversation(id).accept();
  assert.deepEqual([joined.id, joined.state], [invited.id, 'JOINED']);
  await bob.client.conversation(id).leave({ reason: { code: '1', text: 'supper' } });
  const [left] = await until(() => of(alice.heard, 'member:left').length && of(alice.heard, 'member:left'));
  assert.equal(left.body.reason.text, 'supper');
  await assert.rejects(
    bob.client.conversation(id).text('too late'),
    (error) => error instanceof LegatoError && error.status === 404,
  );
});

test('pages lead through the whole history, forwards and back', async () => {
  const alice = await person('alice');
  const id = await together(alice);
  const conversation = alice.client.conversation(id);
  for (let number = 1; number <= 7; number += 1) await conversation.text(String(number));
  const texts = [];
  let page = await conversation.events({ pageSize: 3, types: ['text'] });
  for (;;) {
    texts.push(...page.items.map(({ body }) => body.text));
    if (!page.next) break;
    page = await page.next();
  }
  assert.deepEqual(texts, ['1', '2', '3', '4', '5', '6', '7']);
  const before = await page.previous();
  assert.deepEqual(
    before.items.map(({ body }) => body.text),
    ['4', '5', '6'],
  );
  const [newest] = (await conversation.events({ pageSize: 1, order: 'desc' })).items;
  assert.deepEqual([newest.body.text, newest.conversation_id], ['7', id]);
  const { items: members } = await conversation.members();
  assert.deepEqual(
    members.map(({ state, _embedded }) => [state, _embedded.user.name]),
    [['JOINED', 'alice']],
  );
  const mine = await alice.client.conversations({ pageSize: 100 });
  assert.ok(mine.items.some((each) => each.id === id));
});

test('a picture goes up, is posted, and comes down again for the other one', async () => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const id = await together(alice, bob);
  await alice.client.conversation(id).image(new Blob([png(60, 40)], { type: 'image/png' }), { medium: 50 });
  const [heard] = await until(() => of(bob.heard, 'image').length && of(bob.heard, 'image'));
  const { original, medium, thumbnail } = heard.body.representations;
  for (const { url } of [original, medium, thumbnail]) {
    const blob = await bob.client.fetchMedia(url);
    assert.equal(blob.type, 'image/png');
    assert.ok(blob.size > 0);
  }
});

test('a conversation is changed and deleted', async () => {
  const alice = await person('alice');
  const id = await together(alice);
  const conversation = alice.client.conversation(id);
  await conversation.update({ display_name: 'Renamed' });
  assert.equal((await conversation.get()).display_name, 'Renamed');
  await until(() => of(alice.heard, 'conversation:updated').length);
  await conversation.delete();
  await assert.rejects(conversation.get(), { code: 'conversation:error:not-found', status: 404 });
});

test('an error says what was wrong, in code and in words', async () => {
  const alice = await person('alice');
  const id = await together(alice);
  await assert.rejects(alice.client.conversation(id).text('x'.repeat(2501)), (error) => {
    assert.ok(error instanceof LegatoError);
    assert.deepEqual([error.status, error.code], [400, 'http:error:validation-fail']);
    assert.match(error.invalidParameters[0].name, /text/);
    return true;
  });
  await assert.rejects(alice.client.conversation('CON-00000000-0000-4000-8000-000000000000').get(), {
    code: 'conversation:error:not-found',
  });
});

test('a request is told to who listens, after its answer', async () => {
  const alice = await person('alice');
  const made = [];
  alice.client.on('request', (request) => made.push(request));
  await together(alice);
  assert.deepEqual(made.map(({ method, status }) => [method, status])[0], ['POST', 201]);
  assert.ok(made[0].headers['Idempotency-Key']);
});

/** A grey PNG: signature, header, data and end (PNG specification 5). */
function png(width, height) {
  const table = Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const crc = (bytes) => ~bytes.reduce((sum, byte) => table[(sum ^ byte) & 0xff] ^ (sum >>> 8), -1) >>> 0;
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.from([0, 0, 0, width, 0, 0, 0, height, 8, 0, 0, 0, 0]);
  const rows = Buffer.concat(Array.from({ length: height }, () => Buffer.alloc(width + 1, 128).fill(0, 0, 1)));
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
