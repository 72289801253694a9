// What the page decides without a browser: how events become messages, what a filter lets through, how curl is quoted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const modules = new URL('../../../src/legato/console/static/', import.meta.url);
const { Messages, progress } = await import(new URL('messages.js', modules));
const { Catalogue, filterOf, sinksInWords, summaryOf } = await import(new URL('describe.js', modules));
const { sentenceOf } = await import(new URL('deliveries.js', modules));
const { curlOf } = await import(new URL('curl.js', modules));

const text = (id, words, more = {}) => ({
  id,
  type: 'text',
  from: 'MEM-a',
  timestamp: '2026-01-02T08:00:00.000Z',
  body: { text: words },
  ...more,
});
const about = (id, type, target, body = {}, from = 'MEM-b') => ({
  id,
  type,
  from,
  timestamp: '2026-01-02T08:00:01.000Z',
  body: { event_id: target, ...body },
});
const edit = (id, target, words) => ({ ...about(id, 'text:update'), body: { original_event_id: target, text: words } });

test('the same events told twice make the same messages', () => {
  const events = [
    text(1, 'one'),
    about(2, 'text:delivered', 1),
    edit(3, 1, 'uno'),
    text(4, 'two'),
    about(5, 'event:delete', 4),
  ];
  const [once, twice] = [new Messages(), new Messages()];
  for (const event of events) once.apply(event);
  for (const event of [...events, ...events]) twice.apply(event);
  assert.deepEqual(twice.ids, [1, 4]);
  for (const id of once.ids) assert.deepEqual(twice.get(id), once.get(id));
  assert.deepEqual([once.get(1).text, once.get(1).isEdited, once.get(4).isDeleted], ['uno', true, true]);
});

test('a page of history that is older than the session takes nothing back', () => {
  const messages = new Messages();
  messages.apply(text(1, 'one'));
  messages.apply(edit(2, 1, 'uno'));
  messages.apply(about(3, 'text:seen', 1));
  messages.apply(text(1, 'one', { state: { delivered_to: { 'MEM-c': '2026' } } }));
  const message = messages.get(1);
  assert.deepEqual([message.text, [...message.seen], [...message.delivered]], ['uno', ['MEM-b'], ['MEM-c']]);
});

test('messages stand in the order of the log, in whatever order they come', () => {
  const messages = new Messages();
  for (const id of [5, 9, 2, 7, 1]) messages.apply(text(id, String(id)));
  assert.deepEqual(messages.ids, [1, 2, 5, 7, 9]);
  assert.equal(messages.before(5).id, 2);
  assert.equal(messages.before(1), undefined);
  assert.deepEqual(messages.trim(2), [1, 2, 5]);
  assert.deepEqual(messages.ids, [7, 9]);
  assert.equal(messages.get(5), undefined);
});

test('a message has come as far as the others say, not its author', () => {
  const messages = new Messages();
  const message = messages.apply(text(1, 'one'));
  messages.apply(about(2, 'text:seen', 1, {}, 'MEM-a'));
  assert.equal(progress(message), 'sent');
  messages.apply(about(3, 'text:delivered', 1));
  assert.equal(progress(message), 'delivered');
  messages.apply(about(4, 'text:seen', 1));
  assert.equal(progress(message), 'seen');
});

test('what is about a message that is not there changes nothing', () => {
  const messages = new Messages();
  assert.equal(messages.apply(about(2, 'text:seen', 1)), null);
  assert.equal(messages.apply(about(3, 'custom:thing', 1)), null);
  assert.deepEqual(messages.ids, []);
});

test('a filter takes names and trailing stars as the API does, and part of a name when it stands alone', () => {
  const passed = (filter, types) => types.filter(filterOf(filter));
  const types = ['text', 'text:seen', 'member:joined', 'custom:text'];
  assert.deepEqual(passed('', types), types);
  assert.deepEqual(passed('text*', types), ['text', 'text:seen']);
  assert.deepEqual(passed('text, member:*', types), ['text', 'member:joined']);
  assert.deepEqual(passed('SEEN', types), ['text:seen']);
});

test('a family of the catalogue stands for each of its members', () => {
  const catalogue = new Catalogue([
    { name: 'text', summary: 'A text.', sinks: [], is_stored: true },
    { name: 'custom:*', summary: 'Your own.', sinks: [], is_stored: true },
  ]);
  assert.equal(catalogue.entry('custom:order').summary, 'Your own.');
  assert.equal(catalogue.entry('nothing'), undefined);
  assert.notEqual(catalogue.hue('text'), catalogue.hue('custom:order'));
});

test('a row says in a few words what an event is about', () => {
  assert.equal(summaryOf({ body: { text: 'hello' } }), 'hello');
  assert.equal(summaryOf({ body: { event_id: '7' } }), '→ 7');
  assert.equal(summaryOf({ body: { original_event_id: 7, text: 'new' } }), '→ 7 new');
  assert.equal(summaryOf({ body: { order: 42 } }), '{"order":42}');
  const entry = { sinks: ['history', 'sessions', 'webhook'], readers: 1 };
  const words = (delivery) => sinksInWords(entry, delivery).split(' · ').at(-1);
  assert.equal(
    sinksInWords(entry, null),
    'Kept in history · heard by 1 user · for the webhook (the application has none)',
  );
  assert.equal(words({ state: 'waiting', attempts: 0 }), 'waits for the webhook');
  assert.equal(words({ state: 'delivered', attempts: 1 }), 'delivered to the webhook');
  assert.equal(words({ state: 'delivered', attempts: 3 }), 'delivered to the webhook (3 attempts)');
  assert.equal(words({ state: 'retrying', attempts: 1 }), 'not taken by the webhook yet (1 attempt)');
  assert.equal(words({ state: 'dead', attempts: 5 }), 'given up for the webhook (5 attempts): a dead letter');
});

test('the line below the log says why nothing is sent, and nothing when all is well', () => {
  const well = { state: 'active', why: null, failures: 0, attempts: 0, head: 7, cursor: 6 };
  assert.equal(sentenceOf(well), '');
  assert.equal(sentenceOf({ ...well, attempts: 2, why: 'answered 500' }), 'Event 7 was not taken: answered 500.');
  assert.equal(sentenceOf({ ...well, failures: 1, why: 'It hung up.' }), 'The endpoint waits: It hung up.');
  assert.equal(sentenceOf({ ...well, failures: 1, cursor: 7 }), '');
  const disabled = { ...well, state: 'disabled', why: 'answered 410 Gone' };
  assert.equal(sentenceOf(disabled), 'The endpoint is disabled: answered 410 Gone.');
  assert.equal(sentenceOf({ ...well, state: 'paused' }), 'The endpoint is paused: what happens waits for it.');
});

test('a shell reads from the curl command exactly what was sent', () => {
  const body = JSON.stringify({ text: `it's "quoted" $HOME \`date\` \\ \n end` });
  const command = curlOf({
    method: 'POST',
    url: 'http://h/x?a=1&b=2',
    headers: { A: "o'clock", 'Idempotency-Key': 'k' },
    body,
  });
  const script = `curl() { for each in "$@"; do printf '%s\\0' "$each"; done; }; ${command}`;
  const given = execFileSync('sh', ['-c', script]).toString().split('\0').slice(0, -1);
  assert.deepEqual(given, ['-X', 'POST', 'http://h/x?a=1&b=2', '-H', "A: o'clock", '--data', body]);
});
