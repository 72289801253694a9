import { element, icon } from './element.js';
import { progress } from './messages.js';

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const LABELS = { sent: 'Sent', delivered: 'Delivered', seen: 'Seen' };

/** All that the looks of a message depend on: it is made anew when this changes. */
export function lookOf(message, before) {
  if (message.note) return message.note;
  const { text, isDeleted, isEdited, picture } = message;
  return JSON.stringify([text, isDeleted, isEdited, picture?.id, progress(message), startsGroup(message, before)]);
}

/** A message or a note as an element. `actions` are `{onEdit, onDelete, showPicture}`; the first two for one's own. */
export function bubbleOf(message, before, isMine, { onEdit, onDelete, showPicture }) {
  if (message.note) return element('li', { class: 'note' }, message.note);
  const isChangeable = isMine && !message.isDeleted;
  const side = isMine ? 'mine' : 'theirs';
  return element(
    'li',
    {
      class: ['message', side, startsGroup(message, before) && 'starts', message.picture && 'has-picture'],
      tabindex: '-1',
    },
    element('span', { class: 'hidden' }, `${isMine ? 'You' : message.author}: `),
    element('div', { class: 'body' }, content(message, showPicture)),
    element(
      'div',
      { class: 'meta' },
      element('span', { class: 'event-id', title: `Event ${message.id} of the log` }, `#${message.id}`),
      message.isEdited && !message.isDeleted ? element('span', {}, 'edited') : null,
      element('time', { datetime: message.at }, TIME.format(new Date(message.at))),
      isChangeable ? tick(progress(message)) : null,
    ),
    isChangeable
      ? element(
          'div',
          { class: 'actions' },
          message.picture ? null : action('edit', `Edit event ${message.id}`, onEdit),
          action('delete', `Delete event ${message.id}`, onDelete),
        )
      : null,
  );
}

function startsGroup(message, before) {
  return !before || Boolean(before.note) || before.from !== message.from;
}

function content(message, showPicture) {
  if (message.isDeleted) return element('em', {}, 'Deleted');
  return message.picture ? picture(message, showPicture) : message.text;
}

function picture({ author, id }, showPicture) {
  const alt = `Picture from ${author}`;
  const image = element('img', { alt, decoding: 'async' });
  const button = element(
    'button',
    { type: 'button', class: 'picture', tabindex: '-1', 'aria-label': `${alt}, enlarge` },
    image,
  );
  showPicture(button, image, alt).catch(() =>
    button.replaceChildren(`The picture of event ${id} could not be loaded.`),
  );
  return button;
}

/** One's own message has been stored, has come to somebody, was looked at by somebody. */
function tick(state) {
  return element('span', { class: `tick ${state}` }, icon(state === 'sent' ? 'sent' : 'delivered', LABELS[state]));
}

function action(name, label, onclick) {
  const attributes = {
    type: 'button',
    class: 'plain icon',
    tabindex: '-1',
    title: label,
    'aria-label': label,
    onclick,
  };
  return element('button', attributes, icon(name));
}
