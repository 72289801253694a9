import { bubbleOf, lookOf } from './bubble.js';
import { Composer, picturesOf } from './composer.js';
import { beforePaint, element } from './element.js';
import { Messages } from './messages.js';
import { Receipts } from './receipts.js';

const SHOWN = ['text', 'image', 'message', 'member:joined', 'member:left']; // their items carry edits and receipts
const PAGE = 50; // messages asked for at a time
const MOST = 200; // messages kept in a pane; older ones are a click away
const MOST_ANIMATED = 3; // messages of one paint whose coming is shown; more would only flicker
const TYPING_STALE_MS = 10_000; // without a word, a typist is believed to have stopped
const AT_END_PX = 40; // nearer than that to the end, the pane follows what comes
const STATUS = {
  connected: 'online',
  suspended: 'offline',
  closed: 'ended',
  connecting: 'connecting …',
  reconnecting: 'reconnecting …',
};

/** One person's side of the conversation. */
export class Pane {
  #messages = new Messages();
  #rows = new Map(); // message id → its element
  #changed = new Set(); // ids to draw with the next paint
  #lastDrawn = 0;
  #most = MOST;
  #typists = new Map(); // member id → {name, timer}
  #hasEarlier = false; // whether the log has messages before those that are kept
  #me = null;
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
    this.composer.focus();
  }

  /** Marks a message, from wherever on the page it is pointed at. */
  point(id) {
    this.list.querySelector('.pointed')?.classList.remove('pointed');
    this.#rows.get(id)?.classList.add('pointed');
  }

  // What comes

  async #loadNewest() {
    await this.#load(await this.conversation.events({ order: 'desc', pageSize: PAGE, types: SHOWN }));
  }

  async #load({ items, next }) {
    this.#hasEarlier = next !== null;
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
    this.composer.setAway(isAway);
    if (status === 'closed' && error) this.composer.complain(error);
    // The server has let the earlier session go: what was missed is in the history only.
    if (status === 'connected' && !resumed && this.#me)
      this.#loadNewest().catch((trouble) => this.composer.complain(trouble));
  }

  // How it looks

  /**
   * Draws what has changed. A message that belongs between others comes only with a page of history: then all of them
   * are placed anew.
   */
  #render() {
    for (const id of this.#messages.trim(this.#most)) {
      this.#hasEarlier = true;
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
    if (this.#hasEarlier) this.list.prepend(this.earlier);
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
    const endId = this.#messages.ids[0] - 1;
    const page = await this.conversation.events({ order: 'desc', pageSize: PAGE, types: SHOWN, endId });
    const height = this.list.scrollHeight;
    await this.#load(page);
    requestAnimationFrame(() => (this.list.scrollTop += this.list.scrollHeight - height));
  }

  #row(message, before) {
    const row = this.#rows.get(message.id);
    const isMine = this.#isMine(message);
    const look = `${isMine} ${lookOf(message, before)}`;
    if (row?.look === look) return row;
    const made = bubbleOf(message, before, isMine, {
      onEdit: () => this.composer.edit(message),
      onDelete: () => this.#remove(message),
      showPicture: (button, image, alt) => this.#showPicture(message.picture, button, image, alt),
    });
    made.look = look;
    made.dataset.event = message.id;
    if (row) this.#replace(row, made);
    this.#rows.set(message.id, made);
    return made;
  }

  #replace(row, made) {
    const hadFocus = row === document.activeElement;
    made.classList.toggle('pointed', row.classList.contains('pointed'));
    if (row.hasAttribute('tabindex')) made.tabIndex = row.tabIndex;
    row.replaceWith(made);
    if (hadFocus) made.focus();
  }

  async #showPicture(picture, button, image, alt) {
    // The URL has the server's public name; this page may have come from it under another one.
    const here = (url) => url.replace(/^https?:\/\/[^/]+/, location.origin);
    const open = async ({ url }) => URL.createObjectURL(await this.client.fetchMedia(here(url)));
    button.onclick = async () => this.onPicture(await open(picture.original), alt);
    const url = await open(picture.medium ?? picture.original);
    image.onload = () => {
      URL.revokeObjectURL(url);
      this.#toEnd();
    };
    image.src = url;
  }

  #isMine({ from }) {
    return from !== undefined && from === this.#me?.id;
  }

  #lastOwn() {
    return this.#messages.findLast((message) => this.#isMine(message) && message.text && !message.isDeleted);
  }

  #remove(message) {
    return this.conversation.remove(message.id).catch((error) => this.composer.complain(error));
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
    this.composer = new Composer({
      name,
      conversation: this.conversation,
      onLeave: () => (this.list.querySelector('[tabindex="0"]') ?? this.toggle).focus(),
      lastOwn: () => this.#lastOwn(),
    });
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
      this.composer.trouble,
      this.composer.editBar,
      this.composer.form,
    );
    this.section.addEventListener('focusin', () => this.#attend(true));
    this.section.addEventListener(
      'focusout',
      ({ relatedTarget }) => this.section.contains(relatedTarget) || this.#attend(false),
    );
    this.section.addEventListener('pointerdown', () => this.#glance());
    this.section.addEventListener('dragover', (event) => event.preventDefault());
    this.section.addEventListener('drop', (event) => {
      event.preventDefault();
      this.composer.sendPictures(picturesOf(event.dataTransfer));
    });
    const point = ({ target }) => this.onPoint(Number(target.closest('[data-event]')?.dataset.event) || null);
    this.list.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#toEnd()).observe(this.list);
    this.list.addEventListener('animationend', ({ target }) => target.classList.remove('fresh'));
    this.list.addEventListener('pointerover', point);
    this.list.addEventListener('focusin', point);
    this.list.addEventListener('pointerleave', () => this.onPoint(null));
  }

  #switchNetwork() {
    if (this.client.status === 'suspended') this.client.resume();
    else if (this.client.status === 'closed') location.reload();
    else this.client.suspend();
  }

  #moveAmong(event) {
    const row = event.target.closest('li');
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...this.list.children].filter((each) => each.matches('.message'));
    const steps = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };
    const message = this.#messages.get(Number(row.dataset.event));
    const isMine = message && this.#isMine(message) && !message.isDeleted;
    if (event.key in steps) {
      const at = rows.indexOf(row) + steps[event.key];
      const next = rows[Math.min(Math.max(at, 0), rows.length - 1)];
      this.#stopAt(next);
      next?.focus();
    } else if (isMine && event.key.toLowerCase() === 'e' && message.text) {
      this.composer.edit(message);
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
