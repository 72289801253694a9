/** A request as a shell command that makes it again. */
export function curlOf({ method, url, headers, body }) {
  const parts = [`curl -X ${method} ${quoted(url)}`];
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'Idempotency-Key') continue; // with it, the server would answer instead of doing it again
    parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  }
  if (typeof body === 'string') parts.push(`--data ${quoted(body)}`);
  else if (body instanceof FormData)
    for (const [name, value] of body)
      parts.push(`-F ${quoted(`${name}=${value instanceof File ? `@${value.name}` : value}`)}`);
  return parts.join(' \\\n  ');
}

/** POSIX shell: within single quotes everything stands for itself but the single quote. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
