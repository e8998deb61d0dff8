#!/usr/bin/env node
// Call a method of an rpc actor: see USAGE.

import { parseArgs } from 'node:util'
import { Callback, Items, StractoryError, connect } from './client.js'

const USAGE = `usage: node call.js [OPTION...] NAME METHOD [ARGUMENT as JSON...]

Calls a method of an rpc actor and prints what it returns as JSON; of a generator each item on a line.

  --registry ADDRESS   by default $STRACTORY_REGISTRY, else 127.0.0.1:9000
  --key-file FILE      by default $STRACTORY_KEY_FILE, else ~/.config/stractory/cluster.key
  --tls-ca FILE        certificates have to be signed by the CA in this PEM file; by default $STRACTORY_TLS_CA
  --timeout SECONDS    how long the call may take; by default 30
  --help`

const LONGEST = 2_000_000 // seconds: what a timer of Node.js can wait for

/** Exit statuses, those of stractoryctl. */
const FAILED = 1
const USAGE_MISTAKEN = 2
const PIPE_CLOSED = 141
const STATUSES = {
  ConfigError: USAGE_MISTAKEN,
  InvalidName: USAGE_MISTAKEN,
  ActorNotFound: 3,
  UnknownMethod: 3,
  UnreachableError: 4,
  ActorLost: 4,
  LinkClosed: 4,
  AuthError: 5,
  ForbiddenRole: 5,
  CallTimeout: 124
}

class Mistake extends StractoryError {
  constructor (message) {
    super('ConfigError', message)
  }
}

function commandLine () {
  const text = { type: 'string' }
  const help = { type: 'boolean' }
  const options = { registry: text, 'key-file': text, 'tls-ca': text, timeout: text, help }
  let parsed
  try {
    parsed = parseArgs({ options, allowPositionals: true })
  } catch (error) {
    throw new Mistake(error.message.split('. ')[0])
  }
  const { values, positionals: [name, method, ...args] } = parsed
  if (!values.help && method === undefined) throw new Mistake('NAME and METHOD are needed; --help tells more')
  const timeout = Number(values.timeout ?? 30)
  if (!(timeout > 0 && timeout <= LONGEST)) {
    throw new Mistake(`--timeout ${values.timeout} is no number of seconds above 0, up to ${LONGEST}`)
  }
  return { values, name, method, args: args.map(fromJson), timeout }
}

function fromJson (text) {
  try {
    return JSON.parse(text)
  } catch {
    throw new Mistake(`${text} is not JSON (text needs quotes of its own: '"text"')`)
  }
}

/** As JSON; bytes are base64, integers beyond a number's reach and functions are text. */
function toJson (value) {
  try {
    return JSON.stringify(value, replaced) ?? 'null'
  } catch {
    throw new StractoryError('CallError', 'what it returned contains itself, and JSON cannot tell that')
  }
}

function replaced (key, inJson) {
  const part = this[key]
  if (part instanceof Uint8Array) return Buffer.from(part).toString('base64')
  if (part instanceof Callback) return `function ${part.number}`
  if (typeof part === 'bigint') return Number.isSafeInteger(Number(part)) ? Number(part) : String(part)
  return inJson
}

async function main () {
  const { values, name, method, args, timeout } = commandLine()
  if (values.help) return console.log(USAGE)
  const { registry, 'key-file': keyFile, 'tls-ca': tlsCa } = values
  const strac = await connect({ registry, keyFile, tlsCa })
  try {
    const actor = await strac.get(name)
    const result = await actor.callWith({ timeout }, method, ...args)
    if (!(result instanceof Items)) return console.log(toJson(result))
    for await (const item of result) console.log(toJson(item))
  } finally {
    await strac.close()
  }
}

process.stdout.on('error', () => process.exit(PIPE_CLOSED)) // nobody reads any more, as with | head
main().catch((error) => {
  if (!(error instanceof StractoryError)) throw error
  const type = error.code === 'RemoteError' ? `${error.details.type}: ` : ''
  console.error(`call: ${type}${error.message}`)
  process.exitCode = STATUSES[error.code] ?? FAILED
})
