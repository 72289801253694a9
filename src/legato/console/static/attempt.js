import { element } from './element.js';

const TIME = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hour12: false,
});

/** One attempt as a line that opens to the request as the receiver got it. */
export function attemptOf(attempt) {
  const { request } = attempt;
  const details = element('details', {}, element('summary', {}, ...lineOf(attempt)));
  const fill = () =>
    details.append(
      ...(request ? [element('p', { class: 'signed' }, signedOf(request)), wireOf(request)] : [unknown()]),
    );
  details.addEventListener('toggle', fill, { once: true });
  return element('li', {}, details);
}

function lineOf({ at, seconds, status, error, answer, is_replay }) {
  const isTaken = status >= 200 && status < 300;
  const ms = seconds * 1000;
  return [
    element('time', { datetime: at }, TIME.format(new Date(at))),
    element('b', { class: isTaken ? 'good' : 'bad' }, status === null ? 'No answer' : String(status)),
    element('span', { class: 'ms' }, `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`),
    is_replay ? element('span', { class: 'again' }, 'again') : null,
    element('span', { class: 'answer' }, error ?? answer ?? ''),
  ].filter(Boolean);
}

function signedOf({ signatures }) {
  return `The receiver checked its ${signatures.length === 1 ? 'signature' : 'signatures'}: ${signatures.join(', ')}.`;
}

/** The request's head and its bytes; what is copied from it is what was sent. */
function wireOf({ line, headers, body }) {
  return element(
    'pre',
    { class: 'wire', tabindex: '0', 'aria-label': 'The request as it came' },
    `${line}\n`,
    ...headers.flatMap(([name, value]) => [element('span', { class: 'j-key' }, `${name}: `), `${value}\n`]),
    '\n',
    element('span', { class: 'j-string' }, body),
  );
}

function unknown() {
  return element('p', { class: 'signed' }, 'The request did not reach the built-in receiver, or is kept no longer.');
}
