import { LegatoError } from './client/legato.js';
import { beforePaint, element, icon } from './element.js';
import { Messages, progress } from './messages.js';
import { Receipts } from './receipts.js';

const PAGE = 50; // messages asked for at a time
const MOST = 200; // messages kept in a pane; older ones are a click away
const MOST_ANIMATED = 3; // messages of one paint whose coming is shown; more would only flicker
const TYPING_MS = 3_000; // without a key, one has stopped typing
const TYPING_STALE_MS = 10_000; // the others stop believing it by themselves
const AT_END_PX = 40; // nearer than that to the end, the pane follows what comes
const STATUS = {
  connected: 'online',
  suspended: 'offline',
  closed: 'ended',
  connecting: 'connecting …',
  reconnecting: 'reconnecting …',
};

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** One person's side of the conversation. */
export class Pane {
  #messages = new Messages();
  #rows = new Map(); // message id → its element
  #changed = new Set(); // ids to draw with the next paint
  #lastDrawn = 0;
  #most = MOST;
  #typists = new Map(); // member id → {name, timer}
  #earlier = null; // gets the page before what is shown
  #me = null;
  #editing = null;
  #typing = 0;
  #isAttentive = false;
  #follows = true;
  #scroll = 0;
  #paint = beforePaint(() => this.#render());

  /**
   * @param {{user: object, hue: number, client: import('./client/legato.js').LegatoClient, conversationId: string,
   *          announce: (text: string) => void, onPoint: (id: number | null) => void,
   *          onPicture: (url: string, alt: string) => void}} options
   */
  constructor(options) {
    Object.assign(this, options);
    this.conversation = this.client.conversation(this.conversationId);
    this.receipts = new Receipts(this.conversation);
    this.unread = 0;
    this.#build();
    this.client.on('status', (change) => this.#showStatus(change));
    this.client.on('*', (event) => event.conversation_id === this.conversationId && this.#hear(event));
  }

  async start() {
    await this.client.connect();
    this.#me = await this.conversation.me();
    await this.#loadNewest();
  }

  focus() {
    this.input.focus();
  }

  /** Marks a message, from wherever on the page it is pointed at. */
  point(id) {
    this.list.querySelector('.pointed')?.classList.remove('pointed');
    this.#rows.get(id)?.classList.add('pointed');
  }

  // What comes

  async #loadNewest() {
    await this.#load(await this.conversation.events({ order: 'desc', pageSize: PAGE }));
  }

  async #load({ items, next }) {
    this.#earlier = next;
    for (const event of items.toReversed()) this.#take(event);
    for (const event of items) this.#acknowledge(event);
  }

  #hear(event) {
    if (event.type === 'text:typing:on') this.#showTypist(event);
    else if (event.type === 'text:typing:off') this.#dropTypist(event.from);
    const message = this.#take(event);
    if (message === null) return;
    if (message.isDeleted) {
      this.receipts.forget(message.id);
      this.#showUnread();
    }
    if (message.type && message.id === event.id && event.from !== this.#me?.id) {
      this.#dropTypist(event.from);
      this.#acknowledge(event);
      if (this.#isAttentive) this.announce(`${message.author}: ${message.text || 'a picture'}`);
    }
  }

  /** Folds an event in; the message that it makes or changes is drawn with the next paint. */
  #take(event) {
    const message = this.#messages.apply(event);
    if (message !== null) {
      this.#changed.add(message.id);
      this.#paint();
    }
    return message;
  }

  /** Receipts for what others wrote: delivered at once, seen when somebody looks. */
  #acknowledge(event) {
    const message = this.#messages.get(event.id);
    if (!message?.type || message.isDeleted || message.from === this.#me?.id || !this.#me) return;
    if (!message.delivered.has(this.#me.id) && !message.seen.has(this.#me.id)) this.receipts.deliver(event);
    if (!message.seen.has(this.#me.id)) {
      if (this.#isAttentive) this.receipts.see(event);
      else this.receipts.keep(event);
    }
    this.#showUnread();
  }

  /** Somebody is in this pane, by keyboard or pointer: what comes is seen as it comes. */
  #attend(isAttentive) {
    this.#isAttentive = isAttentive;
    if (isAttentive) this.#glance();
  }

  #glance() {
    this.receipts.seeKept();
    this.#showUnread();
  }

  #showUnread() {
    this.unread = this.receipts.kept;
    this.badge.hidden = this.unread === 0;
    this.badge.textContent = `${this.unread} unread`;
    this.section.dispatchEvent(new CustomEvent('unread', { bubbles: true }));
  }

  #showTypist({ from, _embedded }) {
    if (from === this.#me?.id) return;
    clearTimeout(this.#typists.get(from)?.timer);
    const timer = setTimeout(() => this.#dropTypist(from), TYPING_STALE_MS);
    this.#typists.set(from, { name: _embedded?.from_user?.name ?? 'someone', timer });
    this.#showTyping();
  }

  #dropTypist(member) {
    clearTimeout(this.#typists.get(member)?.timer);
    if (this.#typists.delete(member)) this.#showTyping();
  }

  #showTyping() {
    const names = [...this.#typists.values()].map(({ name }) => name);
    this.typing.replaceChildren(
      ...(names.length
        ? [
            element('span', { class: 'dots', 'aria-hidden': 'true' }, element('i'), element('i'), element('i')),
            `${names.join(', ')} is typing`,
          ]
        : []),
    );
  }

  #showStatus({ status, error, resumed }) {
    this.section.dataset.status = status;
    this.status.textContent = STATUS[status];
    const isAway = status === 'suspended' || status === 'closed';
    this.toggle.setAttribute('aria-checked', String(!isAway));
    this.composer.disabled = isAway;
    this.input.placeholder = isAway ? `${this.user.name} is offline` : `Write as ${this.user.name}`;
    if (status === 'closed' && error) this.#complain(error);
    // The server has let the earlier session go: what was missed is in the history only.
    if (status === 'connected' && !resumed && this.#me) this.#loadNewest().catch((trouble) => this.#complain(trouble));
  }

  // What goes

  async #send() {
    const text = this.input.value.trim();
    if (!text) return;
    const editing = this.#editing;
    this.#stopTyping();
    this.#setEditing(null);
    this.#complain(null);
    try {
      await (editing ? this.conversation.edit(editing.id, text) : this.conversation.text(text));
    } catch (error) {
      if (editing) this.#setEditing(editing);
      if (!this.input.value) this.input.value = text;
      this.#grow();
      this.#complain(error);
    }
  }

  async #sendPictures(files) {
    this.#complain(null);
    for (const file of files) {
      try {
        await this.conversation.image(file);
      } catch (error) {
        this.#complain(error);
      }
    }
  }

  async #remove(message) {
    await this.conversation.remove(message.id).catch((error) => this.#complain(error));
  }

  #complain(error) {
    if (error === null) return this.trouble.replaceChildren();
    if (!(error instanceof LegatoError)) throw error;
    const fields = error.invalidParameters.map(({ name, reason }) =>
      reason.includes(name) ? reason : `${name} ${reason}`,
    );
    this.trouble.replaceChildren(
      element('b', {}, `${fields.join(' ') || error.detail} `),
      element('code', {}, error.code),
    );
  }

  #noteTyping() {
    const isWriting = this.input.value.trim() !== '' && !this.#editing;
    if (!isWriting) return this.#stopTyping();
    if (!this.#typing) this.conversation.typing(true).catch(() => {}); // a signal: nothing is lost with it
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#stopTyping(), TYPING_MS);
  }

  #stopTyping() {
    if (!this.#typing) return;
    clearTimeout(this.#typing);
    this.#typing = 0;
    this.conversation.typing(false).catch(() => {});
  }

  #setEditing(message) {
    this.#editing = message;
    this.editBar.hidden = message === null;
    this.editBar.firstElementChild.textContent = message ? `Editing event ${message.id}` : '';
    this.input.value = message?.text ?? '';
    this.sendButton.setAttribute('aria-label', message ? 'Save' : 'Send');
    this.#grow();
    if (message) this.input.focus();
  }

  #lastOwn() {
    return this.#messages.findLast((message) => message.from === this.#me?.id && message.text && !message.isDeleted);
  }

  // How it looks

  /** Draws what has changed. A message that belongs between others comes only with a page of history: then all is placed anew. */
  #render() {
    for (const id of this.#messages.trim(this.#most)) {
      this.#rows.get(id)?.remove();
      this.#rows.delete(id);
      this.#changed.delete(id);
    }
    const changed = [...this.#changed].sort((one, other) => one - other);
    this.#changed.clear();
    const fresh = changed.filter((id) => !this.#rows.has(id));
    const isAppended = fresh.every((id) => id > this.#lastDrawn);
    for (const id of isAppended ? changed : this.#messages.ids) {
      const row = this.#row(this.#messages.get(id), this.#messages.before(id));
      if (!row.isConnected || !isAppended) this.list.append(row);
      row.classList.toggle('fresh', isAppended && fresh.length <= MOST_ANIMATED && fresh.includes(id));
    }
    this.#lastDrawn = this.#messages.ids.at(-1) ?? 0;
    if (this.#earlier) this.list.prepend(this.earlier);
    else this.earlier.remove();
    if (!this.list.contains(document.activeElement)) this.#stopAt(this.list.lastElementChild);
    this.#toEnd();
  }

  /** What comes stays in view, unless one has scrolled away from the end. */
  #toEnd() {
    if (this.#follows) this.list.scrollTop = this.list.scrollHeight;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    // Growth moves nothing up: only who scrolls up wants to stay there.
    this.#follows = scrollHeight - scrollTop - clientHeight < AT_END_PX || (this.#follows && scrollTop >= this.#scroll);
    this.#scroll = scrollTop;
  }

  /** The one row that the tab key reaches; the arrows do the rest. */
  #stopAt(row) {
    for (const each of this.list.querySelectorAll(':scope > [tabindex="0"]')) each.tabIndex = -1;
    if (row?.matches('.message')) row.tabIndex = 0;
  }

  async #loadEarlier() {
    this.#most += PAGE;
    this.#follows = false;
    const page = await this.#earlier();
    const height = this.list.scrollHeight;
    await this.#load(page);
    requestAnimationFrame(() => (this.list.scrollTop += this.list.scrollHeight - height));
  }

  #row(message, before) {
    let row = this.#rows.get(message.id);
    const look = lookOf(message, before);
    if (row?.look === look) return row;
    const fresh = message.note ? element('li', { class: 'note' }, message.note) : this.#bubble(message, before);
    fresh.look = look;
    fresh.dataset.event = message.id;
    if (row) {
      const hadFocus = row === document.activeElement;
      fresh.classList.toggle('pointed', row.classList.contains('pointed'));
      fresh.setAttribute('tabindex', row.getAttribute('tabindex') ?? '-1');
      row.replaceWith(fresh);
      if (hadFocus) fresh.focus();
    }
    this.#rows.set(message.id, fresh);
    return fresh;
  }

  #bubble(message, before) {
    const isMine = message.from === this.#me?.id;
    const state = progress(message);
    const body = element('div', { class: 'body' });
    if (message.isDeleted) body.append(element('em', {}, 'Deleted'));
    else if (message.picture) body.append(this.#picture(message));
    else body.append(message.text);
    const meta = element(
      'div',
      { class: 'meta' },
      element('span', { class: 'event-id', title: `Event ${message.id} of the log` }, `#${message.id}`),
      message.isEdited && !message.isDeleted ? element('span', {}, 'edited') : null,
      element('time', { datetime: message.at }, TIME.format(new Date(message.at))),
      isMine && !message.isDeleted
        ? element(
            'span',
            { class: `tick ${state}` },
            icon(state === 'sent' ? 'sent' : 'delivered', state[0].toUpperCase() + state.slice(1)),
          )
        : null,
    );
    const act = (name, label, work) =>
      element(
        'button',
        {
          type: 'button',
          class: 'plain icon',
          tabindex: '-1',
          title: label,
          'aria-label': `${label} event ${message.id}`,
          onclick: work,
        },
        icon(name),
      );
    const actions =
      isMine && !message.isDeleted
        ? element(
            'div',
            { class: 'actions' },
            message.picture ? null : act('edit', 'Edit', () => this.#setEditing(message)),
            act('delete', 'Delete', () => this.#remove(message)),
          )
        : null;
    const startsGroup = !before || before.note || before.from !== message.from;
    return element(
      'li',
      {
        class: ['message', isMine ? 'mine' : 'theirs', startsGroup && 'starts', message.picture && 'has-picture'],
        tabindex: '-1',
      },
      element('span', { class: 'hidden' }, `${isMine ? 'You' : message.author}: `),
      body,
      meta,
      actions,
    );
  }

  #picture({ picture, author, id }) {
    const alt = `Picture from ${author}`;
    const image = element('img', { alt, decoding: 'async' });
    const button = element(
      'button',
      { type: 'button', class: 'picture', tabindex: '-1', 'aria-label': `${alt}, enlarge` },
      image,
    );
    const show = (representation) =>
      this.client.fetchMedia(representation.url).then((blob) => URL.createObjectURL(blob));
    show(picture.medium ?? picture.original).then(
      (url) => {
        image.onload = () => this.#toEnd();
        image.src = url;
      },
      () => button.replaceChildren(`The picture of event ${id} could not be loaded.`),
    );
    button.addEventListener('click', async () => this.onPicture(await show(picture.original), alt));
    return button;
  }

  #grow() {
    this.input.style.height = 'auto';
    this.input.style.height = `${Math.min(this.input.scrollHeight, 140)}px`;
  }

  #build() {
    const { name, display_name: display } = this.user;
    const id = `pane-${name}`;
    this.status = element('span', { class: 'status' });
    this.badge = element('span', { class: 'badge', hidden: true });
    this.toggle = element('button', {
      type: 'button',
      class: 'toggle',
      role: 'switch',
      'aria-checked': 'true',
      'aria-label': `${display || name} is online`,
      title: 'Take offline, bring back',
      onclick: () => this.#switchNetwork(),
    });
    this.list = element('ol', {
      class: 'messages',
      'aria-label': `What ${name} sees`,
      onkeydown: (event) => this.#moveAmong(event),
    });
    this.earlier = element(
      'li',
      { class: 'earlier' },
      element('button', { type: 'button', class: 'plain', onclick: () => this.#loadEarlier() }, 'Earlier messages'),
    );
    this.typing = element('p', { class: 'typing', role: 'status', 'aria-live': 'off' });
    this.trouble = element('p', { class: 'trouble', role: 'alert' });
    this.file = element('input', {
      type: 'file',
      accept: 'image/*',
      multiple: true,
      hidden: true,
      'aria-label': `Pictures to send as ${name}`,
      onchange: () => this.#chosen(),
    });
    this.input = element('textarea', {
      rows: '1',
      placeholder: `Write as ${name}`,
      'aria-label': `Write as ${name}`,
      enterkeyhint: 'send',
      oninput: () => (this.#grow(), this.#noteTyping()),
      onkeydown: (event) => this.#keyInInput(event),
      onpaste: (event) => this.#pasted(event),
    });
    this.sendButton = element('button', { type: 'submit', class: 'send', 'aria-label': 'Send' }, icon('send'));
    this.composer = element(
      'fieldset',
      { class: 'composer' },
      element(
        'button',
        {
          type: 'button',
          class: 'plain icon',
          'aria-label': 'Send a picture',
          title: 'Send a picture',
          onclick: () => this.file.click(),
        },
        icon('image'),
      ),
      this.file,
      this.input,
      this.sendButton,
    );
    this.editBar = element(
      'p',
      { class: 'edit-bar', hidden: true },
      element('span'),
      element(
        'button',
        { type: 'button', class: 'plain', onclick: () => (this.#setEditing(null), this.input.focus()) },
        'Cancel',
      ),
    );
    this.section = element(
      'section',
      { class: 'card pane', id, hue: this.hue, 'aria-labelledby': `${id}-title`, 'data-status': 'connecting' },
      element(
        'header',
        { class: 'card-head' },
        element('span', { class: 'avatar', 'aria-hidden': 'true' }, (display || name)[0].toUpperCase()),
        element('h2', { id: `${id}-title` }, name),
        this.status,
        element('span', { class: 'grow' }),
        this.badge,
        this.toggle,
      ),
      this.list,
      this.typing,
      this.trouble,
      this.editBar,
      element('form', { onsubmit: (event) => (event.preventDefault(), this.#send()) }, this.composer),
    );
    this.section.addEventListener('focusin', () => this.#attend(true));
    this.section.addEventListener(
      'focusout',
      ({ relatedTarget }) => this.section.contains(relatedTarget) || this.#attend(false),
    );
    this.section.addEventListener('pointerdown', () => this.#glance());
    this.section.addEventListener('dragover', (event) => event.preventDefault());
    this.section.addEventListener(
      'drop',
      (event) => (event.preventDefault(), this.#sendPictures(pictures(event.dataTransfer))),
    );
    const point = ({ target }) => this.onPoint(Number(target.closest('[data-event]')?.dataset.event) || null);
    this.list.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#toEnd()).observe(this.list);
    this.list.addEventListener('pointerover', point);
    this.list.addEventListener('focusin', point);
    this.list.addEventListener('pointerleave', () => this.onPoint(null));
  }

  #switchNetwork() {
    if (this.client.status === 'suspended') this.client.resume();
    else if (this.client.status === 'closed') location.reload();
    else this.client.suspend();
  }

  #chosen() {
    this.#sendPictures([...this.file.files]);
    this.file.value = '';
  }

  #pasted(event) {
    const found = pictures(event.clipboardData);
    if (!found.length) return;
    event.preventDefault();
    this.#sendPictures(found);
  }

  #keyInInput(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'Escape') {
      if (this.#editing) this.#setEditing(null);
      else (this.list.querySelector('[tabindex="0"]') ?? this.toggle).focus();
      event.stopPropagation();
    } else if (event.key === 'ArrowUp' && this.input.value === '' && this.#lastOwn()) {
      event.preventDefault();
      this.#setEditing(this.#lastOwn());
    }
  }

  #moveAmong(event) {
    const row = event.target.closest('li');
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...this.list.children].filter((each) => each.matches('.message'));
    const steps = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };
    const message = this.#messages.get(Number(row.dataset.event));
    const isMine = message && message.from === this.#me?.id && !message.isDeleted;
    if (event.key in steps) {
      const at = rows.indexOf(row) + steps[event.key];
      const next = rows[Math.min(Math.max(at, 0), rows.length - 1)];
      this.#stopAt(next);
      next?.focus();
    } else if (isMine && event.key.toLowerCase() === 'e' && message.text) {
      this.#setEditing(message);
    } else if (isMine && (event.key === 'Delete' || event.key === 'Backspace')) {
      this.#remove(message);
    } else if (event.key === 'Enter' && event.target === row && message?.picture) {
      row.querySelector('.picture')?.click();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

/** All that a row's looks depend on; a row is made anew when it changes. */
function lookOf(message, before) {
  if (message.note) return message.note;
  const { text, isDeleted, isEdited, picture } = message;
  return JSON.stringify([
    text,
    isDeleted,
    isEdited,
    picture?.id,
    progress(message),
    !before || before.note || before.from !== message.from,
  ]);
}

function pictures(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith('image/'));
}
