import { LegatoError } from './client/legato.js';
import { element, icon } from './element.js';

const TYPING_MS = 3_000; // without a key, one has stopped typing
const TALLEST_PX = 140; // of the field, before it scrolls

/** Where one person writes: text, pictures, edits. What is refused stays in the field, with the reason above it. */
export class Composer {
  #editing = null;
  #typing = 0; // timer; 0 while the others do not believe that one is typing

  /**
   * @param {{name: string, conversation: object, onLeave: () => void, lastOwn: () => object | undefined}} options
   *   `onLeave` is called when one is done writing; `lastOwn` finds the message that the up arrow edits.
   */
  constructor(options) {
    Object.assign(this, options);
    this.#build();
  }

  focus() {
    this.input.focus();
  }

  /** While one is away, nothing can be written. */
  setAway(isAway) {
    this.fields.disabled = isAway;
    this.input.placeholder = isAway ? `${this.name} is offline` : `Write as ${this.name}`;
  }

  /** Begins to edit a message; null ends it. */
  edit(message) {
    this.#editing = message;
    this.editBar.hidden = message === null;
    this.editBar.firstElementChild.textContent = message ? `Editing event ${message.id}` : '';
    this.sendButton.setAttribute('aria-label', message ? 'Save' : 'Send');
    this.#fill(message?.text ?? '');
    if (message) this.focus();
  }

  async sendPictures(files) {
    this.complain(null);
    for (const file of files) await this.conversation.image(file).catch((error) => this.complain(error));
  }

  /** Says what went wrong; null takes it back. */
  complain(error) {
    if (error === null) return this.trouble.replaceChildren();
    if (!(error instanceof LegatoError)) throw error;
    const fields = error.invalidParameters.map(({ name, reason }) =>
      reason.includes(name) ? reason : `${name} ${reason}`,
    );
    const words = fields.join(' ') || error.detail;
    this.trouble.replaceChildren(element('b', {}, `${words} `), element('code', {}, error.code));
  }

  async #send() {
    const text = this.input.value.trim();
    if (!text) return;
    const editing = this.#editing;
    this.#stopTyping();
    this.edit(null);
    this.complain(null);
    try {
      await (editing ? this.conversation.edit(editing.id, text) : this.conversation.text(text));
    } catch (error) {
      if (editing) this.edit(editing);
      if (editing || !this.input.value) this.#fill(text);
      this.complain(error);
    }
  }

  #fill(text) {
    this.input.value = text;
    this.#grow();
  }

  #grow() {
    this.input.style.height = 'auto';
    this.input.style.height = `${Math.min(this.input.scrollHeight, TALLEST_PX)}px`;
  }

  // Typing is a signal: when it is lost, nothing is.

  #noteTyping() {
    if (this.input.value.trim() === '' || this.#editing) return this.#stopTyping();
    if (!this.#typing) this.conversation.typing(true).catch(() => {});
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#stopTyping(), TYPING_MS);
  }

  #stopTyping() {
    if (!this.#typing) return;
    clearTimeout(this.#typing);
    this.#typing = 0;
    this.conversation.typing(false).catch(() => {});
  }

  #key(event) {
    if (event.isComposing) return;
    const { key } = event;
    if (key === 'Enter' && !event.shiftKey) this.#send();
    else if (key === 'Escape' && this.#editing) this.edit(null);
    else if (key === 'Escape') this.onLeave();
    else if (key === 'ArrowUp' && this.input.value === '' && this.lastOwn()) this.edit(this.lastOwn());
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #pasted(event) {
    const found = picturesOf(event.clipboardData);
    if (!found.length) return;
    event.preventDefault();
    this.sendPictures(found);
  }

  #chosen() {
    this.sendPictures([...this.file.files]);
    this.file.value = '';
  }

  #build() {
    this.trouble = element('p', { class: 'trouble', role: 'alert' });
    const cancel = () => {
      this.edit(null);
      this.focus();
    };
    this.editBar = element(
      'p',
      { class: 'edit-bar', hidden: true },
      element('span'),
      element('button', { type: 'button', class: 'plain', onclick: cancel }, 'Cancel'),
    );
    this.file = element('input', {
      type: 'file',
      accept: 'image/*',
      multiple: true,
      hidden: true,
      'aria-label': `Pictures to send as ${this.name}`,
      onchange: () => this.#chosen(),
    });
    this.input = element('textarea', {
      rows: '1',
      placeholder: `Write as ${this.name}`,
      'aria-label': `Write as ${this.name}`,
      enterkeyhint: 'send',
      oninput: () => (this.#grow(), this.#noteTyping()),
      onkeydown: (event) => this.#key(event),
      onpaste: (event) => this.#pasted(event),
    });
    const attach = { 'aria-label': 'Send a picture', title: 'Send a picture', onclick: () => this.file.click() };
    this.sendButton = element('button', { type: 'submit', class: 'send', 'aria-label': 'Send' }, icon('send'));
    this.fields = element(
      'fieldset',
      { class: 'composer' },
      element('button', { type: 'button', class: 'plain icon', ...attach }, icon('image')),
      this.file,
      this.input,
      this.sendButton,
    );
    this.form = element('form', { onsubmit: (event) => (event.preventDefault(), this.#send()) }, this.fields);
  }
}

/** The pictures in what was pasted or dropped. */
export function picturesOf(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith('image/'));
}
