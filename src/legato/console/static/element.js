/** Elements made in script: the page's policy allows no markup from strings. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element with attributes and children. `class` may be a list with gaps, `on…` keys are listeners, true and false
 * set and leave out an attribute, `hue` becomes the custom property that the style sheet makes colours of.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') made.className = [value].flat().filter(Boolean).join(' ');
    else if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'hue') made.style.setProperty('--hue', value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An icon of the sprite; with a label it is an image for those who hear the page, without it is decoration. */
export function icon(name, label) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  svg.setAttribute('class', `icon-${name}`);
  if (label) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
  } else {
    svg.setAttribute('aria-hidden', 'true');
  }
  return svg;
}

/** Calls `work` once before the next paint, however often it is asked for. */
export function beforePaint(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** Puts text on the clipboard and says so on the button for a moment. */
export async function copy(text, button) {
  const done = await write(text);
  const label = button.querySelector('.label') ?? button;
  if (button.dataset.before === undefined) button.dataset.before = label.textContent;
  const set = (value) => {
    const node = [...label.childNodes].find((child) => child.nodeType === Node.TEXT_NODE);
    if (node) node.textContent = value;
  };
  set(done ? 'Copied' : 'Not allowed');
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    set(button.dataset.before);
    delete button.dataset.before;
  }, 1500);
}

/** The clipboard needs a secure context; on a plain address the old command still works. */
async function write(text) {
  if (navigator.clipboard)
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  const area = element('textarea', { class: 'hidden' });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
