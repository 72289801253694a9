import { SINK_NAMES, sinksInWords, summaryOf } from './describe.js';
import { copy, element, icon } from './element.js';
import { jsonView } from './json.js';

const TIME = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hour12: false,
});

/**
 * One event of the log as a row that can be opened. `place` tells how the page knows it: `{hue, people, delivery}`, the
 * hue of its family, the hues of people by name, and how its delivery stands, null when there is no webhook.
 */
export function rowOf(entry, { hue, people, delivery }, onToggle) {
  const { event } = entry;
  const isSignal = event.id === undefined;
  const name = event.user?.name ?? (event.from ? 'member' : 'system');
  const words = summaryOf(event);
  return element(
    'div',
    { role: 'listitem', class: ['row', isSignal && 'signal'], hue },
    element(
      'button',
      { type: 'button', class: 'event', 'aria-expanded': 'false', onclick: onToggle },
      element('span', { class: 'id' }, hidden(isSignal ? 'signal' : 'event '), isSignal ? '' : String(event.id)),
      element('span', { class: 'dot', 'aria-hidden': 'true' }),
      element('span', { class: 'type' }, event.type),
      element('time', { datetime: event.timestamp }, TIME.format(new Date(event.timestamp))),
      element(
        'span',
        { class: 'words' },
        element('span', { class: 'from', hue: people.get(name) ?? 0 }, name),
        ` ${words}`,
      ),
      sinksOf(entry, delivery),
    ),
  );
}

/** The delivery has changed: so does what its row shows of it. */
export function showDelivery(row, entry, delivery) {
  const before = row.querySelector('.sinks');
  if (before.dataset.delivery === keyOf(delivery)) return;
  before.replaceWith(sinksOf(entry, delivery));
  const where = row.querySelector('.where');
  if (where) where.textContent = sinksInWords(entry, delivery);
}

function sinksOf(entry, delivery) {
  const where = sinksInWords(entry, delivery);
  return element(
    'span',
    { class: 'sinks', title: where, 'data-delivery': keyOf(delivery) },
    hidden(where),
    ...SINK_NAMES.flatMap((sink) => {
      if (!entry.sinks.includes(sink) || (sink === 'webhook' && !delivery)) return [faint(icon(sink))];
      return sink === 'webhook' ? deliveryIcon(delivery) : [icon(sink)];
    }),
  );
}

function deliveryIcon({ state, attempts }) {
  const svg = icon(DELIVERY_ICONS[state] ?? 'webhook');
  const count = state === 'retrying' || (state === 'delivered' && attempts > 1);
  const times = count ? element('span', { class: 'times', 'aria-hidden': 'true' }, String(attempts)) : null;
  return [element('span', { class: ['way', state] }, svg, times)];
}

const DELIVERY_ICONS = { waiting: 'waiting', delivered: 'arrived', retrying: 'retrying', dead: 'dead' };
const keyOf = (delivery) => (delivery ? `${delivery.state} ${delivery.attempts}` : '');

function faint(svg) {
  svg.classList.add('off');
  return svg;
}

/** What an open row shows: the type's sentence in the catalogue, where the event went, `deliveries`, and the event. */
export function detailOf(entry, summary, delivery, deliveries) {
  const { event } = entry;
  const copyJson = ({ currentTarget }) => copy(JSON.stringify(event, null, 2), currentTarget);
  return element(
    'div',
    { class: 'detail' },
    element('p', {}, summary),
    element('p', { class: 'where' }, sinksInWords(entry, delivery)),
    deliveries,
    jsonView(event),
    element('button', { type: 'button', class: 'plain copy', onclick: copyJson }, icon('copy'), 'Copy JSON'),
  );
}

const hidden = (text) => element('span', { class: 'hidden' }, text);
