import { element } from './element.js';

/** A JSON value as indented, coloured text; what is copied from it is plain JSON. */
export function jsonView(value) {
  const out = element('pre', { class: 'json', tabindex: '0' });
  write(out, value, '');
  return out;
}

function write(out, value, indent) {
  if (value === null || typeof value !== 'object') {
    const kind = value === null ? 'null' : typeof value;
    out.append(element('span', { class: `j-${kind}` }, JSON.stringify(value)));
    return;
  }
  const isArray = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = isArray ? '[]' : '{}';
  if (entries.length === 0) return out.append(open + close);
  out.append(`${open}\n`);
  entries.forEach(([key, child], place) => {
    out.append(`${indent}  `);
    if (!isArray) out.append(element('span', { class: 'j-key' }, JSON.stringify(key)), ': ');
    write(out, child, `${indent}  `);
    out.append(place < entries.length - 1 ? ',\n' : '\n');
  });
  out.append(indent + close);
}
