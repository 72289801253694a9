// What an SDK hands out, as plain JSON: no functions, no back references, no cycles.

const BACK = new Set([
  'application', 'callbacks', 'client', 'conversation', 'conversationEventHandler', 'isWildEmitter', 'log',
  'pageConfig', 'eventsQueue', 'session',
]) // prettier-ignore
const MAX_DEPTH = 8 // an event's body ends long before

export function plain(value, depth = 0) {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value === 'function') return undefined
  if (typeof value !== 'object') return value
  if (depth > MAX_DEPTH) return undefined
  if (value instanceof Error) return { ...fields(value, depth), name: value.name, message: value.message }
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item, depth + 1)]))
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1) ?? null)
  return fields(value, depth)
}

function fields(value, depth) {
  const kept = {}
  for (const key of Object.keys(value)) {
    if (BACK.has(key)) continue
    const item = plain(value[key], depth + 1)
    if (item !== undefined) kept[key] = item
  }
  return kept
}
