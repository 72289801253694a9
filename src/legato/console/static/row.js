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
 * One event of the log as a row that can be opened. `place` tells how the page knows it: `{hue, people, hasWebhook}`,
 * the hue of its family, the hues of people by name, and whether the application has a webhook at all.
 */
export function rowOf({ event, sinks, readers }, { hue, people, hasWebhook }, onToggle) {
  const isSignal = event.id === undefined;
  const name = event.user?.name ?? (event.from ? 'member' : 'system');
  const where = sinksInWords({ sinks, readers }, hasWebhook);
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
      element('span', { class: 'sinks', title: where }, hidden(where), ...SINK_NAMES.map(sinkIcon)),
    ),
  );

  function sinkIcon(sink) {
    const svg = icon(sink);
    svg.classList.toggle('off', !sinks.includes(sink) || (sink === 'webhook' && !hasWebhook));
    return svg;
  }
}

/** What an open row shows: the type's sentence in the catalogue, where the event went, and the event. */
export function detailOf({ event, sinks, readers }, summary, hasWebhook) {
  const copyJson = ({ currentTarget }) => copy(JSON.stringify(event, null, 2), currentTarget);
  return element(
    'div',
    { class: 'detail' },
    element('p', {}, summary),
    element('p', { class: 'where' }, sinksInWords({ sinks, readers }, hasWebhook)),
    jsonView(event),
    element('button', { type: 'button', class: 'plain', onclick: copyJson }, icon('copy'), 'Copy JSON'),
  );
}

const hidden = (text) => element('span', { class: 'hidden' }, text);
