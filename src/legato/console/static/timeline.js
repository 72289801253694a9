import { familyOf, filterOf, targetOf } from './describe.js';
import { beforePaint, copy, element } from './element.js';
import { detailOf, rowOf, showDelivery } from './row.js';
import { slursOf } from './slurs.js';

const ROW = 50; // px, as in the style sheet: rows that are not open all have this height
const MOST = 20_000; // events kept; beyond it the oldest leave, a tenth at a time
const AHEAD = 6; // rows drawn above and below what is in view
const AT_END_PX = 30;
const DOT = 15; // px from the top of a row to the middle of its dot
const MOST_ANIMATED = 3; // events of one paint whose coming is shown; more would only flicker
const MOST_SLURS = 20; // an event with more receipts than that shows the first

/**
 * The log as it grows. Only the rows in view exist as elements, so it stays smooth with thousands of events.
 *
 * An open row pushes down those below it: `#open` maps a record to its extra height in pixels.
 */
export class Timeline {
  #records = []; // everything kept: {key, entry, type, …}
  #shown = []; // what the filter lets through, in order
  #fresh = []; // came since the last paint
  #open = new Map();
  #drawn = new Map(); // record → its element
  #seen = new Map(); // family → {count, button}
  #hidden = new Set(); // families switched off
  #active = null; // the record that has the tab stop
  #pointed = null; // the record that is pointed at, here or in a pane
  #scroll = 0; // where the viewport is, and how high: kept here, so that drawing need not ask
  #height = 0;
  #related = []; // those that belong to it
  #follows = true;
  #unseen = 0;
  #signals = 0;
  #came = 0;
  #lastId = 0;
  #paint = beforePaint(() => this.#update());
  #draw = beforePaint(() => this.#place());

  constructor({ catalogue, deliveries, onPoint, people }) {
    Object.assign(this, { catalogue, deliveries, onPoint, people });
    deliveries.onChange = () => this.#showDeliveries();
    for (const id of ['viewport', 'canvas', 'filter', 'families', 'newer', 'count', 'empty', 'types'])
      this[id] = document.getElementById(id);
    this.pass = filterOf('');
    this.viewport.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => {
      this.#height = this.viewport.clientHeight;
      this.#paint();
    }).observe(this.viewport);
    this.opened = new ResizeObserver((changes) => this.#measure(changes));
    this.filter.addEventListener('input', () => this.#filter());
    this.newer.addEventListener('click', () => this.#toEnd());
    this.canvas.addEventListener('animationend', ({ target }) => target.closest('.row').classList.remove('fresh'));
    this.canvas.addEventListener('keydown', (event) => this.#keyDown(event));
    this.canvas.addEventListener('pointerover', ({ target }) => this.#pointAt(target));
    this.canvas.addEventListener('pointerleave', () => this.onPoint(null));
    this.canvas.addEventListener('focusin', ({ target }) => this.#pointAt(target));
    this.types.append(
      ...[...catalogue.families.map((family) => `${family}*`), ...catalogue.entries.map(({ name }) => name)].map(
        (value) => element('option', { value }),
      ),
    );
    this.#update();
  }

  /** Takes the feed's next entry; it is drawn with the next paint. */
  add(entry) {
    const { event } = entry;
    if (event.id !== undefined && event.id <= this.#lastId) return; // a feed that began anew tells some of it again
    if (event.id !== undefined) this.#lastId = event.id;
    this.#fresh.push({ key: (this.#came += 1), entry, event, type: event.type, target: targetOf(event) });
    this.#paint();
  }

  /** Marks an event and those it belongs together with: its target, or its receipts and edits. */
  point(id) {
    if (id === (this.#pointed?.event.id ?? null)) return;
    const pointed = (id !== null && this.#shown.find(({ event }) => event.id === id)) || null;
    const belongs = ({ event, target }) => target === id || (pointed.target !== null && event.id === pointed.target);
    this.#pointed = pointed;
    this.#related = pointed ? this.#shown.filter(belongs) : [];
    for (const [record, row] of this.#drawn) this.#mark(record, row);
    this.#slur();
  }

  focus() {
    const record = this.#active && this.#shown.includes(this.#active) ? this.#active : this.#shown.at(-1);
    if (record) this.#activate(record);
    else this.viewport.parentElement.focus();
  }

  // Records

  #update() {
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const record of fresh) {
      this.#records.push(record);
      this.#countFamily(record);
      if (record.event.id === undefined) this.#signals += 1;
      if (this.#passes(record)) {
        this.#shown.push(record);
        if (!this.#follows) this.#unseen += 1;
      }
    }
    if (this.#records.length > MOST) {
      this.point(null);
      this.#records.splice(0, MOST / 10);
      const first = this.#records[0].key;
      const gone = this.#shown.findIndex(({ key }) => key >= first);
      for (const record of this.#shown.splice(0, gone < 0 ? Infinity : gone)) this.#open.delete(record);
      if (!this.#follows) this.viewport.scrollTop = this.#scroll -= gone * ROW;
    }
    if (this.#shown.length === this.#records.length) {
      const signals = this.#signals
        ? element('span', { class: 'signals' }, `, ${plural(this.#signals, 'signal')}`)
        : '';
      this.count.replaceChildren(plural(this.#lastId, 'event'), signals);
    } else {
      this.count.textContent = `${this.#shown.length} of ${this.#records.length} shown`;
    }
    this.empty.textContent = this.#shown.length
      ? ''
      : this.#records.length
        ? 'No event passes this filter.'
        : 'Nothing has happened yet.';
    this.newer.hidden = this.#unseen === 0;
    this.newer.lastElementChild.textContent = `${this.#unseen} new`;
    const height = this.#top(this.#shown.length);
    if (this.#follows) this.#scroll = Math.max(height - this.#height, 0);
    this.#place(fresh.length <= MOST_ANIMATED ? fresh : []);
    this.canvas.style.height = `${height}px`;
    if (this.#follows) this.viewport.scrollTop = this.#scroll;
    this.#slur();
  }

  #passes({ type }) {
    return !this.#hidden.has(familyOf(type)) && this.pass(type);
  }

  #filter() {
    this.point(null);
    this.pass = filterOf(this.filter.value);
    this.#shown = this.#records.filter((record) => this.#passes(record));
    this.#unseen = 0;
    this.#follows = true;
    this.#paint();
  }

  #countFamily({ type }) {
    const family = familyOf(type);
    let known = this.#seen.get(family);
    if (!known) {
      const number = element('span', { class: 'number' });
      const button = element(
        'button',
        {
          type: 'button',
          class: 'family',
          hue: this.catalogue.hue(type),
          'aria-pressed': 'true',
          onclick: () => this.#toggleFamily(family),
        },
        element('i', { 'aria-hidden': 'true' }),
        family,
        number,
      );
      known = { count: 0, button, number };
      this.#seen.set(family, known);
      this.families.append(button);
    }
    known.count += 1;
    known.number.textContent = known.count;
  }

  #toggleFamily(family) {
    const isHidden = !this.#hidden.delete(family);
    if (isHidden) this.#hidden.add(family);
    this.#seen.get(family).button.setAttribute('aria-pressed', String(!isHidden));
    this.#filter();
  }

  // Places

  /** Pixels above the row at an index. */
  #top(index) {
    let extra = 0;
    for (const [record, height] of this.#open) {
      const at = this.#indexOf(record);
      if (at >= 0 && at < index) extra += height;
    }
    return index * ROW + extra;
  }

  /** Records are in order of their key, so their place is found by halving. */
  #indexOf(record) {
    let low = 0;
    let high = this.#shown.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const difference = this.#shown[middle].key - record.key;
      if (difference === 0) return middle;
      if (difference < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #indexAt(pixels) {
    let low = 0;
    let high = this.#shown.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#top(middle) <= pixels) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Makes the rows in view, and only those. It asks the browser for no measure: that would cost a layout each time. */
  #place(fresh = []) {
    const first = Math.max(this.#indexAt(this.#scroll) - AHEAD, 0);
    const last = Math.min(this.#indexAt(this.#scroll + this.#height) + AHEAD, this.#shown.length - 1);
    const wanted = new Set();
    for (let index = first; index <= last; index += 1) wanted.add(this.#shown[index]);
    // The row with the focus stays, wherever it has been scrolled to.
    if (
      this.#active &&
      this.#indexOf(this.#active) >= 0 &&
      this.#drawn.get(this.#active)?.contains(document.activeElement)
    )
      wanted.add(this.#active);
    for (const [record, row] of this.#drawn) {
      if (wanted.has(record)) continue;
      this.opened.unobserve(row);
      row.remove();
      this.#drawn.delete(record);
    }
    const stop = this.#active && this.#indexOf(this.#active) >= 0 ? this.#active : this.#shown.at(-1);
    let before = null;
    for (const record of [...wanted].sort((one, other) => one.key - other.key)) {
      const index = this.#indexOf(record);
      let row = this.#drawn.get(record);
      if (!row) {
        const delivery = this.deliveries.of(record.entry);
        const place = { hue: this.catalogue.hue(record.type), people: this.people, delivery };
        row = rowOf(record.entry, place, () => this.#toggle(record));
        row.classList.toggle('fresh', fresh.includes(record));
        this.#drawn.set(record, row);
        if (this.#open.has(record)) this.#fill(record, row);
        this.#mark(record, row);
      }
      if (before === null ? this.canvas.firstElementChild !== row : before.nextElementSibling !== row) {
        if (before === null) this.canvas.prepend(row);
        else before.after(row);
      }
      row.style.transform = `translateY(${this.#top(index)}px)`;
      row.setAttribute('aria-posinset', index + 1);
      row.setAttribute('aria-setsize', this.#shown.length);
      row.firstElementChild.tabIndex = record === stop ? 0 : -1;
      before = row;
    }
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.viewport;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    // Growth moves nothing up: only who scrolls up wants to stay there.
    this.#follows = isAtEnd || (this.#follows && scrollTop >= this.#scroll);
    this.#scroll = scrollTop;
    if (this.#follows && this.#unseen) {
      this.#unseen = 0;
      this.newer.hidden = true;
    }
    this.#draw();
  }

  #toEnd() {
    this.#follows = true;
    this.#unseen = 0;
    this.#update();
    this.focus();
  }

  // Rows

  #toggle(record) {
    const row = this.#drawn.get(record);
    this.#active = record;
    if (this.#open.delete(record)) {
      this.opened.unobserve(row);
      row.lastElementChild.remove();
      row.classList.remove('open');
      row.firstElementChild.setAttribute('aria-expanded', 'false');
      this.#paint();
      return;
    }
    this.#open.set(record, 0);
    if (this.#indexOf(record) < this.#shown.length - 1) this.#follows = false;
    this.#fill(record, row);
  }

  #fill(record, row) {
    const { summary } = this.catalogue.entry(record.type) ?? { summary: '' };
    const delivery = this.deliveries.of(record.entry);
    row.append(detailOf(record.entry, summary, delivery, delivery && this.deliveries.panel(record.entry)));
    row.classList.add('open');
    row.firstElementChild.setAttribute('aria-expanded', 'true');
    this.opened.observe(row);
  }

  #showDeliveries() {
    for (const [record, row] of this.#drawn) showDelivery(row, record.entry, this.deliveries.of(record.entry));
  }

  #measure(changes) {
    for (const { target } of changes) {
      const [record] = [...this.#drawn].find(([, row]) => row === target) ?? [];
      if (record && this.#open.has(record)) this.#open.set(record, Math.max(target.offsetHeight - ROW, 0));
    }
    this.#paint();
  }

  #mark(record, row) {
    row.classList.toggle('pointed', record === this.#pointed);
    row.classList.toggle('related', this.#related.includes(record));
  }

  #slur() {
    this.canvas.querySelector('.slurs')?.remove();
    const middle = (record) => this.#top(this.#indexOf(record)) + DOT;
    if (this.#related.length) {
      this.canvas.append(slursOf(middle(this.#pointed), this.#related.slice(0, MOST_SLURS).map(middle)));
    }
  }

  #recordAt(inside) {
    const row = inside.closest('.row');
    return [...this.#drawn].find(([, drawn]) => drawn === row)?.[0] ?? null;
  }

  #pointAt(inside) {
    const record = this.#recordAt(inside);
    this.onPoint(record?.event.id ?? null, record?.target ?? record?.event.id ?? null);
  }

  #activate(record) {
    this.#active = record;
    const index = this.#indexOf(record);
    const top = this.#top(index);
    const bottom = top + ROW + (this.#open.get(record) ?? 0);
    if (top < this.#scroll) this.#scroll = top;
    else if (bottom > this.#scroll + this.#height) this.#scroll = Math.min(top, bottom - this.#height);
    this.#follows &&= this.#scroll + this.#height >= this.#top(this.#shown.length) - AT_END_PX;
    this.viewport.scrollTop = this.#scroll;
    this.#place();
    if (!this.#drawn.has(record)) return requestAnimationFrame(() => this.#activate(record));
    this.#drawn.get(record).firstElementChild.focus({ preventScroll: true });
  }

  #keyDown(event) {
    const head = event.target.closest('.event');
    if (!head || event.ctrlKey || event.metaKey || event.altKey) return;
    const record = this.#recordAt(head);
    const page = Math.max(Math.floor(this.viewport.clientHeight / ROW) - 1, 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      const at = Math.min(Math.max(this.#indexOf(record) + steps[event.key], 0), this.#shown.length - 1);
      this.#activate(this.#shown[at]);
    } else if (event.key.toLowerCase() === 'c') {
      const button = this.#drawn.get(record).querySelector('.detail .copy');
      if (button) button.click();
      else copy(JSON.stringify(record.event, null, 2), head.querySelector('.type'));
    } else if (event.key === 'Escape' && this.#open.has(record)) {
      this.#toggle(record);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;
